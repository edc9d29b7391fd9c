"""Does cross-fitting of few pairs say what the saved model is worth? Planted linear scores.

    python benchmarks/cross_fitting.py            # some minutes on one core

Each world draws images with features, a linear score of them and noise, and one vote on each of few
random pairs. The truth is the accuracy, on fresh images and pairs, of the head fitted on all pairs.
*half* trains on the pairs inside one half of the images and tests inside the other; *mean of
predictions* and *mean of accuracies* are two ways to read three repetitions of cross-fitting, of
which the first is ours.

tiny: --worlds 2
"""

from __future__ import annotations

import argparse

import numpy as np
import pyarrow as pa

from interestingness.data.cross_fit import cross_fit
from interestingness.data.splits import by_image
from interestingness.datasets.pairing import random_regular_pairs
from interestingness.learning.cross_fitting import LinearProcedure, cross_fitted
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.schema import Pairs
from interestingness.stats.agreement import accuracy
from interestingness.stats.bootstrap import accuracy_interval

DIM, L2 = 64, 0.1
WORLDS = [(150, 2), (300, 2), (200, 4)]
"""Images, and pairs that an image is in."""


def world(images: int, degree: int, truth: np.ndarray, rng: np.random.Generator):
    """Pairs, their image table, features and votes."""
    drawn = random_regular_pairs(images, degree, seed=int(rng.integers(2**31)))
    ids = [f"{row:05d}" for row in range(images)]
    pairs, _, _ = Pairs.from_ids([ids[i] for i in drawn[:, 0]], [ids[i] for i in drawn[:, 1]], ids)
    features = rng.normal(size=(images, DIM)).astype(np.float32)
    utility = features @ truth + 0.5 * rng.normal(size=images)
    chance = 1 / (1 + np.exp(-1.5 * (utility[pairs.left] - utility[pairs.right])))
    vote = (rng.random(len(pairs)) < chance).astype(float)
    return pairs, pa.table({"image_id": ids}), features, vote


def head(features, pairs, vote, rows) -> np.ndarray:
    """Weights fitted on some pairs."""
    one = np.ones((len(rows), 1))
    return fit_linear(features, pairs[rows], vote[rows, None], one, l2=L2).weights[0, 0]


def margins(features, pairs, w) -> np.ndarray:
    """score(left) − score(right) of all pairs."""
    return features[pairs.left] @ w - features[pairs.right] @ w


def main() -> None:
    """Print one line per kind of world: truth, and the mean and error of each estimate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=100)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    procedure = LinearProcedure("none", L2, None, 0)
    print(f"{options.worlds} worlds of each kind; mean and root mean square error in points")
    for images, degree in WORLDS:
        rows, held, widths = [], 0, []
        for seed in range(options.worlds):
            truth = rng.normal(size=DIM) / np.sqrt(DIM)
            pairs, table, x, vote = world(images, degree, truth, rng)
            every = np.arange(len(pairs))
            fresh, _, others, votes = world(3000, 4, truth, rng)
            saved = accuracy(margins(others, fresh, head(x, pairs, vote, every)), votes)
            split = by_image(pairs, table, train=0.5, validation=0, test=0.5, seed=seed)
            w = head(x, pairs, vote, np.flatnonzero(split.train))
            half = accuracy(margins(x, pairs, w)[split.test], vote[split.test])
            folds = cross_fit(pairs, table, groups=10, repeats=3, seed=seed).folds
            found = cross_fitted(
                x, pairs, folds, every, lambda _, y=vote: (y, np.ones(len(y))), procedure
            )
            ours = accuracy_interval(found.margin, vote, pairs.left, pairs.right, seed=0)
            single = np.mean([accuracy(margin, vote) for margin in found.margins])
            rows.append((saved, half, ours.estimate, single))
            held += ours.low <= saved <= ours.high
            widths.append(ours.high - ours.low)
        values = 100 * np.array(rows)
        error = np.sqrt(((values[:, 1:] - values[:, :1]) ** 2).mean(axis=0))
        mean = values.mean(axis=0)
        names = ("half", "mean of predictions", "mean of accuracies")
        said = [
            f"{name} {m:.1f} (error {e:.1f})"
            for name, m, e in zip(names, mean[1:], error, strict=True)
        ]
        print(
            f"{images} images, {images * degree // 2} pairs: the saved model {mean[0]:.1f}; "
            f"{'; '.join(said)}; the interval holds the truth in {held} of {options.worlds}, "
            f"mean width {100 * np.mean(widths):.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
