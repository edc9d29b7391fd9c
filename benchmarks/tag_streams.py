"""Real tag lists through the tags' whole way: split, leak removed, averaged over word vectors.

    python benchmarks/tag_streams.py --photos FILE.tsv.gz --words FILE.json [--part 100000]

The photographs are rows of a table with tabs and a column tags_space_joined, such as Flickr's own
lists of interesting ones; the words are word vectors. Counts, seconds and memory come out; nothing
is learnt.

``--part`` is how many photographs are in memory at once. A run has all of them.

tiny: --photos $FLICKR_EXPLORE/photos.tsv.gz --words $WORDS/wordvecs1000_300d.json
"""

from __future__ import annotations

import argparse
import gzip
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from interestingness.datasets.tags import LEAK, tags_of, without_leak
from interestingness.models.words import WordVectors

COLUMN = "tags_space_joined"


@dataclass
class Counts:
    """What the stream holds, and what the way took, in seconds by stage."""

    photos: int = 0
    untagged: int = 0
    tags: int = 0
    most: int = 0
    leaks: Counter[str] = field(default_factory=Counter)
    affected: int = 0
    known: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    with_vector: int = 0
    seconds: Counter[str] = field(default_factory=Counter)


def cells(photos: Path, part: int) -> Iterator[list[str]]:
    """Cells of the tag column, ``part`` at a time."""
    with gzip.open(photos, "rt", encoding="utf-8", newline="\n") as stream:
        at = next(stream).rstrip("\n").split("\t").index(COLUMN)
        found: list[str] = []
        for line in stream:
            found.append(line.rstrip("\n").split("\t")[at])
            if len(found) == part:
                yield found
                found = []
    if found:
        yield found


def stream_tags(photos: Path, words: Path, part: int) -> Counts:
    """Split, remove what leaks, average."""
    counts = Counts()
    began = time.perf_counter()

    def stage(name: str) -> None:
        nonlocal began
        counts.seconds[name] += time.perf_counter() - began
        began = time.perf_counter()

    vectors = WordVectors(words)
    stage("word vectors")
    for some in cells(photos, part):
        stage("read")
        tags = [tags_of(cell) for cell in some]
        stage("split")
        clean = without_leak(tags)
        stage("leak")
        found = vectors.average(clean.tags)
        stage("average")
        counts.photos += len(tags)
        counts.untagged += sum(not own for own in tags)
        counts.tags += sum(map(len, tags))
        counts.most = max(counts.most, *map(len, tags))
        counts.leaks += clean.removed
        counts.affected += sum(clean.affected)
        counts.known += found.known
        counts.unknown += found.unknown
        counts.with_vector += int(found.present.sum())
        stage("counted")
    return counts


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--words", type=Path, required=True)
    parser.add_argument("--part", type=int, default=100_000)
    given = parser.parse_args()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = stream_tags(given.photos, given.words, given.part)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    share = counts.known / (counts.known + sum(counts.unknown.values()))
    often = ", ".join(f"{tag} {count:,}" for tag, count in counts.leaks.most_common(4))
    print(f"photographs  {counts.photos:,}, {counts.untagged:,} of them without a tag")
    print(f"tags         {counts.tags:,}, at most {counts.most:,} on one photograph")
    print(f"leak         {counts.leaks.total():,} tags with {LEAK!r} removed")
    affected = f"{counts.affected:,} photographs"
    print(f"             {len(counts.leaks):,} distinct, from {affected}: {often}")
    print(f"vectors      {counts.known:,} tags have one ({100 * share:.1f} %)")
    print(f"             {len(counts.unknown):,} distinct tags have none")
    print(f"             {counts.with_vector:,} photographs have an average")
    stages = ", ".join(f"{name} {s:.2f}" for name, s in counts.seconds.items())
    print(f"seconds      {counts.seconds.total():.1f}: {stages}")
    print(f"memory       peak {peak:,.0f} MiB, {before:,.0f} before")


if __name__ == "__main__":
    main()
