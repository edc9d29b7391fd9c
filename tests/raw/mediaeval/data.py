"""Files in the layout of MediaEval's Predicting Media Interestingness. SYNTHETIC: grey noise.

    python tests/raw/mediaeval/data.py FOLDER

A frame's level is its planted brightness; the upper tenth of a video is the class 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image


def write(root: Path, *, videos: int = 5, frames: int = 8, seed: int = 0) -> Path:
    """Write ``ME16IN`` below ``root`` and return it."""
    rng = np.random.default_rng(seed)
    folder = root / "ME16IN"
    for video in range(videos):
        part = "devset" if video < videos - 2 else "testset"
        images = folder / part / "videos" / f"video_{video}" / "images"
        images.mkdir(parents=True)
        (folder / part / "annotations").mkdir(exist_ok=True)
        level = rng.random(frames).round(4)
        top = np.quantile(level, 0.9)
        with (folder / part / "annotations" / f"{part}-image.txt").open("a") as stream:
            for k in range(frames):
                name = f"{k * 37}-{k * 37 + 5}.jpg"
                values = rng.normal(255 * level[k], 9, (18, 32)).clip(0, 255).astype(np.uint8)
                Image.fromarray(values).save(images / name)
                rank = int((level > level[k]).sum()) + 1
                stream.write(f"video_{video},{name},{int(level[k] > top)},{level[k]},{rank}\n")
    return folder


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
