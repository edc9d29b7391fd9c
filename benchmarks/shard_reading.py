"""How fast are pair shards against a bare tar file and decoder?

    python benchmarks/shard_reading.py [--images FOLDER] [--pairs 300] [--rounds 5]

Every image occurs in one pair, so that neither side profits from decoding an image once a batch.
Both sides decode the same members to the same small tensors on one core each. The rounds are
interleaved, and the printed number is the median over rounds of the ratio within a round.

tiny: --pairs 20 --rounds 1
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from interestingness.data.shards.layout import ShardManifest
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.stream import PairLoader, PairShardStream
from interestingness.data.shards.writer import write_shards
from interestingness.schema import Pair
from interestingness.tables.tables import Manifest, Tables

SIDE = 64
BATCH = 32


def to_tensor(image: Image.Image) -> Tensor:
    """A small tensor; the same work on both sides."""
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1)


def make_images(folder: Path, count: int) -> None:
    """Synthetic photographs: smooth colours with noise, 320 × 240, about 30 kB each."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((320, 240), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = np.clip(smooth + rng.integers(-16, 17, smooth.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:05d}.jpg", quality=90)


def make_shards(images: Path, root: Path, pairs: int) -> ShardManifest:
    """Pairs of neighbours, each image once."""
    names = sorted(path.name for path in images.iterdir())[: 2 * pairs]
    made = [Pair.of(a, b) for a, b in zip(names[::2], names[1::2], strict=False)]
    tables = Tables.write(
        root / "tables",
        Manifest("benchmark", "photographs", image_root=str(images)),
        {
            "images": pa.table({"image_id": names, "path": names}),
            "pairs": pa.table(
                {k: [getattr(pair, k) for pair in made] for k in ("pair_id", "left", "right")}
            ),
        },
    )
    return write_shards(tables, root / "shards", pairs_per_shard=100)


def bare(root: Path) -> int:
    """tarfile and Pillow, nothing else."""
    images = 0
    for path in sorted(root.glob("*.tar")):
        batch = []
        with tarfile.open(path) as tar:
            for member in tar:
                if not member.name.endswith(".json"):
                    file = tar.extractfile(member)
                    assert file is not None
                    batch.append(to_tensor(Image.open(io.BytesIO(file.read())).convert("RGB")))
                    images += 1
                if len(batch) == 2 * BATCH:
                    torch.stack(batch)
                    batch = []
    return images


def streamed(root: Path, *, workers: int, seed: int | None) -> int:
    """All of ours, from opening the folder on."""
    stream = PairShardStream(PairShards(root), batch_size=BATCH, transform=to_tensor, seed=seed)
    return sum(len(batch.images) for batch in PairLoader(stream, workers=workers))


def main() -> None:
    """Make shards, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="folder of photographs to use")
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.images
        if folder is None:
            folder = Path(scratch) / "images"
            folder.mkdir()
            make_images(folder, 2 * options.pairs)
        manifest = make_shards(folder.absolute(), Path(scratch), options.pairs)
        size = sum(shard.bytes for shard in manifest.shards) / 1e6
        print(f"{manifest.images} images in {len(manifest.shards)} shards of {size:.0f} MB")
        root = Path(scratch) / "shards"
        cases: dict[str, Callable[[], int]] = {
            "bare tarfile + decode": lambda: bare(root),
            "stream, in this process": lambda: streamed(root, workers=0, seed=None),
            "stream, one worker": lambda: streamed(root, workers=1, seed=None),
            "stream, one worker, shuffled": lambda: streamed(root, workers=1, seed=0),
        }
        speeds: dict[str, list[float]] = {name: [] for name in cases}
        for round_ in range(options.rounds + 1):
            for name, case in cases.items():
                start = time.perf_counter()
                images = case()
                assert images == manifest.images
                if round_:  # the first round warms the page cache and the imports
                    speeds[name].append(images / (time.perf_counter() - start))
        base = speeds["bare tarfile + decode"]
        for name, found in speeds.items():
            ratio = statistics.median(a / b for a, b in zip(found, base, strict=True))
            print(f"{name:30s} {statistics.median(found):7.0f} images/s   ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
