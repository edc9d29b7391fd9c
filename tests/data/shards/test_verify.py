"""Whatever is done to a folder of shards, the verifier names the file and what is wrong."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interestingness.data.shards.index import SCHEMA
from interestingness.data.shards.layout import read_manifest
from interestingness.data.shards.verify import ShardReport, verify_shards
from interestingness.data.shards.writer import write_shards
from interestingness.schema import Pair
from interestingness.tables.tables import Manifest, Tables

Member = tuple[tarfile.TarInfo, bytes]
FIRST = "pairs-000000.tar"


def members(path: Path) -> list[Member]:
    with tarfile.open(path) as tar:
        return [(m, tar.extractfile(m).read()) for m in tar.getmembers()]  # type: ignore[union-attr]


def rewrite(path: Path, content: list[Member]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for info, data in content:
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)


def adopt(root: Path, name: str) -> None:
    """Make the manifest agree with a changed file, as an attacker would."""
    values = json.loads((root / "manifest.json").read_text())
    data = (root / name).read_bytes()
    for entry in [*values["shards"], values["index"]]:
        if entry["name"] == name:
            entry.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    (root / "manifest.json").write_text(json.dumps(values))


def said(report: ShardReport) -> dict[str, str]:
    found: dict[str, str] = {}
    for problem in report.problems:
        found[problem.file] = found.get(problem.file, "") + problem.what + "\n"
    return found


def test_whole_shards(root: Path) -> None:
    told: list[tuple[int, int]] = []
    report = verify_shards(root, progress=lambda *now: told.append(now))
    assert report.ok and report.exit_status == 0
    assert (report.shards, report.pairs, report.images) == (5, 30, read_manifest(root).images)
    assert str(report).endswith("all is well")
    assert told[-1] == (30, 30) and len(told) == 30


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_shard(root: Path, share: float) -> None:
    path = root / FIRST
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    report = verify_shards(root)
    found = said(report)
    assert "cut short" in found[FIRST] and "whole pairs of 7" in found[FIRST]
    assert set(found) <= {FIRST, "index.parquet"}
    assert report.exit_status == 1
    assert f"interestingness shards verify {root}" in str(report)


def test_missing_shard_and_stray_file(root: Path) -> None:
    (root / FIRST).rename(root / "pairs-000009.tar")
    found = said(verify_shards(root))
    assert "No such file" in found[FIRST]
    assert "no part of these shards" in found["pairs-000009.tar"]


def test_one_changed_byte(root: Path) -> None:
    content = bytearray((root / FIRST).read_bytes())
    content[700] ^= 1
    (root / FIRST).write_bytes(bytes(content))
    found = said(verify_shards(root))
    assert "differs from its hash" in found[FIRST]
    assert "bytes differ from their hash" in found[FIRST]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("../../evil.jpg", tarfile.REGTYPE, "path outside"),
        ("/etc/passwd", tarfile.REGTYPE, "path outside"),
        ("0123456789abcdef.json", tarfile.SYMTYPE, "no regular file"),
        ("readme.txt", tarfile.REGTYPE, "not one of ours"),
    ],
)
def test_strange_member(root: Path, name: str, kind: bytes, message: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd" if kind == tarfile.SYMTYPE else ""
    rewrite(root / FIRST, [*members(root / FIRST), (info, b"x")])
    adopt(root, FIRST)
    found = said(verify_shards(root))
    assert message in found[FIRST] and list(found) == [FIRST]


def _drop(content: list[Member]) -> list[Member]:
    return content[:1] + content[2:]


def _twice(content: list[Member]) -> list[Member]:
    return content + content[:3]


def _double(content: list[Member]) -> list[Member]:
    return content[:1] + content


def _record(**changes: Any) -> Callable[[list[Member]], list[Member]]:
    def change(content: list[Member]) -> list[Member]:
        record = json.loads(content[2][1]) | changes
        return [*content[:2], (content[2][0], json.dumps(record).encode()), *content[3:]]

    return change


def _no_json(content: list[Member]) -> list[Member]:
    return [*content[:2], (content[2][0], b"{"), *content[3:]]


def _bad_image(content: list[Member]) -> list[Member]:
    record = json.loads(content[2][1])
    record["left_sha256"] = hashlib.sha256(b"no image").hexdigest()
    changed = [(content[0][0], b"no image"), content[1]]
    return [*changed, (content[2][0], json.dumps(record).encode()), *content[3:]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop, "lacks right"),
        (_twice, "more than once"),
        (_double, "left twice"),
        (_record(left="another"), "its json says"),
        (_record(pair_id="0" * 16), "its json says"),
        (_record(left=7), "damaged json"),
        (_record(left_sha256="0" * 64), "bytes differ from their hash"),
        (_no_json, "damaged json"),
        (_bad_image, "not an image"),
    ],
)
def test_damaged_members_with_a_manifest_that_agrees(
    root: Path, change: Callable[[list[Member]], list[Member]], message: str
) -> None:
    rewrite(root / FIRST, change(members(root / FIRST)))
    adopt(root, FIRST)
    assert message in said(verify_shards(root))[FIRST]


def test_an_image_with_other_bytes_in_another_pair(root: Path, tables: Tables) -> None:
    content = members(root / FIRST)
    record = json.loads(content[2][1])
    other = content[1][1] if content[1][1] != content[0][1] else content[4][1]
    record["left_sha256"] = hashlib.sha256(other).hexdigest()
    content[0] = (content[0][0], other)
    content[2] = (content[2][0], json.dumps(record).encode())
    rewrite(root / FIRST, content)
    adopt(root, FIRST)
    report = verify_shards(root)
    assert any("other bytes in another pair" in problem.what for problem in report.problems)


def test_without_decoding_only_hashes_are_checked(root: Path) -> None:
    rewrite(root / FIRST, _bad_image(members(root / FIRST)))
    adopt(root, FIRST)
    assert not any("not an image" in p.what for p in verify_shards(root, decode=False).problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged manifest"),
        ("[]", "damaged manifest"),
        ("{}", "damaged manifest"),
        ('{"format_version": 1}', "damaged manifest"),
        ('{"format_version": 99}', "shard format version 99"),
        ("\0\0", "damaged manifest"),
    ],
)
def test_damaged_manifest(root: Path, text: str, message: str) -> None:
    (root / "manifest.json").write_text(text)
    report = verify_shards(root)
    assert message in said(report)["manifest.json"] and report.exit_status == 1


@pytest.mark.parametrize(
    "change",
    [
        {"pairs": 31},
        {"index": {"name": "../index.parquet", "bytes": 1, "sha256": "", "pairs": 30}},
        {"surprise": 1},
        {"shards": []},
        {"shards": [{"name": "../x.tar", "bytes": 1, "sha256": "", "pairs": 30}]},
        {"shards": None},
    ],
)
def test_manifest_that_contradicts_itself(root: Path, change: dict[str, Any]) -> None:
    values = json.loads((root / "manifest.json").read_text())
    (root / "manifest.json").write_text(json.dumps(values | change))
    assert "damaged manifest" in said(verify_shards(root))["manifest.json"]


def test_manifest_that_lists_a_shard_twice(root: Path) -> None:
    values = json.loads((root / "manifest.json").read_text())
    values["shards"] *= 2
    values["pairs"] = values["index"]["pairs"] = 60
    (root / "manifest.json").write_text(json.dumps(values))
    assert "listed twice" in said(verify_shards(root))["manifest.json"]


def test_manifest_with_a_wrong_count_of_images(root: Path) -> None:
    values = json.loads((root / "manifest.json").read_text())
    (root / "manifest.json").write_text(json.dumps(values | {"images": 99}))
    assert "99 images" in said(verify_shards(root))["manifest.json"]


def test_missing_manifest_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        assert "No such file" in said(verify_shards(path))["manifest.json"]


def change_index(root: Path, change: Callable[[dict[str, list[Any]]], object]) -> None:
    path = root / "index.parquet"
    file = pq.ParquetFile(path)
    groups = [file.read_row_group(g).to_pydict() for g in range(file.num_row_groups)]
    change(groups[0])
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for group in groups:
            writer.write_table(pa.table(group, schema=SCHEMA))
    adopt(root, "index.parquet")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("left", "someone", "other images than its json"),
        ("left_offset", 512 * 9, "lies elsewhere"),
        ("right_bytes", 1, "lies elsewhere"),
        ("pair_id", "0" * 16, "is not whole in"),
        ("shard", 3, "point elsewhere"),
        ("json_offset", -1, "point elsewhere"),
    ],
)
def test_index_that_differs_from_the_shards(
    root: Path, column: str, value: Any, message: str
) -> None:
    change_index(root, lambda group: group[column].__setitem__(0, value))
    found = said(verify_shards(root))
    assert message in found["index.parquet"] and list(found) == ["index.parquet"]
    assert ("lacks pair" in found["index.parquet"]) == (column == "pair_id")


def test_damaged_index(root: Path) -> None:
    path = root / "index.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    found = said(verify_shards(root))["index.parquet"]
    assert "size or hash" in found and "damaged index" in found
    path.unlink()
    assert "No such file" in said(verify_shards(root))["index.parquet"]


def test_real_photographs(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "oasis" / "images"
    names = sorted(path.name for path in folder.iterdir())[:4]
    pairs = [Pair.of(names[0], name) for name in names[1:]]
    tables = Tables.write(
        tmp_path / "t",
        Manifest("oasis", "photographs", image_root=str(folder)),
        {
            "images": pa.table({"image_id": names, "path": names}),
            "pairs": pa.table(
                {k: [getattr(p, k) for p in pairs] for k in ("pair_id", "left", "right")}
            ),
        },
    )
    assert write_shards(tables, tmp_path / "s", pairs_per_shard=2).images == 4
    assert verify_shards(tmp_path / "s").ok
