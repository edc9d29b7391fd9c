"""From JPEG bytes to an augmented view of 224 pixels: decoded in full, or no larger than needed.

    OMP_NUM_THREADS=1 python benchmarks/reduced_decoding.py [--images 12] [--rounds 3]

What a worker of ``data=shards`` does with an image that is learnt from, in one thread, with
``data.reduce=false`` and ``true``. Ratios of the two arms in the same round, medians over rounds;
and how far the pixels of the whole picture, resized without a view, differ (mean, of 255 levels).

Pictures are OASIS photographs (of the folder that the environment names, OASIS=FOLDER) made as
large as a camera's: their detail is a thumbnail's, so that a real camera's file takes longer to
decode. Where there are none, noise of several scales, which is synthetic.

tiny: --images 1 --rounds 1
"""

from __future__ import annotations

import argparse
import statistics
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from hydra.utils import instantiate
from loading_profile import OASIS
from omegaconf import OmegaConf
from PIL import Image

from interestingness.cli import conf_folder
from interestingness.data.augmentation import enough_for, random_of
from interestingness.data.images import decode_image
from interestingness.models.backbones import OpenClipBackbone

SIZES = ((640, 480), (1600, 1200), (4000, 3000))


def originals(count: int) -> list[Image.Image]:
    """Photographs, or synthetic noise where there are none."""
    if OASIS.is_dir():
        files = sorted((OASIS / "images").glob("*.jpg"))[:count]
        return [decode_image(file.read_bytes(), where=file.name) for file in files]
    random = np.random.default_rng(0)
    print("synthetic noise: no photographs at hand")
    return [
        Image.fromarray(random.integers(0, 256, (12 * 2**scale, 16 * 2**scale, 3), np.uint8))
        for scale in range(5)
    ]


def stored(image: Image.Image, size: tuple[int, int]) -> bytes:
    """A JPEG file of that size."""
    buffer = BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    augment = instantiate(OmegaConf.load(Path(conf_folder()) / "model/finetuned_clip.yaml").augment)
    backbone = OpenClipBackbone("ViT-B-32", pretrained=None, weights="random:0", licence="none")
    transform = backbone.transform
    enough = enough_for(augment, transform.short)
    pictures = originals(options.images)

    def seconds(files: list[bytes], enough: int | None) -> float:
        began = time.perf_counter()
        for at, data in enumerate(files):
            picture = decode_image(data, where="", enough=enough)
            transform.handed_on(augment.view(picture, random_of(0, 0, str(at))))
        return time.perf_counter() - began

    print(f"{len(pictures)} pictures a size, shorter side at least {enough} pixels; one thread")
    print("   size         in full   reduced   ratio (rounds)        grey levels changed")
    for size in SIZES:
        files = [stored(picture, size) for picture in pictures]
        rounds = [(seconds(files, None), seconds(files, enough)) for _ in range(options.rounds)]
        full, reduced = (len(files) / statistics.median(arm) for arm in zip(*rounds, strict=True))
        ratios = sorted(whole / part for whole, part in rounds)
        change = [
            transform.pixels(decode_image(data, where="", enough=enough)).float()
            - transform.pixels(decode_image(data, where="")).float()
            for data in files
        ]
        changed = statistics.mean(float(one.abs().mean()) for one in change)
        print(
            f"{size[0]:5d} × {size[1]:4d} {full:7.0f}/s {reduced:7.0f}/s   "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})   {changed:12.2f}"
        )


if __name__ == "__main__":
    main()
