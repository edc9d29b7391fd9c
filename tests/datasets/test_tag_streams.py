"""The benchmark of real tag lists: its counts are those of a second count."""

from __future__ import annotations

import gzip
import runpy
from pathlib import Path

import pytest


def test_counts_of_a_stream(
    repository: Path, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(repository / "benchmarks" / "tag_streams.py"))
    photos = shared_data / "flickr_explore" / "photos.tsv.gz"
    words = shared_data / "words" / "wordvecs1000_300d.json"
    if not (photos.is_file() and words.is_file()):
        pytest.skip(f"{photos} or {words} is not here")
    with gzip.open(photos, "rt", encoding="utf-8", newline="\n") as stream:
        lines = [next(stream) for _ in range(3_001)]
    part = tmp_path / "photos.tsv.gz"
    with gzip.open(part, "wt", encoding="utf-8", newline="\n") as stream:
        stream.writelines(lines)
    own = [set(line.split("\t")[4].split()) for line in lines[1:]]
    leaks = [tag for tags in own for tag in tags if "explor" in tag.lower()]
    counts = script["stream_tags"](part, words, 700)
    assert counts.photos == 3_000 and counts.tags == sum(map(len, own))
    assert counts.untagged == sum(not tags for tags in own) and counts.most == max(map(len, own))
    assert counts.leaks.total() == len(leaks) > 100
    assert counts.affected == sum(any("explor" in tag.lower() for tag in tags) for tags in own)
    rest = counts.known + sum(counts.unknown.values())
    # Tags that differ in case only are one.
    assert rest <= counts.tags - len(leaks) < 1.001 * rest
    assert 0 < counts.with_vector < 3_000 - counts.untagged
    whole = script["stream_tags"](part, words, 100_000)
    assert (whole.known, whole.unknown, whole.leaks) == (counts.known, counts.unknown, counts.leaks)
