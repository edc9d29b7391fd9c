"""Tiny files in the layout of Visual Interestingness Decoded. SYNTHETIC: nobody gave these answers.

    python tests/raw/visual_interestingness/data.py FOLDER

Ids start with 9900000: none is an image of the data set. People follow a planted utility with
noise; GPT answers as in the paper's description, five times and in both orders for some pairs, with
a liking for the second place. Some cells are as untidy as the published ones.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

FOLDER = "Visual-Interestingness-Decoded-Dataset"
FIRST_ID = 9900000
SLOPES = np.array([0.3, 1.0, -0.6, 0.8])  # of the four scores on the planted utility


def write(root: Path, *, images: int = 40, degree: int = 5, seed: int = 0) -> Path:
    """Write the three files below ``root`` and return their folder."""
    rng = np.random.default_rng(seed)
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    ids = [str(FIRST_ID + 7 * k) for k in range(images)]
    utility = rng.normal(size=images)
    _metadata(folder / "Images_Metadata.csv", ids, utility, rng)
    _single(folder / "Single_Interestingness.csv", ids, rng)
    _relative(folder / "Relative_Interestingness.csv", ids, utility, degree, rng)
    return folder


def _metadata(path: Path, ids: list[str], utility: np.ndarray, rng: np.random.Generator) -> None:
    header = (
        "ImageID,ImageURL,ImageDescription,CuPL_Score,CI_Score,Memorability_Score,Aesthetic_Score,"
        "Num_Views,Num_Favorites,Num_Comments"
    )
    rows = []
    for at, name in enumerate(ids):
        u = utility[at]
        counts = np.floor(np.exp(rng.normal([5, 1, 0.5]) + 0.5 * u))
        rows.append(
            [
                name,
                f"https://c1.staticflickr.com/synthetic/{name}.jpg",
                f'A synthetic description, "number {at}", with a comma.',
                *(f"{v:.6f}" for v in 0.05 + 0.02 * (u * SLOPES + rng.normal(size=4))),
                *("" if at == 3 and k == 2 else f"{v:.1f}" for k, v in enumerate(counts)),
            ]
        )
    _write(path, header.split(","), rows)


def _single(path: Path, ids: list[str], rng: np.random.Generator) -> None:
    header = ["ImageID"] + [
        f"{who}_{what}"
        for who in ("Human", "GPT", "DeepSeek", "Llama")
        for what in ("Answers", "Explanations")
    ]
    rows = []
    for name in ids:
        row = [name]
        for share in (0.9, 0.95, 0.7, 1.0):
            answers = ["yes" if rng.random() < share else "no" for _ in range(5)]
            row += [str(answers), str([" good", "GOOD", "nice colours", "it's odd", ""])]
        rows.append(row)
    rows[1][1] = str(["Yes ", "yes.", "maybe", "NO", "yes"])
    _write(path, header, rows)


def _relative(
    path: Path, ids: list[str], utility: np.ndarray, degree: int, rng: np.random.Generator
) -> None:
    header = ["ImageID1", "ImageID2", "Human_Answers", "Human_Explanations", "GPT_Answers"]
    ends = rng.permutation(np.repeat(np.arange(len(ids)), degree)).reshape(-1, 2)
    seen, rows = set(), []
    for i, j in ends.tolist():
        if i == j or (min(i, j), max(i, j)) in seen:
            continue
        seen.add((min(i, j), max(i, j)))
        rows.append(_row(ids, utility, i, j, rng))
    # Some pairs again, the other way round: both orders of a judge.
    again = [(row[0], row[1]) for row in rows[: len(rows) // 2]]
    for one, other in again:
        row = _row(ids, utility, ids.index(other), ids.index(one), rng)
        rows.append([row[0], row[1], "", "", row[4]])
    rows[0][2] = str(["first", "second", "I cannot say", "First", "second."])
    rows[2][4] = ""
    _write(path, header, rows)


def _row(
    ids: list[str], utility: np.ndarray, i: int, j: int, rng: np.random.Generator
) -> list[str]:
    def say(first: float) -> list[str]:
        return ["first" if rng.random() < first else "second" for _ in range(5)]

    gap = utility[i] - utility[j]
    human = say(1 / (1 + np.exp(-1.5 * gap)))
    gpt = say(float(gap > 0.4))
    return [ids[i], ids[j], str(human), str(["a reason"] * 5), str(gpt)]


def _write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
