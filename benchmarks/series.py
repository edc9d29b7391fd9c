"""How many frames of a burst are found to be one series, by features and by times.

    python benchmarks/series.py PHOTOS --weights FILE [--bursts 200] [--frames 4]

The bursts are simulated: frames of one real photograph are crops of 94 % of its sides at random
places, up to 8 % brighter or darker, saved as JPEG. The frames of a burst are a second apart. Each
second burst begins within the same minute as the one before it, so that time alone would join them.
Features are those of MobileNetV2 with the weights of FILE. Scores are random. Printed for several
cosines, with times and without: the share of frames that are in the series of their photograph's
best frame, photographs of which several frames are kept (bar: as few as can be), and photographs of
which none is (bar: 0, since a lost photograph is worse than one frame too many).

tiny: $OASIS/images --weights $BACKBONES/mobilenet_v2_torchvision_layout.pt --bursts 6
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips
from interestingness.models.backbones import TorchvisionBackbone
from interestingness.scoring.near_duplicates import NearDuplicates
from interestingness.scoring.series import SeriesFinder

COSINES = (0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99)
SIDE, LIGHT = 0.94, 0.08


def main() -> None:
    """Make bursts, encode them, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("photos", type=Path, help="folder of JPEGs")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--bursts", type=int, default=200)
    parser.add_argument("--frames", type=int, default=4)
    options = parser.parse_args()
    photos = sorted(options.photos.rglob("*.jpg"))
    rng = np.random.default_rng(0)
    chosen = [photos[i] for i in rng.permutation(len(photos))[: options.bursts]]
    backbone = TorchvisionBackbone(
        "mobilenet_v2", pretrained="IMAGENET1K_V1", weights=str(options.weights), licence="none"
    )
    with tempfile.TemporaryDirectory() as folder:
        files = [f for p in chosen for f in frames_of(p, options.frames, Path(folder), rng)]
        cache = FeatureCache(Path(folder) / "cache")
        features, there = cache.features(files, backbone, skips=Skips(max_share=0))
    assert there.all()
    photo = np.repeat(np.arange(len(chosen)), options.frames)
    begins = 3600.0 * (np.arange(len(chosen)) // 2) + 20.0 * (np.arange(len(chosen)) % 2)
    times = begins[photo] + np.tile(np.arange(options.frames), len(chosen))
    scores = rng.normal(size=len(photo))
    print(f"{len(chosen)} photographs, {options.frames} frames each")
    print("cosine  times    in the best frame's series  kept more than once  lost")
    for told in (True, False):
        for cosine in COSINES:
            when = times if told else np.full(len(times), np.nan)
            found = outcome(features, scores, when, photo, cosine)
            print(
                f"{cosine:>6}  {'told' if told else 'unknown':<7}  {found[0]:>25.1%}  "
                f"{found[1]:>18}  {found[2]:>4}"
            )


def frames_of(photo: Path, frames: int, folder: Path, rng: np.random.Generator) -> Sequence[Path]:
    """Save frames of a photograph."""
    image = Image.open(photo).convert("RGB")
    width, height = (round(SIDE * side) for side in image.size)
    made = []
    for number in range(frames):
        left = int(rng.integers(0, image.width - width + 1))
        top = int(rng.integers(0, image.height - height + 1))
        frame = image.crop((left, top, left + width, top + height))
        frame = ImageEnhance.Brightness(frame).enhance(1 + rng.uniform(-LIGHT, LIGHT))
        made.append(folder / f"{photo.stem} {number}.jpg")
        frame.save(made[-1], quality=90)
    return made


def outcome(
    features: NDArray[np.float32],
    scores: NDArray[np.float64],
    times: NDArray[np.float64],
    photo: NDArray[np.int64],
    cosine: float,
) -> tuple[float, int, int]:
    """Return the share of frames led by a frame of their photograph, repeats and losses."""
    series = SeriesFinder(times, close=cosine)
    NearDuplicates(threshold=cosine, series=series).add(features, scores)
    leaders = series.leaders()
    best = np.array([np.argmax(np.where(photo == at, scores, -np.inf)) for at in photo])
    kept = np.bincount(photo[np.unique(leaders)], minlength=photo.max() + 1)
    return float((leaders == best).mean()), int((kept > 1).sum()), int((kept == 0).sum())


if __name__ == "__main__":
    sys.exit(main())
