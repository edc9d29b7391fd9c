"""Scoring photographs against its parts: the bare forward pass, and a score table in memory.

    python benchmarks/rank.py [--images 256] [--rounds 3] [--memory 20000 60000] [--culling]

1. scoring / forward (bar .95). Scoring is what `interestingness rank` does between finding files
   and writing the table: hash, decode, resize, ViT-B/32 with random weights, write the feature
   cache, head, near-duplicates. The bare forward runs the same network on batches that were decoded
   before. Medians of rounds in which the two take turns. Nothing overlaps with the decoding of the
   first batch, so that few images give a lower ratio than many.
2. Memory of its own (RssAnon) at its highest, ranking so many tiny pictures, each number in another
   process, with a network that does next to nothing and gives 768 numbers. What it grows by from
   one image to the next is set against a row of the score table, and against a feature: features
   must not pile up (bar: half of one). With --culling, the best of each series are chosen and
   linked; nearly all of these pictures resemble each other, the worst case.

tiny: --images 1 --rounds 1 --memory 10 20
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from feature_extraction import cycle, distinct, report, synthetic_jpegs, take_turns
from PIL import Image
from torch import Tensor, nn

from interestingness.data.encoding import Picture, decode_all
from interestingness.data.feature_cache import BATCH, FeatureCache
from interestingness.data.images import Skips
from interestingness.models.backbone import Backbone
from interestingness.models.backbones import OpenClipBackbone
from interestingness.models.contract import EmbeddingContract
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.scoring.image_scorer import ImageScorer
from interestingness.scoring.near_duplicates import NearDuplicates

FEATURE = 768 * 4
"""Bytes of one feature of ViT-L/14."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--images", type=int, default=256, help="per round; 0: no throughput")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, nargs="*", default=[20_000, 60_000])
    parser.add_argument("--culling", action="store_true", help="choose the best of each series")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(highest_memory(options.one, options.culling))
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.images:
            throughput(options.images, options.rounds, Path(folder))
        if len(options.memory) > 1:
            memory(options.memory, Path(folder), options.culling)


def throughput(images: int, rounds: int, folder: Path) -> None:
    """Ratio 1."""
    backbone = OpenClipBackbone(
        "ViT-B-32-quickgelu", pretrained="openai", weights="random", licence="none"
    )
    scorer = Scorer(backbone, FeatureScaler("unit", backbone.dim), LinearHead(backbone.dim))
    jpegs = synthetic_jpegs(folder / "jpegs", min(images, 100))
    paths = distinct(cycle(jpegs, images), folder / "distinct")
    with torch.inference_mode():
        decoded = decode_all(map(Picture.file, paths), backbone.transform)
        pixels = [image.pixels for image in decoded if image.pixels is not None]
        batches = [
            backbone.transform.normalise(torch.stack(pixels[i : i + BATCH]))
            for i in range(0, len(pixels), BATCH)
        ]

    @torch.inference_mode()
    def forward() -> None:
        for batch in batches:
            backbone(batch)

    def scoring() -> None:
        shutil.rmtree(folder / "cache", ignore_errors=True)
        made = ImageScorer(scorer, FeatureCache(folder / "cache", keep_open=True))
        found = made.score(paths, skips=Skips(max_share=0), near=NearDuplicates())
        assert not np.isnan(found.scores).any() and found.encoded == images

    print(f"{images} JPEGs, {torch.get_num_threads()} threads, torch {torch.__version__}")
    report(
        take_turns({"forward": forward, "scoring": scoring}, images, rounds),
        "scoring",
        "forward",
        0.95,
    )


def memory(counts: Sequence[int], folder: Path, culling: bool) -> None:
    """Part 2."""
    pictures = folder / "pictures"
    found = {}
    rows = 0
    for count in sorted(counts):
        tiny(pictures, count)
        command = [sys.executable, __file__, "--one", str(pictures)]
        command += ["--culling"] if culling else []
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)  # its errors are shown
        if done.returncode:
            raise SystemExit(f"ranking {count} pictures ended with status {done.returncode}")
        peak, rows = map(int, done.stdout.split()[-2:])
        found[count] = peak
        print(f"{count:>9,} images: {peak / 1e6:.0f} MB of its own at the highest", flush=True)
    (first, least), (last, most) = min(found.items()), max(found.items())
    growth = (most - least) / (last - first)
    kept = growth <= FEATURE / 2
    print(
        f"grows by {growth:.0f} bytes an image; a row of the score table is {rows}, a feature "
        f"{FEATURE}: bar {FEATURE // 2} {'kept' if kept else 'MISSED'}"
    )


def highest_memory(pictures: Path, culling: bool) -> str:
    """Rank a folder; bytes of its own memory at the highest, and bytes of a row of the table."""
    import pyarrow.parquet as pq

    from interestingness.assembly.scorers import NamedScorer
    from interestingness.commands import rank as ranking
    from interestingness.commands.options import parse
    from interestingness.models.exchange import ScorerCard

    backbone = Repeated()
    scorer = Scorer(backbone, FeatureScaler("none", backbone.dim), LinearHead(backbone.dim))
    nn.init.normal_(scorer.head.weight)  # type: ignore[arg-type]
    named = NamedScorer(ScorerCard("tiny", "red", "nothing", "logits", "none"), scorer)
    ranking.make_scorer = lambda *_, **__: named  # type: ignore[assignment]
    peak = [0]

    def watch() -> None:
        while True:
            lines = Path("/proc/self/status").read_text().splitlines()
            size = next(line for line in lines if line.startswith("RssAnon"))
            peak[0] = max(peak[0], 1024 * int(size.split()[1]))
            time.sleep(0.02)

    threading.Thread(target=watch, daemon=True).start()
    with tempfile.TemporaryDirectory() as out:
        places = [
            "--cache",
            f"{out}/cache",
            "--out",
            f"{out}/scores.parquet",
            "--sheet",
            f"{out}/sheet",
        ]
        if culling:
            places += ["--keep", "1", "--top", "1000", "--link-to", f"{out}/best"]
        ranking.rank(parse("rank", [str(pictures), *places]))
        table = pq.read_table(f"{out}/scores.parquet")
    return f"{peak[0]} {table.nbytes // len(table)}"


class Repeated(Backbone):
    """The mean colour, 256 times."""

    def __init__(self) -> None:
        """No weights."""
        contract = EmbeddingContract(
            family="benchmark",
            architecture="colour",
            weights_sha256="0" * 64,
            dim=768,
            image_size=8,
            resize="shortest",
            resize_size=8,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        )
        super().__init__(nn.Identity(), contract, licence="none", origin="none")

    def forward(self, images: Tensor) -> Tensor:
        """Shape (B, 768)."""
        return images.mean(dim=(2, 3)).repeat(1, 256)


def tiny(folder: Path, count: int) -> None:
    """So many distinct pictures; those that are there stay."""
    folder.mkdir(exist_ok=True)
    for i in range(len(list(folder.iterdir())), count):
        colour = np.array([i % 256, i // 256 % 256, i // 65536], dtype=np.uint8)
        Image.fromarray(np.tile(colour, (8, 8, 1))).save(folder / f"photograph {i:07d}.bmp")


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
