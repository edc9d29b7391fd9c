"""Tar files of images as the images of a folder."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from interestingness.data.images import read_image
from interestingness.errors import DataError
from interestingness.tables.tables import Tables


@pytest.fixture
def tars(raw: Callable[[str], ModuleType], tmp_path: Path) -> Path:
    made: Path = raw("img2dataset").write(tmp_path / "tars")
    return made


def test_a_folder_a_pattern_and_one_file(tars: Path, prepare: Callable[..., Tables]) -> None:
    whole = prepare(images=tars)
    ids = [f"{shard:05d}/{shard:05d}{k:04d}.jpg" for shard in range(2) for k in range(3)]
    assert whole.image_ids.tolist() == ids
    assert read_image(whole.image_path(4)).size == (21, 10)
    assert prepare(images=str(tars / "*.tar")).image_ids.tolist() == ids
    one = prepare(images=tars / "00001.tar")
    assert len(one.image_ids) == 3
    again = prepare(images=tars)
    assert again.root == whole.root


def test_votes_name_members(tars: Path, tmp_path: Path, prepare: Callable[..., Tables]) -> None:
    votes = tmp_path / "votes.csv"
    votes.write_text("left,right,choice\n000000000.jpg,00001/000010002.jpg,left\n")
    tables = prepare(images=tars, votes=votes)
    assert tables.votes().preference.tolist() == [1.0]


def test_nothing_half_unpacked(tars: Path, tmp_path: Path, prepare: Callable[..., Tables]) -> None:
    data = (tars / "00001.tar").read_bytes()
    (tars / "00001.tar").write_bytes(data[:800])
    with pytest.raises(DataError, match=r"00001\.tar: cut short within 000010000\.jpg"):
        prepare(images=tars)
    left = [p.name for p in (tmp_path / "cache").iterdir()]
    assert left
    assert not [name for name in left if not name.endswith(".lock")]


@pytest.mark.parametrize("name", ["../evil.jpg", "/tmp/evil.jpg"])
def test_names_that_lead_elsewhere(
    name: str, tmp_path: Path, prepare: Callable[..., Tables]
) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    with pytest.raises(DataError, match="a member is called"):
        prepare(images=tmp_path / "evil.tar")


def test_other_tar_files(tmp_path: Path, prepare: Callable[..., Tables]) -> None:
    with tarfile.open(tmp_path / "texts.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    with pytest.raises(DataError, match="no image in 1 tar files"):
        prepare(images=tmp_path / "texts.tar")
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "manifest.json").write_text("{}")
    (shards / "index.parquet").write_bytes(b"")
    with pytest.raises(DataError, match="a folder of pair shards"):
        prepare(images=shards)
