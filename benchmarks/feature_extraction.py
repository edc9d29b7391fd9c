"""Feature extraction from JPEG files against its parts: the bare forward pass, and bare decoding.

    python benchmarks/feature_extraction.py [--images 64] [--rounds 5] [--photographs FOLDER]

Two ratios, each the median of rounds in which the arms take turns:

1. extraction / forward (bar .95). Extraction is what `python train.py` does: hash, decode, resize,
   ViT-B/32 with random weights, write the cache. The bare forward runs the same network on batches
   that were decoded before; same number format, batch size and threads.
   Extraction lets its threads work on parts of a batch; --lanes prints how fast the bare forward
   is when it does the same.
2. pipeline / bare (bar .9). The pipeline is extraction without the network: it hashes files and
   hands out stacks of uint8 pictures. Bare is a thread pool of the same size that reads, decodes
   and resizes to the same pixels with the fastest decoder found (compared first, pixel by pixel).
   Beside it stand faster ways to *other* pixels, which the weights' own library does not compute.

Without --photographs, synthetic JPEGs are made: half 640 x 480, half 320 x 240.

tiny: --images 2 --decoded 4 --rounds 1 --workers 1
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2.functional import resize

from interestingness.data.encoding import Picture, decode_all, lanes
from interestingness.data.feature_cache import BATCH, FeatureCache
from interestingness.data.workers import worker_count
from interestingness.models.backbones import OpenClipBackbone
from interestingness.models.preprocessing import ResizeCropNormalise

Arm = Callable[[], object]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--images", type=int, default=64, help="per round, for the network; 0: none"
    )
    parser.add_argument("--decoded", type=int, default=200, help="per round, without the network")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--workers", type=int, default=worker_count("auto"))
    parser.add_argument("--photographs", type=Path, help="a folder of JPEG files")
    parser.add_argument("--lanes", action="store_true", help="also the bare forward in lanes")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        if options.photographs:
            paths = sorted(options.photographs.glob("*.jp*g"))
        else:
            most = max(options.images, options.decoded)
            paths = synthetic_jpegs(Path(folder) / "jpegs", min(most, 200))
        backbone = OpenClipBackbone(
            "ViT-B-32-quickgelu", pretrained="openai", weights="random", licence="none"
        )
        print(
            f"{len(paths)} JPEGs, {torch.get_num_threads()} threads, {options.workers} decoders, "
            f"batch {options.batch}, torch {torch.__version__}, Pillow {Image.__version__}"
        )
        network: dict[str, float] = {}
        if options.images:
            network = against_forward(backbone, cycle(paths, options.images), options, Path(folder))
        decoders = against_decoding(backbone.transform, cycle(paths, options.decoded), options)
    if options.json:
        options.json.write_text(json.dumps({**network, **decoders}, indent=1) + "\n")


def against_forward(
    backbone: OpenClipBackbone, paths: Sequence[Path], options: argparse.Namespace, folder: Path
) -> dict[str, float]:
    """Ratio 1."""
    with torch.inference_mode():
        pictures = decode_all(map(Picture.file, paths), backbone.transform)
        pixels = [image.pixels for image in pictures if image.pixels is not None]
        batches = [
            backbone.transform.normalise(torch.stack(pixels[i : i + options.batch]))
            for i in range(0, len(pixels), options.batch)
        ]

    @torch.inference_mode()
    def forward() -> None:
        for batch in batches:
            backbone(batch)

    def in_lanes() -> None:
        with lanes(backbone, options.batch, "cpu") as forward:
            for i in range(0, len(pixels), options.batch):
                forward(torch.stack(pixels[i : i + options.batch]))

    def extraction() -> None:
        root = folder / "cache"
        shutil.rmtree(root, ignore_errors=True)
        # `cycle` repeats files, and a cache encodes none twice: each gets a comment of its own.
        _, present = FeatureCache(root).features(
            paths, backbone, batch_size=options.batch, workers=options.workers
        )
        assert present.all()

    paths = distinct(paths, folder / "distinct")
    arms: dict[str, Arm] = {"forward": forward, "extraction": extraction}
    if options.lanes:
        arms["in lanes"] = in_lanes
    rates = take_turns(arms, len(paths), options.rounds)
    result = report(rates, "extraction", "forward", 0.95)
    if options.lanes:
        print(f"    forward in lanes {np.median(rates['in lanes']):.1f} images/s")
    return result


def against_decoding(
    transform: ResizeCropNormalise, paths: Sequence[Path], options: argparse.Namespace
) -> dict[str, float]:
    """Ratio 2."""

    def pipeline() -> None:
        stack = []
        for image in decode_all(
            map(Picture.file, paths),
            transform,
            workers=options.workers,
            ahead=2 * options.batch,
        ):
            stack.append(image.pixels)
            if len(stack) == options.batch:
                torch.stack(stack)
                stack = []

    decoders: dict[str, Callable[[bytes], torch.Tensor]] = {
        "Pillow": lambda data: transform.pixels(Image.open(BytesIO(data)).convert("RGB")),
        "torchvision + Pillow": lambda data: transform.pixels(torchvision_decode(data)),
        "Pillow draft": lambda data: transform.pixels(draft(data, transform.short)),
        "torchvision + torch resize": lambda data: all_torch(data, transform),
    }
    expected = [decoders["Pillow"](path.read_bytes()) for path in paths[:20]]
    same = {
        name
        for name, decode in decoders.items()
        if all(
            torch.equal(decode(path.read_bytes()), pixels)
            for path, pixels in zip(paths[:20], expected, strict=True)
        )
    }

    def bare(decode: Callable[[bytes], torch.Tensor]) -> Arm:
        def run() -> None:
            with ThreadPoolExecutor(options.workers) as pool:
                for _ in pool.map(lambda path: decode(path.read_bytes()), paths):
                    pass

        return run

    arms = {"pipeline": pipeline, **{name: bare(decode) for name, decode in decoders.items()}}
    rates = take_turns(arms, len(paths), options.rounds)
    fastest = max(same, key=lambda name: float(np.median(rates[name])))
    result = report(rates, "pipeline", fastest, 0.9)
    for name in decoders:
        pixels = "same pixels" if name in same else "OTHER pixels"
        print(f"    bare {name:28s}{np.median(rates[name]):8.0f} images/s  ({pixels})")
    return result


def torchvision_decode(data: bytes) -> Image.Image:
    """JPEG by torchvision's own decoder, as a Pillow image."""
    pixels = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def draft(data: bytes, short: int) -> Image.Image:
    """JPEG decoded at a power of two of its size, as libjpeg offers."""
    image = Image.open(BytesIO(data))
    image.draft("RGB", (short, short))
    return image.convert("RGB")


def all_torch(data: bytes, transform: ResizeCropNormalise) -> torch.Tensor:
    """JPEG and resize by torchvision, uint8 throughout."""
    pixels = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)
    pixels = resize(pixels, [transform.short], interpolation=3, antialias=True)
    top, left = ((n - transform.size) // 2 for n in pixels.shape[1:])
    cut = pixels[:, top : top + transform.size, left : left + transform.size]
    return cut.permute(1, 2, 0).contiguous()


def take_turns(arms: dict[str, Arm], images: int, rounds: int) -> dict[str, list[float]]:
    """Images per second of each arm in each round, after one round that is thrown away."""
    rates: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(rounds + 1):
        for name, arm in arms.items():
            start = time.perf_counter()
            arm()
            if turn:
                rates[name].append(images / (time.perf_counter() - start))
    return rates


def report(rates: dict[str, list[float]], ours: str, bare: str, bar: float) -> dict[str, float]:
    """Print and return the median of the rounds' ratios."""
    ratios = np.array(rates[ours]) / np.array(rates[bare])
    ratio = float(np.median(ratios))
    print(
        f"{ours} {np.median(rates[ours]):.1f} images/s, bare {bare} {np.median(rates[bare]):.1f}: "
        f"ratio {ratio:.3f} ({', '.join(f'{r:.3f}' for r in ratios)}), bar {bar} "
        f"{'kept' if ratio >= bar else 'MISSED'}",
        flush=True,
    )
    return {f"{ours}_over_{bare}".replace(" ", "_"): ratio}


def cycle(paths: Sequence[Path], count: int) -> list[Path]:
    """As many paths as asked for, from the start again where they end."""
    return [paths[i % len(paths)] for i in range(count)]


def distinct(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Copies of JPEG files that differ in a comment."""
    folder.mkdir()
    copies = []
    for i, path in enumerate(paths):
        data, comment = path.read_bytes(), f"{i:08d}".encode()
        marker = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        copies.append(folder / f"{i}.jpg")
        copies[-1].write_bytes(data[:2] + marker + data[2:])
    return copies


def synthetic_jpegs(folder: Path, count: int) -> list[Path]:
    """JPEG files with about as much detail as photographs of their size."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = []
    for i in range(count):
        width, height = ((640, 480), (320, 240))[i % 2]
        coarse = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        noisy = np.asarray(smooth) * 0.9 + rng.normal(0, 4, (height, width, 1))
        paths.append(folder / f"{i:04d}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
