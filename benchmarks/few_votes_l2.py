"""L2 chosen by inner validation against a fixed strength, for few votes.

    python benchmarks/few_votes_l2.py [--worlds 16]

Worlds of random features and a planted linear utility; votes are drawn from its probabilities.
Printed is the mean cross-entropy, in nats, of predictions for new images with the true
probabilities, by the head whose L2 was chosen and by that with L2 = 1. A coin's is .693. No
photographs and no people are in it: the figures say how noisy a choice by few held-out pairs is.

tiny: --worlds 1 --votes 6 15
"""

from __future__ import annotations

import argparse

import numpy as np

from interestingness.learning.linear_solver.choice import L2_OF_FEW, choose_each
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.schema import Pairs

NEW = 500
"""Images, in pairs, that predictions are tested on."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--worlds", type=int, default=16)
    parser.add_argument("--votes", type=int, nargs="+", default=[6, 15, 20, 30, 60, 120])
    options = parser.parse_args()
    print(f"{options.worlds} worlds a row; mean (and worst) cross-entropy in nats")
    print("numbers  signal  votes   chosen         L2 = 1")
    for dim in (32, 512):
        for signal in (1.0, 6.0):
            rng = np.random.default_rng(1)
            for votes in options.votes:
                found = np.array([losses(rng, votes, dim, signal) for _ in range(options.worlds)])
                found = found[~np.isnan(found).any(axis=1)]
                if not len(found):
                    continue
                (chosen, fixed), worst = found.mean(axis=0), found.max(axis=0)
                print(
                    f"{dim:7}  {signal:6}  {votes:5}   {chosen:.3f} ({worst[0]:.2f})   "
                    f"{fixed:.3f} ({worst[1]:.2f})",
                    flush=True,
                )


def losses(rng: np.random.Generator, votes: int, dim: int, signal: float) -> tuple[float, float]:
    """Losses of a world by the chosen and by the fixed strength; NaN without a choice."""
    images = max(8, 2 * votes // 3)
    features = rng.normal(size=(images, dim)).astype(np.float32)
    truth = rng.normal(size=dim) * signal / np.sqrt(dim)
    left = rng.integers(images, size=votes)
    right = (left + rng.integers(1, images, size=votes)) % images
    margin = (features[left] - features[right]) @ truth
    won = (rng.random(votes) < 1 / (1 + np.exp(-margin))).astype(float)
    ids = [f"{row:04d}" for row in range(images)]
    pairs, place, swapped = Pairs.from_rows(left, right, ids)
    won = np.where(swapped, 1 - won, won)
    number = np.bincount(place, minlength=len(pairs)).astype(float)
    preference = np.bincount(place, weights=won, minlength=len(pairs)) / number
    label = preference[:, None], number[:, None]
    new = rng.normal(size=(NEW, dim))
    apart = new[: NEW // 2] - new[NEW // 2 :]
    probability = 1 / (1 + np.exp(-(apart @ truth)))

    def loss(l2: float) -> float:
        fits = fit_linear(features, pairs, *label, l2=l2)
        margin = apart @ fits.weights[0, 0]
        return float((np.logaddexp(0, margin) - probability * margin).mean())

    choice = choose_each(features, pairs, *label, seed=0, fewest=1)
    if choice.few[0]:
        return np.nan, np.nan
    return loss(float(choice.l2[0])), loss(L2_OF_FEW)


if __name__ == "__main__":
    main()
