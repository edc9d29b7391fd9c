"""How much memory does the stream take for ten thousand pairs, and how much for a million?

    python benchmarks/stream_memory.py [--small 10000] [--large 1000000]

Measured is the proportional set size (PSS) of the main process and two workers in the middle of a
shuffled epoch, each case in a process of its own. What is real: index, manifest, pair and image
ids, labels, split, shuffle, workers, and every shard that is read before the measurement. The
shards that are not reached by then are empty files of the right length, because a million pairs of
even the smallest pictures are three gigabytes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

from interestingness.data.plan import PoolOrder
from interestingness.data.shards.index import IndexRows, IndexWriter
from interestingness.data.shards.layout import (
    INDEX,
    MANIFEST,
    ShardFile,
    ShardManifest,
    describe,
    shard_name,
)
from interestingness.data.shards.members import StoredImage
from interestingness.data.shards.writer import add_pair, new_shard
from interestingness.schema import Pair

PER_SHARD, BATCH, POOL, SEED, WORKERS = 1000, 64, 16, 0, 2
STEPS = 120
"""Global batches before the measurement: 7,680 pairs, all of them of the first pool."""


def make(root: Path, pairs: int) -> None:
    """Shards of synthetic pairs, every image in five of them; only the first pools are filled."""
    rng = np.random.default_rng(0)
    shards, images = pairs // PER_SHARD, 2 * pairs // 5
    bounds = np.arange(shards + 1) * PER_SHARD
    read: set[int] = set()
    for kept in (None, split(pairs, images)):
        order = PoolOrder(bounds, kept, seed=SEED, pool=POOL)
        last = order.pool_at(min(len(order) - 1, (STEPS + 8 * WORKERS) * BATCH))
        read |= {int(s) for pool in range(last + 1) for s in order.pool_shards(pool)}
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, "JPEG")
    data, stored = buffer.getvalue(), StoredImage(Path(), "jpg", "0" * 64)
    index, files, length = IndexWriter(root / INDEX), [], 0
    left, right = slots(pairs, images)
    for shard in range(shards):
        rows, path = IndexRows(shard), root / shard_name(shard)
        chosen = [
            Pair.of(f"{a:010d}.jpg", f"{b:010d}.jpg")
            for a, b in zip(
                left[bounds[shard] : bounds[shard + 1]].tolist(),
                right[bounds[shard] : bounds[shard + 1]].tolist(),
                strict=True,
            )
        ]
        if shard in read or not length:
            with new_shard(path) as tar:
                for pair in chosen:
                    add_pair(tar, rows, pair, [stored, stored], [data, data])
            length, spans = path.stat().st_size, rows.spans
            files.append(describe(path, PER_SHARD))
        else:
            rows.pair_id = [pair.pair_id for pair in chosen]
            rows.left = [pair.left for pair in chosen]
            rows.right = [pair.right for pair in chosen]
            rows.spans = spans
            with open(path, "wb") as file:
                file.truncate(length)
            files.append(ShardFile(path.name, length, "0" * 64, PER_SHARD))
        index.add(rows)
    index.close()
    manifest = ShardManifest(
        "memory",
        "synthetic",
        "",
        "0" * 16,
        pairs,
        images,
        describe(root / INDEX, pairs),
        tuple(files),
    )
    (root / MANIFEST).write_text(manifest.to_json())


def slots(pairs: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Left and right image numbers: a ring in five strides, so that no pair occurs twice."""
    row = np.arange(pairs)
    left, stride = row % images, 1 + row // images
    return left, (left + stride * 7) % images


def split(pairs: int, images: int) -> np.ndarray:
    """The pairs of a half of the images."""
    half = np.random.default_rng(1).random(images) < 0.5
    left, right = slots(pairs, images)
    return half[left] & half[right]


def memory(process: int) -> tuple[float, float]:
    """Proportional set size and its anonymous part in MB.

    The whole depends on who else has the same libraries mapped; the anonymous part does not.
    """
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: size for name, size, *_ in map(str.split, lines)}
    return int(sizes["Pss:"]) / 1024, int(sizes["Pss_Anon:"]) / 1024


def children() -> list[int]:
    """Process ids of the workers."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(word) for word in path.read_text().split()]


def measure(root: Path, *, labelled: bool) -> tuple[float, float]:
    """PSS in the middle of an epoch; runs in a process of its own."""
    import torch

    from interestingness.data.shards.reader import PairShards
    from interestingness.data.shards.stream import PairLoader, PairShardStream
    from interestingness.data.shards.targets import PairTargets

    torch.set_num_threads(1)
    shards = PairShards(root)
    alive: list[object] = []
    targets = None
    if labelled:
        pairs = shards.pairs
        preference = np.random.default_rng(2).random(len(pairs))
        weight, consensus = np.ones(len(pairs)), np.full(len(pairs), np.nan)
        kept = split(len(pairs), shards.manifest.images)
        targets = PairTargets.of(pairs, preference, weight=weight, rows=kept)
        alive += [pairs, preference, weight, consensus, kept, targets]
    stream = PairShardStream(
        shards,
        batch_size=BATCH,
        transform=lambda image: torch.from_numpy(np.array(image.resize((8, 8)))).permute(2, 0, 1),
        targets=targets,
        seed=SEED,
        pool=POOL,
    )
    most = (0.0, 0.0)
    for step, _ in enumerate(PairLoader(stream, workers=WORKERS), start=1):
        if step % 20 == 0:
            workers = children()
            assert len(workers) == WORKERS
            parts = [memory(process) for process in (os.getpid(), *workers)]
            whole, anonymous = (sum(column) for column in zip(*parts, strict=True))
            most = (max(most[0], whole), max(most[1], anonymous))
        if step == min(STEPS, len(stream) - 8):
            break
    assert alive or not labelled
    return most


def main() -> None:
    """Measure every case in a fresh process and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--labelled", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, labelled=options.labelled)))
        return
    found: dict[tuple[bool, int], tuple[float, float]] = {}
    cases = {False: ("stream alone", 20), True: ("with labels and split", 100)}
    for pairs in (options.small, options.large):
        with tempfile.TemporaryDirectory() as scratch:
            make(Path(scratch), pairs)
            for labelled, (what, _) in cases.items():
                command = [sys.executable, __file__, "--one", scratch]
                command += ["--labelled"] * labelled
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                whole, anonymous = json.loads(done.stdout)
                found[labelled, pairs] = (whole, anonymous)
                told = f"PSS {whole:4.0f} MB, of which anonymous {anonymous:4.0f} MB"
                print(f"{what:22s} {pairs:>9,} pairs: {told}", flush=True)
    for labelled, (what, bar) in cases.items():
        large, small = found[labelled, options.large], found[labelled, options.small]
        whole, anonymous = large[0] - small[0], large[1] - small[1]
        print(f"{what:22s} PSS {whole:+.0f} MB, anonymous {anonymous:+.0f} MB (bar: +{bar} MB)")


if __name__ == "__main__":
    main()
