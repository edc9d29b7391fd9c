"""Epochs are exact: the same global batches whatever the ranks and workers, every pair once."""

from __future__ import annotations

import gc
import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from interestingness.data.batch import PairBatch
from interestingness.data.images import Skips
from interestingness.data.shards.reader import PairShards, _remove
from interestingness.data.shards.remote import stream_members
from interestingness.data.shards.stream import PairLoader, PairShardStream
from interestingness.data.shards.targets import PairTargets
from interestingness.data.shards.writer import write_shards
from interestingness.errors import ConfigError, DataError, ShardError
from interestingness.schema import Pairs
from interestingness.tables.tables import Tables

MakeTables = Callable[..., Tables]
Transform = Callable[[Image.Image], Tensor]

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def targets_for(pairs: Pairs, keep: int = 3) -> PairTargets:
    """Labels for all but every ``keep``-th pair."""
    rows = np.flatnonzero(np.arange(len(pairs)) % keep != 0)
    return PairTargets.of(
        pairs, np.linspace(0, 1, len(pairs)), weight=1 + np.arange(len(pairs)) % 4, rows=rows
    )


def collect(
    root: str | Path, pairs: Pairs, transform: Transform, ranks: int, workers: int, **options: Any
) -> list[list[PairBatch]]:
    """Batches of every rank, each through its own loader."""
    epoch, start = options.pop("epoch", 0), options.pop("start_batch", 0)
    gathered = []
    for rank in range(ranks):
        stream = PairShardStream(
            PairShards(root),
            transform=transform,
            targets=targets_for(pairs),
            rank=rank,
            ranks=ranks,
            **{"batch_size": 6, "seed": 1, "pool": 2, **options},
        )
        stream.set_epoch(epoch, start)
        gathered.append(list(PairLoader(stream, workers=workers)))
        assert len(stream) == len(gathered[-1])
    return gathered


def global_batches(gathered: list[list[PairBatch]]) -> list[list[int]]:
    steps = {len(batches) for batches in gathered}
    assert len(steps) == 1, "ranks take different numbers of steps"
    return [
        sorted(row for batch in step for row in batch.row[batch.weight > 0].tolist())
        for step in zip(*gathered, strict=True)
    ]


@pytest.mark.parametrize("seed", [None, 1])
def test_global_batches_are_the_same_for_any_ranks_and_workers(
    root: Path, tables: Tables, transform: Transform, seed: int | None
) -> None:
    cases = [(1, 0), (1, 3), (2, 0), (2, 2), (7, 0)]
    found = {
        case: global_batches(collect(root, tables.pairs, transform, *case, seed=seed, batch_size=7))
        for case in cases
    }
    alone = found[1, 0]
    assert sorted(itertools.chain(*alone)) == sorted(targets_for(tables.pairs).row.tolist())
    assert len(alone) == 3
    assert all(batches == alone for batches in found.values())
    in_order = list(itertools.chain(*alone)) == sorted(itertools.chain(*alone))
    assert in_order == (seed is None)


def test_batches_hold_the_right_images_and_labels(
    root: Path, tables: Tables, transform: Transform
) -> None:
    pairs = tables.pairs
    targets = targets_for(pairs)
    for batch in itertools.chain(*collect(root, pairs, transform, 2, 0)):
        assert len(batch.images) == len(set(batch.left.tolist()) | set(batch.right.tolist()))
        for side, rows in ((batch.left, pairs.left), (batch.right, pairs.right)):
            numbers = [int(pairs.image_ids[rows[row]].split()[1]) for row in batch.row]
            assert (batch.images[side, 0].mean((1, 2)) / 8).round().tolist() == numbers
        at = [targets.row.tolist().index(row) for row in batch.row.tolist()]
        assert batch.preference.tolist() == targets.preference[at].tolist()
        assert batch.weight.tolist() == targets.weight[at].tolist()
        assert batch.preference.dtype == batch.weight.dtype == batch.normalizer.dtype
        assert batch.left.dtype == batch.right.dtype == batch.row.dtype == torch.int64


def test_an_image_that_occurs_twice_in_a_batch_is_decoded_once(
    shards: PairShards, transform: Transform
) -> None:
    calls = []

    def counting(image: Image.Image) -> Tensor:
        calls.append(1)
        return transform(image)

    (batch,) = PairShardStream(shards, batch_size=30, transform=counting)
    assert len(calls) == len(batch.images) == len(shards.pairs.images_used()) < 60


def test_normalizer_is_the_global_weight_over_the_ranks(
    root: Path, tables: Tables, transform: Transform
) -> None:
    gathered = collect(root, tables.pairs, transform, 3, 0, batch_size=9)
    for step in zip(*gathered, strict=True):
        total = sum(float(batch.weight.sum()) for batch in step)
        assert {float(batch.normalizer) for batch in step} == {np.float32(total / 3)}


def test_a_rank_without_a_pair_gets_a_placeholder(
    root: Path, tables: Tables, transform: Transform
) -> None:
    gathered = collect(root, tables.pairs, transform, 7, 0, batch_size=19)
    last = [batches[-1] for batches in gathered]
    assert [len(batch.row[batch.row >= 0]) for batch in last] == [1, 0, 0, 0, 0, 0, 0]
    empty = last[3]
    assert empty.weight.tolist() == [0] and empty.row.tolist() == [-1]
    assert empty.preference.tolist() == [0.5]
    assert empty.images.shape == (1, 3, 2, 2)
    assert empty.left.tolist() == empty.right.tolist() == [0]
    assert float(empty.normalizer) > 0


def test_epochs_differ_and_repeat(root: Path, tables: Tables, transform: Transform) -> None:
    first, again, second = (
        global_batches(collect(root, tables.pairs, transform, 1, 0, epoch=epoch))
        for epoch in (0, 0, 1)
    )
    assert first == again != second
    assert sorted(itertools.chain(*first)) == sorted(itertools.chain(*second))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_resume_in_the_middle_of_an_epoch(
    root: Path, tables: Tables, transform: Transform, workers: int
) -> None:
    whole = collect(root, tables.pairs, transform, 2, 0, epoch=3)
    rest = collect(root, tables.pairs, transform, 2, workers, epoch=3, start_batch=2)
    for complete, resumed in zip(whole, rest, strict=True):
        assert [b.row.tolist() for b in complete[2:]] == [b.row.tolist() for b in resumed]
        assert all(
            torch.equal(a.images, b.images) for a, b in zip(complete[2:], resumed, strict=True)
        )


def test_workers_follow_the_epoch(root: Path, transform: Transform) -> None:
    stream = PairShardStream(PairShards(root), batch_size=30, transform=transform, seed=4)
    loader = PairLoader(stream, workers=1)
    orders = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        orders.append([row for batch in loader for row in batch.row.tolist()])
    assert orders[0] == orders[2] != orders[1]


def test_workers_that_would_stay_at_their_first_epoch_are_refused(
    shards: PairShards, transform: Transform
) -> None:
    stream = PairShardStream(shards, batch_size=5, transform=transform, seed=1)
    with pytest.raises(ConfigError, match="persistent_workers"):
        PairLoader(stream, workers=1, persistent_workers=True)


def test_without_targets_rows_are_those_of_the_shards(
    shards: PairShards, transform: Transform
) -> None:
    batches = list(PairShardStream(shards, batch_size=8, transform=transform))
    assert [row for batch in batches for row in batch.row.tolist()] == list(range(30))
    assert all((batch.weight == 1).all() for batch in batches)
    assert PairShardStream(shards, batch_size=8, transform=transform).pairs_kept == 30


def test_no_pair_left(shards: PairShards, tables: Tables, transform: Transform) -> None:
    none = PairTargets.of(tables.pairs, np.full(30, 0.5), rows=np.zeros(30, dtype=bool))
    with pytest.raises(DataError, match="none of 30 pairs is left"):
        PairShardStream(shards, batch_size=4, transform=transform, targets=none)


def test_all_weights_zero_does_not_divide_by_zero(
    shards: PairShards, tables: Tables, transform: Transform
) -> None:
    zero = PairTargets.of(tables.pairs, np.full(30, 0.5), weight=np.zeros(30))
    batches = list(PairShardStream(shards, batch_size=8, transform=transform, targets=zero))
    assert all(float(batch.normalizer) == 1 for batch in batches)


@pytest.mark.parametrize(
    "options", [{"rank": 2, "ranks": 2}, {"batch_size": 0}, {"pool": 0, "seed": 1}]
)
def test_senseless_options(shards: PairShards, transform: Transform, options: Any) -> None:
    with pytest.raises(ConfigError):
        PairShardStream(shards, transform=transform, **{"batch_size": 4, **options})


def spoil(root: Path, row: int) -> str:
    """Overwrite the left image of a pair inside its shard; the sizes stay."""
    shards = PairShards(root)
    shard, at = (int(v[0]) for v in shards.index.locate(np.array([row])))
    block = shards.index.block(shard)
    offset, length = block.spans[at, 0].tolist()
    path = root / shards.manifest.shards[shard].name
    data = bytearray(path.read_bytes())
    data[offset : offset + length] = b"?" * length
    path.write_bytes(bytes(data))
    return block.images(at)[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_costs_its_pair_and_is_counted(
    root: Path, tables: Tables, transform: Transform, workers: int
) -> None:
    image = spoil(root, 8)
    stream = PairShardStream(
        PairShards(root), batch_size=5, transform=transform, targets=targets_for(tables.pairs, 31)
    )
    loader = PairLoader(stream, workers=workers, skips=Skips(0.2))
    for _ in range(2):  # counts are an epoch's, not a run's
        batches = list(loader)
        rows = [row for batch in batches for row in batch.row.tolist()]
        # Another pair of the same batch may use the spoilt copy of the image too.
        assert 8 not in rows and len(rows) == 29 - loader.pairs_lost
        assert 1 <= loader.pairs_lost <= 2
        assert list(loader.skips.reasons) == [image]
        assert "not an image" in loader.skips.reasons[image]
        targets = targets_for(tables.pairs, 31)
        labels = dict(zip(targets.row.tolist(), targets.preference.tolist(), strict=True))
        found = [p for batch in batches for p in batch.preference.tolist()]
        assert found == [labels[row] for row in rows]
    lost = [skip for batch in batches for skip in batch.skipped]
    assert {skip.image_id for skip in lost} == {image} and 8 in {skip.row for skip in lost}
    assert all(torch.isfinite(batch.images).all() for batch in batches)


@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_unreadable_images_stop_the_run(
    root: Path, transform: Transform, workers: int
) -> None:
    for row in (2, 11, 20):
        spoil(root, row)
    loader = PairLoader(
        PairShardStream(PairShards(root), batch_size=5, transform=transform), workers=workers
    )
    with pytest.raises(DataError, match=r"of 30 pairs are lost to 2 unreadable images:\n    image"):
        list(loader)


def test_a_batch_of_unreadable_pairs_is_a_placeholder(root: Path, transform: Transform) -> None:
    spoil(root, 4)
    stream = PairShardStream(PairShards(root), batch_size=1, transform=transform)
    batches = list(PairLoader(stream, skips=Skips(1)))
    assert batches[4].row.tolist() == [-1] and batches[4].weight.tolist() == [0]
    assert len(batches[4].skipped) == 1 and batches[4].skipped[0].row == 4
    assert sum(len(batch.skipped) for batch in batches) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_shard_is_one_clear_error(root: Path, transform: Transform, workers: int) -> None:
    stream = PairShardStream(PairShards(root), batch_size=5, transform=transform)
    path = root / "pairs-000002.tar"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ShardError) as caught:
        list(PairLoader(stream, workers=workers))
    assert caught.value.found.startswith(str(path)) and "cut short" in caught.value.found
    assert "interestingness shards verify" in caught.value.todo


def test_batches_move_with_their_skips(root: Path, transform: Transform) -> None:
    spoil(root, 0)
    batch = next(iter(PairShardStream(PairShards(root), batch_size=5, transform=transform)))
    assert batch.skipped and batch.to("cpu").skipped == batch.skipped


@pytest.fixture(params=["file:{root}", "pipe:cat {root}/{{name}}"])
def url(request: pytest.FixtureRequest, root: Path) -> str:
    """The same shards behind URLs that are streamed."""
    return str(request.param).format(root=root)


def test_a_streamed_shard_that_is_cut(url: str, root: Path, transform: Transform) -> None:
    path = root / "pairs-000002.tar"
    whole = path.read_bytes()
    stream = PairShardStream(PairShards(url), batch_size=5, transform=transform)
    block = PairShards(root).index.block(2)
    boundary = int(block.spans[4, 0, 0]) - 512  # tarfile takes a cut between members for the end
    for cut in (boundary, boundary + 100, boundary + 600, 0):
        path.write_bytes(whole[:cut])
        with pytest.raises(ShardError, match=r"pairs-000002\.tar"):
            list(PairLoader(stream))


def test_a_cut_is_noticed_after_the_own_pairs_too(root: Path) -> None:
    shards = PairShards(root)
    path = root / "pairs-000002.tar"
    path.write_bytes(path.read_bytes()[: int(shards.index.block(2).spans[4, 0, 0]) - 512])
    members = stream_members(f"file:{path}", shards.manifest.shards[2])
    assert len(list(itertools.islice(members, 12))) == 12
    with pytest.raises(ShardError, match="ends after 4 pairs"):
        next(members)


def test_a_streamed_image_of_another_length(root: Path, transform: Transform) -> None:
    path = root / "pairs-000000.tar"
    with tarfile.open(path) as tar:
        content = [(m, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]
    content[0] = (content[0][0], content[0][1] + b"\0")
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for info, data in content:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(ShardError, match=r"left of pair [0-9a-f]{16} has \d+ bytes"):
        list(PairShardStream(PairShards(f"file:{root}"), batch_size=5, transform=transform))


def test_a_streamed_member_with_a_path_outside(root: Path, transform: Transform) -> None:
    path = root / "pairs-000000.tar"
    data = bytearray(path.read_bytes())
    data[0:100] = b"../../evil.jpg".ljust(100, b"\0")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    path.write_bytes(bytes(data))
    with pytest.raises(ShardError, match=r"evil\.jpg"):
        list(PairShardStream(PairShards(f"file:{root}"), batch_size=5, transform=transform))


def test_a_stream_that_cannot_be_opened(root: Path, tmp_path: Path) -> None:
    for url in (f"file:{tmp_path}/absent", "pipe:exit 3;{name}", "nonsense://host/x"):
        with pytest.raises(ShardError, match=r"cannot be read|damaged manifest"):
            PairShards(url)


def test_a_streamed_index_that_does_not_match(root: Path) -> None:
    path = root / "index.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ShardError, match="does not match its manifest"):
        PairShards(f"file:{root}")


def test_the_copy_of_a_streamed_index_goes_with_its_shards(root: Path) -> None:
    shards = PairShards(f"file:{root}")
    copy = shards.index.path
    _remove(copy, owner=os.getpid() + 1)
    assert copy.exists(), "a worker that ends has removed the file of its parent"
    del shards
    gc.collect()
    assert not copy.exists()


def test_a_rank_whose_shard_differs_from_the_index(
    make_tables: MakeTables, root: Path, tmp_path: Path, transform: Transform
) -> None:
    other = make_tables(8, 28, name="others")
    write_shards(other, tmp_path / "other", pairs_per_shard=7)
    (root / "pairs-000000.tar").write_bytes((tmp_path / "other" / "pairs-000000.tar").read_bytes())
    with pytest.raises(ShardError):
        list(PairShardStream(PairShards(f"file:{root}"), batch_size=5, transform=transform))


def test_webdataset_and_torch_are_imported_only_when_used() -> None:
    code = (
        "import sys, json; import interestingness.data.shards.writer, "
        "interestingness.data.shards.verify, interestingness.data.shards.reader; "
        "print(json.dumps([m for m in ('torch', 'webdataset') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
