"""Shards appear whole, once, with the same bytes every time, and stock WebDataset reads them."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interestingness.data.images import Skips, decode_image
from interestingness.data.shards.layout import parse_member, read_manifest
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.verify import verify_shards
from interestingness.data.shards.writer import write_shards
from interestingness.errors import ConfigError, DataError, ShardError
from interestingness.tables.tables import Tables

MakeTables = Callable[..., Tables]


def encoded(format: str, size: tuple[int, int] = (40, 20), **options: Any) -> bytes:
    import io

    buffer = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(buffer, format, **options)
    return buffer.getvalue()


def test_members_manifest_and_original_bytes(tables: Tables, root: Path) -> None:
    manifest = read_manifest(root)
    assert [shard.pairs for shard in manifest.shards] == [7, 7, 7, 7, 2]
    assert manifest.pairs == len(tables.pairs) == 30
    assert (manifest.name, manifest.domain, manifest.simulated) == (
        "tiny",
        "synthetic",
        "SIMULATION",
    )
    assert manifest.images == len(tables.pairs.images_used())
    names = {shard.name for shard in manifest.shards} | {"manifest.json", "index.parquet"}
    assert {path.name for path in root.iterdir()} == names
    ids = []
    for shard in manifest.shards:
        data = (root / shard.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard.bytes, shard.sha256)
        with tarfile.open(root / shard.name) as tar:
            members = tar.getmembers()
            contents = {m.name: tar.extractfile(m).read() for m in members}  # type: ignore[union-attr]
        for left, right, record in zip(*(iter(members),) * 3, strict=True):
            pair_id = record.name.removesuffix(".json")
            assert [left.name, right.name] == [f"{pair_id}.left.jpg", f"{pair_id}.right.jpg"]
            values = json.loads(contents[record.name])
            assert values["pair_id"] == pair_id
            for side, member in (("left", left), ("right", right)):
                original = (tables.root / "images" / values[side]).read_bytes()
                assert contents[member.name] == original
                assert values[f"{side}_sha256"] == hashlib.sha256(original).hexdigest()
            ids.append(pair_id)
    assert ids == tables.pairs.pair_ids


# 2026-11: webdataset 1.0.2 leaves local files for the garbage collector to close.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_stock_webdataset_reads_them(root: Path, tables: Tables) -> None:
    webdataset = pytest.importorskip("webdataset")
    urls = str(root / "pairs-{000000..000004}.tar")
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))
    assert [sample["__key__"] for sample in samples] == tables.pairs.pair_ids
    for sample in samples:
        assert sample["left.jpg"].size == (12, 12) == sample["right.jpg"].size
        assert sample["json"]["left"] < sample["json"]["right"]


def test_the_same_tables_give_the_same_bytes(tables: Tables, root: Path, tmp_path: Path) -> None:
    write_shards(tables, tmp_path / "again", pairs_per_shard=7)
    for path in root.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_formats_that_shards_do_not_keep_become_jpeg(
    make_tables: MakeTables, tmp_path: Path
) -> None:
    kept = {0: encoded("PNG"), 1: encoded("WEBP")}
    tables = make_tables(5, 10, replace={**kept, 2: encoded("BMP"), 3: encoded("TIFF")})
    manifest = write_shards(tables, tmp_path / "s", pairs_per_shard=4)
    assert (manifest.reencoded, manifest.resized) == (2, 0)
    assert verify_shards(tmp_path / "s").ok
    shards = PairShards(tmp_path / "s")
    assert shards.local is not None
    images = shards.local.fetch(range(10)).images
    by_number = {int(name.split()[1]): data for name, data in images.items()}
    assert by_number[0] == kept[0] and by_number[1] == kept[1]
    for number in (2, 3):
        image = decode_image(by_number[number], where="x")
        assert by_number[number][:3] == b"\xff\xd8\xff"
        assert np.abs(np.asarray(image)[0, 0] - np.array([10.0, 200, 30])).max() < 4


def test_larger_images_are_made_smaller_on_request(make_tables: MakeTables, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    exact = encoded("JPEG", (16, 3))
    big = {0: encoded("JPEG"), 1: encoded("JPEG", exif=turned), 2: exact}
    tables = make_tables(4, 6, replace=big)
    manifest = write_shards(tables, tmp_path / "s", pairs_per_shard=4, max_side=16)
    assert (manifest.max_side, manifest.resized, manifest.reencoded) == (16, 2, 0)
    shards = PairShards(tmp_path / "s")
    assert shards.local is not None
    images = shards.local.fetch(range(6)).images
    sizes = {int(name.split()[1]): decode_image(d, where="x").size for name, d in images.items()}
    assert sizes == {0: (16, 8), 1: (8, 16), 2: (16, 3), 3: (12, 12)}
    assert exact in images.values(), "an image that is not too large is kept as it is"


def test_an_image_that_changes_while_shards_are_written(tables: Tables, tmp_path: Path) -> None:
    left, right = int(tables.pairs.left[0]), int(tables.pairs.right[0])

    def meddle(done: int, _: int) -> None:
        for row in (left, right) if done == 1 else ():
            tables.image_path(row).write_bytes(encoded("JPEG", (9, 9)))

    with pytest.raises(ShardError, match="changed while the shards were written"):
        write_shards(tables, tmp_path / "s", pairs_per_shard=7, progress=meddle)
    assert not (tmp_path / "s").exists()


def test_unreadable_images_are_skipped_counted_and_listed(
    make_tables: MakeTables, tmp_path: Path
) -> None:
    tables = make_tables(12, 66, replace={3: b"no image"})
    (tables.root / "images" / str(tables.image_ids[5])).unlink()
    manifest = write_shards(tables, tmp_path / "s", pairs_per_shard=50, skips=Skips(0.2))
    assert list(manifest.unreadable) == sorted(
        manifest.unreadable, key=list(manifest.unreadable).index
    )
    assert set(manifest.unreadable) == {tables.image_ids[3], tables.image_ids[5]}
    assert "not an image" in manifest.unreadable[tables.image_ids[3]]
    assert "No such file" in manifest.unreadable[tables.image_ids[5]]
    assert (manifest.pairs, len(manifest.skipped), manifest.images) == (45, 21, 10)
    assert set(manifest.skipped) | set(PairShards(tmp_path / "s").pairs.pair_ids) == set(
        tables.pairs.pair_ids
    )
    assert verify_shards(tmp_path / "s").ok


def test_too_many_unreadable_images_write_nothing(make_tables: MakeTables, tmp_path: Path) -> None:
    tables = make_tables(12, 66, replace={3: b"no image", 4: b"none either"})
    with pytest.raises(DataError, match="2 of 12 images cannot be read"):
        write_shards(tables, tmp_path / "s", pairs_per_shard=50)
    assert not (tmp_path / "s").exists()
    assert not (tmp_path / ".s.partial").exists()


def test_no_pair_at_all(make_tables: MakeTables, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pair to write"):
        write_shards(make_tables(3, 0), tmp_path / "s", pairs_per_shard=5)
    all_bad = make_tables(2, 1, replace={0: b"x", 1: b"y"}, name="bad")
    with pytest.raises(DataError, match="no pair to write"):
        write_shards(all_bad, tmp_path / "s", pairs_per_shard=5, skips=Skips(1))


@pytest.mark.parametrize("options", [{"pairs_per_shard": 0}, {"pairs_per_shard": 3, "max_side": 0}])
def test_senseless_options(tables: Tables, tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        write_shards(tables, tmp_path / "s", **options)


def test_progress_ends_at_all_pairs(tables: Tables, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_shards(tables, tmp_path / "s", pairs_per_shard=7, progress=lambda *now: told.append(now))
    assert told == [(done, 30) for done in range(1, 31)]


def test_finished_shards_are_not_written_again(tables: Tables, root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.iterdir()}
    manifest = write_shards(tables, root, pairs_per_shard=7)
    assert manifest == read_manifest(root)
    assert {path: path.stat().st_mtime_ns for path in root.iterdir()} == before


def test_shards_of_something_else_are_never_overwritten(
    tables: Tables, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(ShardError, match="other pairs, images or options"):
        write_shards(tables, root, pairs_per_shard=8)
    image = tables.root / "images" / str(tables.image_ids[int(tables.pairs.left[0])])
    image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(ShardError, match="remove this one"):
        write_shards(tables, root, pairs_per_shard=7)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(ShardError, match="no pair shards"):
        write_shards(tables, tmp_path / "mine", pairs_per_shard=7)
    assert (tmp_path / "mine" / "diary.txt").exists()


def _write(tables: Path, root: Path, results: Any, reached: Any = None, go: Any = None) -> None:
    def pause(done: int, _: int) -> None:
        if done == 15 and reached is not None:
            reached.set()
            go.wait(60)

    results.put(write_shards(Tables(tables), root, pairs_per_shard=7, progress=pause).to_json())


def test_writers_that_start_at_once_make_one_folder(tables: Tables, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results, reached, go = context.Queue(), context.Event(), context.Event()
    root = tmp_path / "s"
    first = context.Process(target=_write, args=(tables.root, root, results, reached, go))
    first.start()
    assert reached.wait(60)
    others = [context.Process(target=_write, args=(tables.root, root, results)) for _ in range(2)]
    for other in others:
        other.start()
    others[0].join(1)
    assert all(other.is_alive() for other in others), "they do not wait for the first one"
    go.set()
    manifests = {results.get(timeout=60) for _ in range(3)}
    for writer in (first, *others):
        writer.join()
        assert writer.exitcode == 0
    assert manifests == {read_manifest(root).to_json()}
    assert verify_shards(root).ok


def _write_until_killed(tables: Path, root: Path, reached: Any) -> None:
    def stop(done: int, _: int) -> None:
        if done == 15:
            reached.set()
            time.sleep(60)

    write_shards(Tables(tables), root, pairs_per_shard=7, progress=stop)


def test_a_killed_writer_leaves_nothing_that_reads_as_shards(
    tables: Tables, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("fork")
    reached = context.Event()
    root = tmp_path / "s"
    writer = context.Process(target=_write_until_killed, args=(tables.root, root, reached))
    writer.start()
    assert reached.wait(60)
    os.kill(writer.pid or 0, signal.SIGKILL)
    writer.join()
    assert not root.exists()
    write_shards(tables, root, pairs_per_shard=7)
    assert verify_shards(root).ok
    assert not (tmp_path / ".s.partial").exists()


@pytest.mark.parametrize(
    "name",
    ["../a", "/etc/passwd", "a" * 16 + ".exe", "A" * 16 + ".json", "x/" + "a" * 16 + ".json", ""],
)
def test_only_our_own_member_names_parse(name: str) -> None:
    assert parse_member(name) is None


def test_member_names_parse_in_parts() -> None:
    pair_id = "0123456789abcdef"
    assert parse_member(f"{pair_id}.left.png") == (pair_id, "left", "png")
    assert parse_member(f"{pair_id}.json") == (pair_id, "json", "json")
