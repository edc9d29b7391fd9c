"""Files in the layout of FlickrUser. SYNTHETIC: no such users, images or favourites exist.

    python tests/raw/flickr_user/data.py FOLDER [ROWS]

Images belong to partitions; what a user likes is drawn by the partition's appeal, and the CI score
is the share of users with a favourite in it. Ids of images start with 990000000.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

FIRST_ID = 990_000_000
PARTITIONS = 12
ABOUT_USER = ("user_gender", "user_country", "user_timezone_label", "user_timezone_id")
FAVIMG = ("url", "num_views", "num_favorites", "num_comments", "upload_date", "owner_ispro")
COMMON = ("user_id", *ABOUT_USER, *(f"favimg_{n}" for n in FAVIMG), "favimg_owner_occupation")
DEFINITION = (*COMMON, "VILA_main_feature", "VILA_aesthetic_score", "CLIP_emotion_main_category")
DEFINITION += ("cluster_label", "partition", "trend_group", "ci_score")
ADDITIONAL = (*COMMON, "ci_r_score")


def write(root: Path, *, rows: int = 400, users: int = 25, seed: int = 0) -> tuple[Path, Path]:
    """Write both files below ``root`` and return their paths."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    appeal = rng.dirichlet(np.full(PARTITIONS, 0.7))
    images = max(4, rows * 3 // 4)
    partition = rng.choice(PARTITIONS, images, p=0.7 * appeal + 0.3 / PARTITIONS)
    image, user = rng.integers(images, size=rows), rng.integers(users, size=rows)
    ci = [len(set(user[partition[image] == p].tolist())) / users for p in range(PARTITIONS)]
    paths = root / "FlickrUser_definition.csv", root / "FlickrUser_additional.csv"
    with paths[0].open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(DEFINITION)
        for k in range(rows):
            at, part = int(image[k]), int(partition[image[k]])
            common = _common(at, int(user[k]), first=0)
            group = 0 if ci[part] > 0.6 else 2 if ci[part] < 0.1 else 1
            own = ("rule of thirds", f"{0.3 + 0.01 * (at % 40):.4f}", "awe", part * 3, part, group)
            writer.writerow([*common, *own, f"{ci[part]:.6f}"])
    with paths[1].open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(ADDITIONAL)
        for k in range(rows // 4):
            writer.writerow([*_common(k, k % users, first=images), f"{k % 10 / 10:.4f}"])
    return paths


def _common(at: int, user: int, *, first: int) -> list[str]:
    number = FIRST_ID + first + at
    views = "" if at % 17 == 3 else f"{float(at * 13 % 900)}"
    occupation = ["", "Photographer, retired", 'says "hello",\nthen goes', "Künstlerin"][at % 4]
    return [
        f"user{user:05d}@N00", "", "Synthetica", "", "",
        f"https://live.staticflickr.com/65535/{number}_{number % 9973:010x}_b.jpg",
        views, f"{at % 50}.0", f"{at % 7}.0", "1500000000", str(at % 2), occupation,
    ]  # fmt: skip


if __name__ == "__main__":
    for path in write(Path(sys.argv[1]), rows=int(sys.argv[2]) if len(sys.argv) > 2 else 400):
        print(path)
