"""Shards that are streamed: each byte travels once an epoch, and epochs are exact all the same."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from interestingness.data.batch import PairBatch
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.stream import PairLoader, PairShardStream
from interestingness.data.shards.streaming import StreamedEpoch
from interestingness.data.shards.targets import PairTargets
from interestingness.tables.tables import Tables

Transform = Callable[[Image.Image], Tensor]
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


class Counting(ThreadingHTTPServer):
    """Serves a folder on loopback and counts the bytes of each file that it sends."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Answer, directory=str(folder)))
        self.sent = Counter[str]()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(SimpleHTTPRequestHandler):
    server: Counting

    def copyfile(self, source: Any, outputfile: Any) -> None:
        data = source.read()
        self.server.sent[self.path.strip("/")] += len(data)
        outputfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(root: Path) -> Iterator[Counting]:
    made = Counting(root)
    yield made
    made.shutdown()
    made.server_close()


def targets(tables: Tables) -> PairTargets:
    """Labels for two pairs of three, of different weights."""
    rows = np.flatnonzero(np.arange(len(tables.pairs)) % 3 != 0)
    weight = 1.0 + np.arange(len(tables.pairs)) % 4
    return PairTargets.of(
        tables.pairs, np.linspace(0, 1, len(tables.pairs)), weight=weight, rows=rows
    )


def epoch_of(
    url: str | Path,
    tables: Tables,
    transform: Transform,
    ranks: int,
    workers: int,
    *,
    epoch: int = 0,
    start: int = 0,
    seed: int | None = 1,
) -> list[list[PairBatch]]:
    """The batches of every rank."""
    shards, gathered = PairShards(url), []
    for rank in range(ranks):
        stream = PairShardStream(
            shards, batch_size=4, transform=transform, targets=targets(tables),
            rank=rank, ranks=ranks, seed=seed, pool=2,
        )  # fmt: skip
        loader = PairLoader(stream, workers=workers)
        stream.set_epoch(epoch, start)
        steps = len(stream)
        gathered.append(list(loader))
        assert steps == len(gathered[-1])
    assert len({len(batches) for batches in gathered}) == 1
    return gathered


def rows(gathered: list[list[PairBatch]]) -> list[list[list[int]]]:
    return [[b.row[b.row >= 0].tolist() for b in batches] for batches in gathered]


def test_an_epoch_reads_each_byte_once(
    server: Counting, root: Path, tables: Tables, transform: Transform
) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    gathered = epoch_of(url, tables, transform, ranks=2, workers=2)
    sizes = {path.name: path.stat().st_size for path in root.glob("*.tar")}
    assert {name: sent for name, sent in server.sent.items() if name.endswith(".tar")} == sizes
    seen = list(itertools.chain(*itertools.chain(*rows(gathered))))
    assert sorted(seen) == sorted(targets(tables).row.tolist())


@pytest.mark.parametrize("scheme", ["file:{root}", "pipe:cat {root}/{{name}}"])
@pytest.mark.parametrize(("ranks", "workers"), [(1, 0), (2, 0), (1, 2), (2, 3), (7, 0)])
def test_every_pair_once_with_its_images_and_labels(
    scheme: str, root: Path, tables: Tables, transform: Transform, ranks: int, workers: int
) -> None:
    gathered = epoch_of(scheme.format(root=root), tables, transform, ranks, workers)
    there = [batch for batches in gathered for batch in batches]
    seen = [row for batch in there for row in batch.row[batch.row >= 0].tolist()]
    expected = targets(tables)
    assert sorted(seen) == sorted(expected.row.tolist())
    weight = sum(float(batch.weight.sum()) for batch in there)
    steps = len(gathered[0])
    assert weight == pytest.approx(float(expected.weight.sum()))
    assert all(float(b.normalizer) == pytest.approx(weight / steps / ranks) for b in there)
    label = dict(zip(expected.row.tolist(), expected.preference.tolist(), strict=True))
    pairs = tables.pairs
    for batch in there:
        if batch.row.tolist() == [-1]:
            assert batch.weight.tolist() == [0]
            continue
        assert batch.preference.tolist() == [label[row] for row in batch.row.tolist()]
        for side, at in ((batch.left, pairs.left), (batch.right, pairs.right)):
            numbers = [int(pairs.image_ids[at[row]].split()[1]) for row in batch.row]
            assert (batch.images[side, 0].mean((1, 2)) / 8).round().tolist() == numbers


def test_epochs_differ_and_repeat(root: Path, tables: Tables, transform: Transform) -> None:
    url = f"file:{root}"
    first, again, second = (
        rows(epoch_of(url, tables, transform, 2, 0, epoch=epoch)) for epoch in (0, 0, 1)
    )
    assert first == again != second
    in_order = rows(epoch_of(url, tables, transform, 1, 0, seed=None))[0]
    assert list(itertools.chain(*in_order)) == sorted(targets(tables).row.tolist())


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("start", [1, 2, 5])
def test_resume_in_the_middle_of_an_epoch(
    root: Path, tables: Tables, transform: Transform, workers: int, start: int
) -> None:
    whole = epoch_of(f"file:{root}", tables, transform, 2, workers, epoch=3)
    rest = epoch_of(f"file:{root}", tables, transform, 2, workers, epoch=3, start=start)
    for complete, resumed in zip(whole, rest, strict=True):
        for a, b in zip(complete[start:], resumed, strict=True):
            assert a.row.tolist() == b.row.tolist() and torch.equal(a.images, b.images)


def test_shards_are_dealt_as_webdataset_deals_them(
    shards: PairShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webdataset import split_by_node, split_by_worker

    for rank, worker in itertools.product(range(2), range(2)):
        given = {"RANK": rank, "WORLD_SIZE": 2, "WORKER": worker, "NUM_WORKERS": 2}
        for name, value in given.items():
            monkeypatch.setenv(name, str(value))
        plan = StreamedEpoch(
            shards, None, batch_size=4, rank=rank, ranks=2, workers=2, seed=None, epoch=0, pool=1
        )
        assert plan._own[worker] == list(split_by_worker(split_by_node(iter(range(5)))))


def test_only_the_buffer_waits_in_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards, read = PairShards(f"file:{root}"), Counter[int]()
    plan = StreamedEpoch(
        shards, None, batch_size=2, rank=0, ranks=1, workers=1, seed=0, epoch=0, pool=1
    )
    pairs = plan._pairs

    def counted(shard: int) -> Iterator[Any]:
        for pair in pairs(shard):
            read[pair.row] += 1
            yield pair

    monkeypatch.setattr(plan, "_pairs", counted)
    given = 0
    for batch, _ in plan.batches(0):
        given += len(batch)
        assert read.total() - given <= 6 + 2  # a shard's pairs, and what is read to make a batch
    assert given == read.total() == len(read) == 30
