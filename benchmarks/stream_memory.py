"""How much memory does the stream take for ten thousand pairs, and how much for a million?

    python benchmarks/stream_memory.py [--small 10000] [--large 1000000]

Measured is the proportional set size (PSS) of the main process and two workers in the middle of a
shuffled epoch. PSS divides a library's pages among all who have them mapped, other programs too, so
the cases stop at the same step and are measured at the same moment. What is real: index, manifest,
pair and image ids, labels, split, shuffle, workers, and every shard that is read until then. The
shards that are not reached by then are empty files of the right length, because a million pairs of
even the smallest pictures are three gigabytes.

tiny: --small 4000 --large 6000 --steps 4
"""

from __future__ import annotations

import argparse
import contextlib
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


CASES = {False: ("stream alone", 20), True: ("with labels and split", 100)}
"""By whether labels and split are held too: what it is called, and what may be added, in MB."""


def make(root: Path, pairs: int, steps: int) -> None:
    """Shards of synthetic pairs, every image in five of them; only the first pools are filled."""
    rng = np.random.default_rng(0)
    shards, images = pairs // PER_SHARD, 2 * pairs // 5
    bounds = np.arange(shards + 1) * PER_SHARD
    read: set[int] = set()
    for kept in (None, split(pairs, images)):
        order = PoolOrder(bounds, kept, seed=SEED, pool=POOL)
        last = order.pool_at(min(len(order) - 1, (steps + 8 * WORKERS) * BATCH))
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
    """Proportional set size and its anonymous part in MB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: size for name, size, *_ in map(str.split, lines)}
    return int(sizes["Pss:"]) / 1024, int(sizes["Pss_Anon:"]) / 1024


def children() -> list[int]:
    """Process ids of the workers."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(word) for word in path.read_text().split()]


def hold(root: Path, steps: int, *, labelled: bool) -> None:
    """Read until the middle of an epoch, tell the processes, and wait there to be measured."""
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
    for step, _ in enumerate(PairLoader(stream, workers=WORKERS), start=1):
        if step == min(steps, len(stream) - 4 * WORKERS):
            workers = children()
            assert len(workers) == WORKERS
            print(json.dumps([os.getpid(), *workers]), flush=True)
            sys.stdin.readline()
            break
    assert alive or not labelled


def main() -> None:
    """Measure every case in a fresh process and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=STEPS, help="batches before the measurement")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--labelled", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        hold(options.one, options.steps, labelled=options.labelled)
        return
    found = measure((options.small, options.large), options.steps)
    for labelled, (what, bar) in CASES.items():
        for pairs in (options.small, options.large):
            whole, anonymous = found[labelled, pairs]
            told = f"PSS {whole:4.0f} MB, of which anonymous {anonymous:4.0f} MB"
            print(f"{what:22s} {pairs:>9,} pairs: {told}")
        small, large = found[labelled, options.small], found[labelled, options.large]
        whole, anonymous = large[0] - small[0], large[1] - small[1]
        print(f"{what:22s} PSS {whole:+.0f} MB, anonymous {anonymous:+.0f} MB (bar: +{bar} MB)")


def measure(sizes: tuple[int, int], steps: int) -> dict[tuple[bool, int], tuple[float, float]]:
    """PSS and its anonymous part of all cases at one moment, over three processes each."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        running: dict[tuple[bool, int], subprocess.Popen[str]] = {}
        for pairs in sizes:
            root = Path(scratch) / str(pairs)
            root.mkdir()
            make(root, pairs, steps)
            for labelled in CASES:
                command = [sys.executable, __file__, "--one", str(root), "--steps", str(steps)]
                command += ["--labelled"] * labelled
                pipe = subprocess.PIPE
                process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
                running[labelled, pairs] = stack.enter_context(process)
        ids = {}
        for case, process in running.items():
            assert process.stdout is not None
            ids[case] = json.loads(process.stdout.readline())
        found = {
            case: tuple(map(sum, zip(*map(memory, ids[case]), strict=True))) for case in running
        }
        for process in running.values():
            process.communicate("go on\n")
        return found


if __name__ == "__main__":
    main()
