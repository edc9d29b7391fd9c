"""How often do intervals of an accuracy from few human and many model votes hold the truth?

    python benchmarks/claims_coverage.py            # two minutes on one core

Each world draws images with a utility, the score of a model that is tested, and a judge. Pairs are
drawn at random and share images; the judge votes on all of them, people once on a random sample.
The truth is the model's accuracy against people over fresh images and pairs, from one very large
world. *Powered* is ``stats.powered_share.powered_share``, *people* the human votes alone
(``share_interval``), *judge* the judge's votes taken for those of people. The error of a
coverage c over R worlds is sqrt(c (1 − c) / R).

tiny: --worlds 2 --repeats 20
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interestingness.schema import Array
from interestingness.stats.agreement import correct
from interestingness.stats.bootstrap import share_interval
from interestingness.stats.powered_share import powered_share

JUDGES = ("faithful", "place", "taste", "coin")
"""Votes as people do; mostly for the second place; by half a taste of its own; by chance."""
SIZES = ((200, 6, 20), (200, 6, 50), (200, 6, 100), (200, 6, 400), (60, 20, 50))
"""Images, pairs an image is in, and human votes."""


class World(NamedTuple):
    """Pairs, and for each the model's hit against a person and against the judge."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    human: Array
    judged: Array


def world(images: int, degree: int, judge: str, rng: np.random.Generator) -> World:
    """Draw one."""
    stubs = rng.permutation(np.repeat(np.arange(images), degree)).reshape(-1, 2)
    pairs = np.unique(np.sort(stubs[stubs[:, 0] != stubs[:, 1]], axis=1), axis=0)
    left, right = pairs.T
    utility, taste, score = rng.normal(size=(3, images))
    score = 0.8 * utility + 0.6 * score
    if judge == "taste":  # which the model shares
        score, taste = 0.8 * score + 0.6 * taste, 0.5 * utility + taste
    else:
        taste = utility
    sharp, place = {"faithful": (4.0, 0.0), "place": (2.0, -2.0), "coin": (0.0, 0.0)}.get(
        judge, (2.0, 0.0)
    )
    first = rng.choice([-1.0, 1.0], len(left))

    def votes(values: Array, slope: float, order: float) -> Array:
        margin = slope * (values[left] - values[right]) + order * first
        return (rng.random(len(left)) < 1 / (1 + np.exp(-margin))).astype(float)

    margin = score[left] - score[right]
    human = correct(margin, votes(utility, 1.5, 0.0))
    return World(left, right, human, correct(margin, votes(taste, sharp, place)))


def main() -> None:
    """Print coverage and width, one line for each judge and size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=400, help="resamples (%(default)s)")
    parser.add_argument("--judges", nargs="*", default=JUDGES, choices=JUDGES)
    options = parser.parse_args()
    print(f"{options.worlds} worlds of each kind, nominal 95 %")
    print("judge    images degree votes | powered: covers ± error  width  λ | people: covers width")
    for judge in options.judges:
        truth = world(200_000, 10, judge, np.random.default_rng(1)).human.mean()
        for images, degree, votes in SIZES:
            found = np.array(
                [
                    row(images, degree, votes, judge, truth, seed, options.repeats)
                    for seed in range(options.worlds)
                ]
            )
            covers, width, power, plain, wide, alone = found.mean(axis=0)
            error = np.sqrt(covers * (1 - covers) / options.worlds)
            print(
                f"{judge:9}{images:6d} {degree:6d} {votes:5d} | {100 * covers:15.1f} ± "
                f"{100 * error:.1f} {width:8.3f} {power:5.2f} | {100 * plain:6.1f} {wide:.3f} | "
                f"judge {100 * alone:.1f}",
                flush=True,
            )


def row(
    images: int, degree: int, votes: int, judge: str, truth: float, seed: int, repeats: int
) -> list[float]:
    """Whether each interval of one world holds the truth, and how wide it is."""
    rng = np.random.default_rng(seed)
    drawn = world(images, degree, judge, rng)
    asked = np.isin(np.arange(len(drawn.left)), rng.permutation(len(drawn.left))[:votes])
    sides, common = (drawn.left, drawn.right), {"seed": 0, "repeats": repeats}
    powered = powered_share(
        np.where(asked, drawn.human, np.nan), drawn.judged, *sides, labelled=asked, **common
    )
    people = share_interval(drawn.human[asked], *(side[asked] for side in sides), **common)
    alone = share_interval(drawn.judged, *sides, **common)
    out = []
    for held in (powered.interval, people):
        out += [float(held.low <= truth <= held.high), held.high - held.low]
    return [*out[:2], powered.power, *out[2:], float(alone.low <= truth <= alone.high)]


if __name__ == "__main__":
    main()
