"""Images that trained a checkpoint are known by their pixels, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from interestingness.assembly.trained_images import trained_keys, unseen_split
from interestingness.data.content import PIECE, picture_key, picture_keys
from interestingness.data.splits import PairSplit, all_test
from interestingness.errors import ConfigError, DataError
from interestingness.schema import Pairs
from interestingness.tables.tables import Manifest, Tables

SUFFIXES = (".jpg", ".png", ".webp", ".bmp")


def picture(number: int, side: int = 24) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def save(path: Path, number: int, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(number).save(path, **options)


def tables_of(folder: Path, names: list[str]) -> Tables:
    """A prepared data set of these files, with all their pairs."""
    low, high = np.triu_indices(len(names), 1)
    ids = sorted(names)
    pairs, _, _ = Pairs.from_ids([ids[i] for i in low], [ids[i] for i in high], ids)
    Tables.write(
        folder / "tables",
        Manifest(name="made", domain="photographs", image_root=str(folder)),
        {
            "images": pa.table({"image_id": ids, "path": ids}),
            "pairs": pa.table(
                {
                    "pair_id": pairs.pair_ids,
                    "left": pairs.image_ids[pairs.left].tolist(),
                    "right": pairs.image_ids[pairs.right].tolist(),
                }
            ),
        },
    )
    return Tables(folder / "tables")


@pytest.fixture
def cfg(tmp_path: Path) -> DictConfig:
    made = {"paths": {"cache": str(tmp_path / "cache")}, "trained_images": "leave_out"}
    return OmegaConf.create(made)


@pytest.fixture
def trained(tmp_path: Path, cfg: DictConfig) -> str:
    """The keys of a run that learnt from pictures 0 to 3 of 8."""
    names = [f"p{n}{SUFFIXES[n % 4]}" for n in range(8)]
    for n, name in enumerate(names):
        save(tmp_path / "run" / name, n)
    tables = tables_of(tmp_path / "run", names)
    rows = np.flatnonzero((tables.pairs.left < 4) & (tables.pairs.right < 4))
    nothing = np.array([], dtype=np.int64)
    return trained_keys(cfg, tables, {"train": rows, "validation": nothing, "test": nothing})


def renamed(folder: Path, n: int) -> str:
    name = f"{90 - n}{SUFFIXES[n % 4]}"
    save(folder / name, n)
    return name


def in_subfolders(folder: Path, n: int) -> str:
    name = f"day{n}/IMG_1{SUFFIXES[n % 4]}"
    save(folder / name, n)
    return name


def with_stars(folder: Path, n: int) -> str:
    """A rating, a comment or a text was written into the file since."""
    name = f"rated{n}{SUFFIXES[n % 4]}"
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "<xmp>five stars</xmp>")
    exif = Image.Exif()
    exif[0x4746] = 5
    options: dict[str, Any] = {
        ".jpg": {"exif": exif, "comment": b"seen"},
        ".png": {"pnginfo": info},
        ".webp": {"exif": exif},
        ".bmp": {},
    }[SUFFIXES[n % 4]]
    save(folder / name, n, **options)
    return name


def linked(folder: Path, n: int) -> str:
    save(folder / "store" / f"{n}{SUFFIXES[n % 4]}", n)
    name = f"link{n}{SUFFIXES[n % 4]}"
    (folder / name).symlink_to(folder / "store" / f"{n}{SUFFIXES[n % 4]}")
    return name


@pytest.mark.parametrize("copied", [renamed, in_subfolders, with_stars, linked])
def test_images_that_trained_are_left_out_counted_and_named(
    copied: Callable[[Path, int], str], trained: str, cfg: DictConfig, tmp_path: Path
) -> None:
    names = [copied(tmp_path / "other", n) for n in range(8)]
    tables = tables_of(tmp_path / "other", names)
    split = all_test(tables.pairs, tables.images)
    found = unseen_split(cfg, tables, split, {"trained_images": trained})
    assert found.facts["trained_images"] == sorted(names[:4])
    tested = {str(name) for name in tables.image_ids[tables.pairs[found.test].images_used()]}
    assert tested == set(names[4:])
    assert found.facts["pairs_with_trained"] == 28 - 6 == split.test.sum() - found.test.sum()
    assert sorted(names[:4])[0] in found.rule and "4 of 8" in found.rule


def test_other_images_are_all_tested(trained: str, cfg: DictConfig, tmp_path: Path) -> None:
    names = [renamed(tmp_path / "other", n) for n in range(20, 26)]
    tables = tables_of(tmp_path / "other", names)
    split = all_test(tables.pairs, tables.images)
    found = unseen_split(cfg, tables, split, {"trained_images": trained})
    assert found.test.all() and found.rule == split.rule


def test_the_option_tests_them_all_the_same(trained: str, cfg: DictConfig, tmp_path: Path) -> None:
    tables = tables_of(tmp_path / "other", [renamed(tmp_path / "other", n) for n in range(4)])
    split = all_test(tables.pairs, tables.images)
    own = {"trained_images": trained}
    with pytest.raises(DataError, match="no test pair is left"):
        unseen_split(cfg, tables, split, own)
    cfg.trained_images = "test"
    assert unseen_split(cfg, tables, split, own) is split
    cfg.trained_images = "keep"
    with pytest.raises(ConfigError, match="leave_out, test"):
        unseen_split(cfg, tables, split, own)


def test_what_is_not_known_is_said(trained: str, cfg: DictConfig, tmp_path: Path) -> None:
    names = [renamed(tmp_path / "other", n) for n in range(8)]
    tables = tables_of(tmp_path / "other", names)
    split: PairSplit = all_test(tables.pairs, tables.images)
    older = unseen_split(cfg, tables, split, {})
    assert older.test.all() and "not known" in older.rule
    (tmp_path / "other" / names[0]).unlink()
    found = unseen_split(cfg, tables, split, {"trained_images": trained})
    assert len(found.facts["trained_images"]) == 3 and "may have trained it: 1" in found.rule


def test_long_pictures_are_told_apart_by_a_part(tmp_path: Path) -> None:
    """Of long pixel data three pieces and the length count; other bytes are not read."""
    rng = np.random.default_rng(0)
    files = {}
    size = 6 * PIECE
    for name, changed in {"same": 3 * PIECE // 2, "first": 9, "last": size - 9, "none": -1}.items():
        pixels = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
        if changed >= 0:
            pixels[changed] ^= 1
        chunk = len(pixels).to_bytes(4, "big") + b"IDAT" + pixels.tobytes() + b"crc!"
        text = rng.bytes(9)
        files[name] = tmp_path / f"{name}.png"
        files[name].write_bytes(
            b"\x89PNG\r\n\x1a\n" + len(text).to_bytes(4, "big") + b"tEXt" + text + b"crc!" + chunk
        )
    keys = {name: picture_key(path) for name, path in files.items()}
    assert keys["same"] == keys["none"]
    assert len({keys["none"], keys["first"], keys["last"]}) == 3
    files["none"].write_bytes(files["none"].read_bytes()[:-9])  # cut: shorter pixel data
    assert picture_key(files["none"]) != keys["same"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\x00", b"RIFFxxxxWEBP", b"\x89PNG\r\n\x1a\nxx", b"hello"],
)
def test_damaged_files_are_known_by_all_their_bytes(tmp_path: Path, content: bytes) -> None:
    path, other = tmp_path / "a.jpg", tmp_path / "b.jpg"
    path.write_bytes(content)
    other.write_bytes(content + b"more")
    keys = picture_keys([path, other, tmp_path / "none.jpg"], tmp_path / "memo.npz")
    assert (keys[0] is None) == (content == b"")
    assert keys[1] is not None and keys[0] != keys[1] and keys[2] is None
