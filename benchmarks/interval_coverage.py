"""How often do intervals of pair accuracy hold the truth? Planted image effects, three rules.

    python benchmarks/interval_coverage.py            # two minutes on one core

Each world draws images with a utility and a model's score that correlates with it, pairs at random
(each image in a set number), and one vote per pair. The truth is the accuracy over fresh images and
pairs, from one very large world. Rules: *ours* is ``stats.bootstrap.accuracy_interval``; *product*
are percentiles under the plain product weights; *pairs* resamples pairs as if they shared nothing.

tiny: --worlds 2 --repeats 20
"""

from __future__ import annotations

import argparse

import numpy as np

from interestingness.stats.agreement import accuracy, correct
from interestingness.stats.bootstrap import accuracy_interval

WORLDS = [(100, 5, 1.5), (300, 2, 1.5), (300, 5, 1.5), (200, 30, 1.5), (100, 60, 1.5), (300, 5, 50)]
"""Images, pairs an image is in, and decidedness of the votes (logits per unit of utility)."""


def world(images: int, degree: int, decided: float, rng: np.random.Generator):
    """Left and right rows, margins and preferences of one world."""
    stubs = rng.permutation(np.repeat(np.arange(images), degree))
    stubs = stubs[: len(stubs) // 2 * 2].reshape(-1, 2)
    pairs = np.unique(np.sort(stubs[stubs[:, 0] != stubs[:, 1]], axis=1), axis=0)
    left, right = pairs.T
    utility = rng.normal(size=images)
    score = 0.8 * utility + 0.6 * rng.normal(size=images)
    chance = 1 / (1 + np.exp(-decided * (utility[left] - utility[right])))
    return left, right, score[left] - score[right], (rng.random(len(left)) < chance).astype(float)


def percentiles(weights: np.ndarray, hits: np.ndarray) -> tuple[float, float]:
    """Ends of the central 95 % of weighted means."""
    low, high = np.quantile((weights @ hits) / weights.sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Print one line per world: coverage and mean width of the three rules."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=500)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    names = ("ours", "product", "pairs")
    print(f"{options.worlds} worlds of each kind, {options.repeats} resamples, nominal 95 %")
    print("images pairs/image accuracy | " + " | ".join(f"{n:>7}: covers  width" for n in names))
    for images, degree, decided in WORLDS:
        truth = accuracy(*world(100_000, 5, decided, rng)[2:])
        held, width = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
        for seed in range(options.worlds):
            left, right, margin, preference = world(images, degree, decided, rng)
            hits = correct(margin, preference)
            ours = accuracy_interval(
                margin, preference, left, right, seed=seed, repeats=options.repeats
            )
            counts = rng.multinomial(images, np.full(images, 1 / images), size=options.repeats)
            plain = rng.multinomial(
                len(hits), np.full(len(hits), 1 / len(hits)), size=options.repeats
            )
            ends = {
                "ours": (ours.low, ours.high),
                "product": percentiles(counts[:, left] * counts[:, right], hits),
                "pairs": percentiles(plain, hits),
            }
            for name, (low, high) in ends.items():
                held[name] += low <= truth <= high
                width[name] += (high - low) / options.worlds
        print(
            f"{images:6d} {degree:11d} {truth:8.3f} | "
            + " | ".join(f"{100 * held[n] / options.worlds:14.1f}  {width[n]:5.3f}" for n in names),
            flush=True,
        )


if __name__ == "__main__":
    main()
