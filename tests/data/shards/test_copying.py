"""Shards behind a URL are copied once, whole or not at all, by as many as come."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from interestingness.data.part import Part
from interestingness.data.shards import copying
from interestingness.data.shards.copying import copy_shards
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.verify import verify_shards
from interestingness.errors import ShardError


class Bucket:
    """Shards behind a command, which notes what it was asked for."""

    def __init__(self, root: Path, notes: Path) -> None:
        self.root, self.notes = root, notes
        self.url = f"pipe:echo {{name}} >> {notes}; cat {root}/{{name}}"

    def asked(self) -> list[str]:
        names = self.notes.read_text().split() if self.notes.exists() else []
        self.notes.unlink(missing_ok=True)
        return names


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "WAIT_S", 0.0)


@pytest.fixture
def bucket(root: Path, tmp_path: Path) -> Bucket:
    return Bucket(root, tmp_path / "asked.txt")


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_copy_is_the_folder_and_is_made_once(bucket: Bucket, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    copy = copy_shards(bucket.url, tmp_path / "cache", progress=lambda *now: told.append(now))
    assert sorted(bucket.asked()) == sorted(p.name for p in bucket.root.iterdir())
    assert files(copy) == {p.name for p in bucket.root.iterdir()}
    assert all((copy / n).read_bytes() == (bucket.root / n).read_bytes() for n in files(copy))
    assert PairShards(copy).local is not None and not verify_shards(copy).problems
    assert len(told) >= len(files(copy)) - 1 and told == sorted(told)
    assert told[-1][0] == told[-1][1]
    assert copy_shards(bucket.url, tmp_path / "cache") == copy
    assert bucket.asked() == ["manifest.json"]


def test_parts_make_the_whole_and_nothing_travels_twice(bucket: Bucket, tmp_path: Path) -> None:
    count = len(list(bucket.root.iterdir())) + 3  # more ranks than files
    copies = {copy_shards(bucket.url, tmp_path / "cache", Part(i, count)) for i in range(count)}
    asked = [name for name in bucket.asked() if name != "manifest.json"]
    (copy,) = copies
    assert sorted(asked) == sorted(files(copy) - {"manifest.json"})
    assert not verify_shards(copy).problems


def test_what_was_copied_before_an_error_stays(bucket: Bucket, tmp_path: Path) -> None:
    last = sorted(bucket.root.glob("*.tar"))[-1]
    whole = last.read_bytes()
    for damaged, said in (
        (whole[:-512], f"ends after {len(whole) - 512} of {len(whole)} bytes"),
        (b"", f"ends after 0 of {len(whole)} bytes"),
        (whole[:-1] + b"x", "does not match its manifest"),
        (whole + b"x", rf"does not match its manifest \({len(whole) + 1} bytes\)"),
    ):
        last.write_bytes(damaged)
        with pytest.raises(ShardError, match=rf"{last.name}.*{said}"):
            copy_shards(bucket.url, tmp_path / "cache")
    (copy,) = (tmp_path / "cache").glob("copy-*")
    assert files(copy) == {p.name for p in bucket.root.iterdir()} - {last.name, "manifest.json"}
    last.write_bytes(whole)
    bucket.asked()
    copy_shards(bucket.url, tmp_path / "cache")
    assert bucket.asked() == ["manifest.json", last.name]
    assert not verify_shards(copy).problems


def test_a_command_that_fails_half_way(bucket: Bucket, tmp_path: Path) -> None:
    url = f"pipe:head -c 700 {bucket.root}/{{name}}; test {{name}} = manifest.json"
    manifest = (bucket.root / "manifest.json").read_bytes()
    url = url.replace("head -c 700", f"head -c {len(manifest)}")
    with pytest.raises(ShardError, match=r"cannot be read|does not match"):
        copy_shards(url, tmp_path / "cache")
    (copy,) = (tmp_path / "cache").glob("copy-*")
    assert not files(copy)
    assert all(path.suffix == ".lock" for path in copy.with_name(f".{copy.name}").iterdir())


def test_changed_shards_are_copied_anew(bucket: Bucket, tmp_path: Path) -> None:
    first = copy_shards(bucket.url, tmp_path / "cache")
    path = bucket.root / "manifest.json"
    path.write_text(path.read_text().replace('"tiny"', '"other"'))
    second = copy_shards(bucket.url, tmp_path / "cache")
    assert second != first and PairShards(second).manifest.name == "other"


def test_a_disk_without_room(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(ShardError, match="are free") as caught:
        copy_shards(bucket.url, tmp_path / "cache")
    assert "data.copy=false" in caught.value.todo
    assert set(bucket.asked()) == {"manifest.json"}


def test_a_copy_serves_where_the_url_does_not_any_more(bucket: Bucket, tmp_path: Path) -> None:
    said: list[str] = []
    copy = copy_shards(bucket.url, tmp_path / "cache")
    hidden = bucket.root.rename(tmp_path / "gone")
    assert copy_shards(bucket.url, tmp_path / "cache", say=said.append) == copy
    assert len(said) == 1 and "cannot be read" in said[0] and str(copy) in said[0]
    (copy / "pairs-000000.tar").unlink()
    with pytest.raises(ShardError, match="cannot be read"):
        copy_shards(bucket.url, tmp_path / "cache")
    hidden.rename(bucket.root)
    assert not verify_shards(copy_shards(bucket.url, tmp_path / "cache")).problems
