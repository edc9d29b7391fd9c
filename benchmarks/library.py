"""``load(…).score(paths)`` against a bare loop that decodes, preprocesses and runs the same files.

    python benchmarks/library.py [--images 128] [--rounds 5] [--photographs FOLDER]

The bare loop is what a careful user would write: a pool of threads decodes with Pillow and applies
the network's transform, batches run through the network in the main thread. Same files, batch size
and threads; ViT-B/32 with random weights, whose speed is that of trained ones. The bar is .95 of
the bare loop's images/s; the median of rounds in which the two take turns is printed.

Without --photographs, synthetic JPEGs of 640 x 480 are made.

tiny: --images 4 --rounds 1
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from interestingness import load
from interestingness.data.workers import worker_count
from interestingness.library.scorer import BATCH, LoadedScorer
from interestingness.models.backbones import OpenClipBackbone
from interestingness.models.exchange import ScorerCard, save_scorer
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer

NODE = {
    "_target_": "interestingness.models.backbones.OpenClipBackbone",
    "architecture": "ViT-B-32-quickgelu",
    "pretrained": "openai",
    "weights": "random:0",
    "licence": "none",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photographs", type=Path, help="a folder of JPEG files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.photographs:
            some = sorted(options.photographs.glob("*.jp*g"))
        else:
            some = synthetic_jpegs(Path(folder), min(options.images, 64))
        paths = [some[i % len(some)] for i in range(options.images)]
        scorer = load(made(Path(folder) / "scorer"), device="cpu")
        bare = bare_loop(scorer)
        assert np.abs(bare(paths[:2]) - np.asarray(scorer.score(paths[:2]))).max() < 1e-4
        rates: dict[str, list[float]] = {"load(…).score": [], "bare loop": []}
        arms: dict[str, Callable[[Sequence[Path]], object]] = {
            "load(…).score": scorer.score,
            "bare loop": bare,
        }
        for _ in range(options.rounds):
            for name, arm in arms.items():
                start = time.perf_counter()
                arm(paths)
                rates[name].append(len(paths) / (time.perf_counter() - start))
        ours, theirs = (np.array(rates[name]) for name in arms)
        print(f"{len(paths)} JPEGs a round, {options.rounds} rounds, batch {BATCH}, ViT-B/32")
        for name in arms:
            print(f"  {name:14} {np.median(rates[name]):7.1f} images/s")
        print(f"ratio {np.median(ours / theirs):.3f} (bar .95)")


def made(folder: Path) -> Path:
    """Save a scorer with ViT-B/32 and a head of ones."""
    backbone = OpenClipBackbone(**{k: v for k, v in NODE.items() if k != "_target_"})  # type: ignore[arg-type]
    head = LinearHead(backbone.dim)
    head.load_state_dict({"weight": torch.ones(backbone.dim)})
    scorer = Scorer(backbone, FeatureScaler("unit", backbone.dim), head)
    card = ScorerCard("bench", "nothing", "nothing", "logits", "none", NODE)
    return save_scorer(folder, scorer, card)


def bare_loop(scorer: LoadedScorer) -> Callable[[Sequence[Path]], np.ndarray]:
    """Write the loop that does the same work without our library."""
    backbone, head = scorer.backbone, scorer.module
    workers = worker_count("auto")

    def pixels(path: Path) -> torch.Tensor:
        with Image.open(path) as image:
            return backbone.transform.pixels(image.convert("RGB"))

    @torch.inference_mode()
    def run(paths: Sequence[Path]) -> np.ndarray:
        scores: list[torch.Tensor] = []
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(pixels, path) for path in paths]
            for start in range(0, len(paths), BATCH):
                batch = torch.stack([f.result() for f in futures[start : start + BATCH]])
                scores.append(head.score(backbone(backbone.transform.normalise(batch))))
        return torch.cat(scores).numpy()

    return run


def synthetic_jpegs(folder: Path, count: int) -> list[Path]:
    """Write JPEGs of smooth noise."""
    rng, paths = np.random.default_rng(0), []
    for number in range(count):
        small = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC)
        paths.append(folder / f"{number}.jpg")
        image.save(paths[-1], quality=90)
    return paths


if __name__ == "__main__":
    main()
