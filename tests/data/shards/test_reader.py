"""Opening shards: what is missing, cut or damaged is told before the first step."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interestingness.data.images import Skips
from interestingness.data.shards.index import SCHEMA
from interestingness.data.shards.layout import read_manifest
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.targets import PairTargets, join
from interestingness.data.shards.writer import write_shards
from interestingness.errors import LabelError, ShardError
from interestingness.tables.tables import Tables

MakeTables = Callable[..., Tables]


def test_pairs_are_those_of_the_tables(shards: PairShards, tables: Tables) -> None:
    assert len(shards) == len(shards.pairs) == 30
    assert [shards.pairs.pair(row) for row in range(30)] == [
        tables.pairs.pair(row) for row in range(30)
    ]
    assert set(shards.pairs.image_ids) == set(tables.pairs.image_ids[tables.pairs.images_used()])
    assert shards.url(4).endswith("pairs-000004.tar")


def test_rows_are_fetched_by_offset(shards: PairShards, tables: Tables) -> None:
    assert shards.local is not None
    raw = shards.local.fetch([29, 0, 13])
    expected = [tables.pairs.pair(row) for row in (29, 0, 13)]
    assert raw.ids == [(pair.left, pair.right) for pair in expected]
    for image, data in raw.images.items():
        assert data == (tables.root / "images" / image).read_bytes()


def test_opened_shards_travel_to_other_processes(shards: PairShards) -> None:
    assert shards.local is not None
    before = shards.local.fetch([3])
    copy = pickle.loads(pickle.dumps(shards))
    assert copy.local.fetch([3]) == before
    assert len(copy.pairs) == 30


def test_more_shards_than_open_files(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interestingness.data.shards.local.OPEN_FILES", 2)
    write_shards(tables, tmp_path / "s", pairs_per_shard=1)
    shards = PairShards(tmp_path / "s")
    assert shards.local is not None
    rows = np.random.default_rng(0).permutation(np.repeat(np.arange(30), 2)).tolist()
    raw = shards.local.fetch(rows)
    assert raw.ids == [(p.left, p.right) for p in map(tables.pairs.pair, rows)]


def test_missing_folder_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"absent.manifest\.json: No such file"):
        PairShards(tmp_path / "absent")


def test_missing_shard(root: Path) -> None:
    (root / "pairs-000002.tar").unlink()
    with pytest.raises(ShardError, match=r"pairs-000002\.tar: No such file"):
        PairShards(root)


def test_cut_shard_names_shard_and_verifier(root: Path) -> None:
    path = root / "pairs-000003.tar"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ShardError, match=r"pairs-000003\.tar: \d+ bytes, cut short") as caught:
        PairShards(root)
    assert "interestingness shards verify" in caught.value.todo


def test_shard_that_is_cut_after_it_was_opened(root: Path) -> None:
    shards = PairShards(root)
    path = root / "pairs-000003.tar"
    path.write_bytes(path.read_bytes()[:3000])
    assert shards.local is not None
    with pytest.raises(ShardError, match="cut short"):
        shards.local.fetch([27])


def test_shard_that_shrinks_while_it_is_read(root: Path) -> None:
    shards = PairShards(root)
    assert shards.local is not None
    shards.local.fetch([21])
    within = int(shards.index.block(3).spans[6, 0, 0]) + 20
    with open(root / "pairs-000003.tar", "r+b") as file:
        file.truncate(within)
    with pytest.raises(ShardError, match=r"pairs-000003\.tar: no member \w+\.left"):
        shards.local.fetch([27])


def test_shard_with_other_pairs_of_the_same_size(root: Path) -> None:
    first, second = root / "pairs-000000.tar", root / "pairs-000001.tar"
    shards = PairShards(root)
    data = bytearray(first.read_bytes())
    data[0:16] = second.read_bytes()[0:16]
    first.write_bytes(bytes(data))
    assert shards.local is not None
    with pytest.raises(ShardError, match=r"no member [0-9a-f]{16}\.left\.\* at byte 0"):
        shards.local.fetch([0])


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_other_format_version(root: Path, version: object) -> None:
    values = json.loads((root / "manifest.json").read_text())
    (root / "manifest.json").write_text(json.dumps(values | {"format_version": version}))
    with pytest.raises(ShardError, match="shard format version"):
        PairShards(root)


def test_index_of_other_shards(root: Path, make_tables: MakeTables, tmp_path: Path) -> None:
    write_shards(make_tables(6, 14, name="few"), tmp_path / "other", pairs_per_shard=7)
    other = (tmp_path / "other" / "index.parquet").read_bytes()
    (root / "index.parquet").write_bytes(other)
    with pytest.raises(ShardError, match=r"index\.parquet: \d+ bytes, cut short"):
        PairShards(root)
    values = json.loads((root / "manifest.json").read_text())
    for data in (other, b"nonsense"):
        (root / "index.parquet").write_bytes(data)
        values["index"]["bytes"] = len(data)
        (root / "manifest.json").write_text(json.dumps(values))
        with pytest.raises(ShardError, match="damaged index"):
            PairShards(root)


def test_targets_are_joined_by_identity(shards: PairShards, tables: Tables) -> None:
    pairs = tables.pairs
    shuffled = pairs[np.random.default_rng(0).permutation(len(pairs))]
    rows = np.array([4, 9, 2, 20])
    preference = np.full(len(pairs), np.nan)
    preference[rows] = [0.1, 0.2, 0.3, 0.4]
    joined = shards.join(PairTargets.of(shuffled, preference, rows=rows, weight=np.arange(30)))
    assert joined.kept.sum() == 4
    for at in np.flatnonzero(joined.kept):
        row = joined.row[joined.at[at]]
        assert shuffled.key[row] == shards.pairs.key[at]
        assert joined.preference[joined.at[at]] == np.float32(preference[row])
        assert joined.weight[joined.at[at]] == row


def test_masks_and_rows_choose_alike(tables: Tables) -> None:
    mask = np.arange(30) % 3 == 0
    by_mask = PairTargets.of(tables.pairs, np.full(30, 0.5), rows=mask)
    by_rows = PairTargets.of(tables.pairs, np.full(30, 0.5), rows=np.flatnonzero(mask))
    assert (by_mask.row == by_rows.row).all() and len(by_mask) == 10
    assert (by_mask.weight == 1).all()


@pytest.mark.parametrize(
    ("preference", "weight", "message"),
    [(np.nan, 1, "no preference"), (1.1, 1, "no preference"), (0.5, -1, "negative")],
)
def test_impossible_targets(tables: Tables, preference: float, weight: float, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        PairTargets.of(tables.pairs, np.full(30, preference), weight=np.full(30, weight))


def test_labels_of_pairs_that_the_shards_lack(root: Path, make_tables: MakeTables) -> None:
    more = make_tables(12, 40, name="more").pairs
    shards = PairShards(root)
    with pytest.raises(ShardError, match="10 of 40 labelled pairs are not in the shards"):
        shards.join(PairTargets.of(more, np.full(40, 0.5)))


def test_an_index_that_has_a_pair_twice(root: Path, tables: Tables) -> None:
    path = root / "index.parquet"
    file = pq.ParquetFile(path)
    groups = [file.read_row_group(g).to_pydict() for g in range(file.num_row_groups)]
    groups[1]["pair_id"][3] = groups[0]["pair_id"][2]
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for group in groups:
            writer.write_table(pa.table(group, schema=SCHEMA))
    values = json.loads((root / "manifest.json").read_text())
    values["index"]["bytes"] = path.stat().st_size
    (root / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(ShardError, match="1 pairs occur more than once"):
        PairShards(root).join(PairTargets.of(tables.pairs, np.full(30, 0.5)))


def test_pairs_that_were_skipped_at_writing_may_be_lacking(
    make_tables: MakeTables, tmp_path: Path
) -> None:
    tables = make_tables(8, 28, replace={2: b"?"})
    write_shards(tables, tmp_path / "s", pairs_per_shard=7, skips=Skips(0.5))
    shards = PairShards(tmp_path / "s")
    joined = shards.join(PairTargets.of(tables.pairs, np.full(28, 0.5)))
    assert joined.kept.all() and len(joined.kept) == 21


def test_no_targets(shards: PairShards, tables: Tables) -> None:
    none = PairTargets.of(tables.pairs, np.full(30, 0.5), rows=np.array([], dtype=int))
    assert not join(shards.index, read_manifest(shards.root), none).kept.any()
