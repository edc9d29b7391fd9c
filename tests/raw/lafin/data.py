"""A list of photographs as ``dataset=lafin`` reads it. SYNTHETIC: no such photographs exist.

    python tests/raw/lafin/data.py FOLDER

Interesting ones (planted by a coin) have more views, comments and favourites, tags that contain
"explor", and slightly other tags. A few have no tags, or leaking ones only.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

HEADER = ("photo_id", "url", "interesting", "tags", "title", "owner", "date", "license")
HEADER += ("views", "comments", "favorites")
WORDS = ("sky", "water", "street", "portrait", "flower", "cat", "night", "macro", "münchen", "🌊")


def write(root: Path, *, photos: int = 120, days: int = 4, seed: int = 0) -> Path:
    """Write ``photos.csv`` below ``root`` and return its path."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    path = root / "photos.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        for k in range(photos):
            flag = bool(rng.integers(2))
            tags = list(rng.choice(WORDS, size=int(rng.integers(1, 6)), replace=False))
            if flag and rng.random() < 0.6:
                tags.append(str(rng.choice(["explore", "Explored", "inexplore", "explore27jan06"])))
            if not flag and rng.random() < 0.05:
                tags.append("exploring")
            if k % 40 == 7:
                tags = ["explore"] if flag else []
            views, comments, favorites = rng.poisson([900, 30, 60] if flag else [30, 1, 1])
            writer.writerow(
                [
                    980_000_000 + k, f"https://live.staticflickr.com/1/{980_000_000 + k}_0a.jpg",
                    int(flag), " ".join(tags), "Explored! Sky" if k == 5 else f"title {k}",
                    f"owner{k % 30}", f"2012-05-{1 + k % days:02d}", "CC BY 2.0" if k % 3 else "",
                    "" if k == 11 else views, comments, favorites,
                ]
            )  # fmt: skip
    return path


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
