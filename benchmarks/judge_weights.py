"""Planted raters: are their discrimination a and order term b recovered, with honest intervals?

    python benchmarks/judge_weights.py [--repetitions 1000]

SIMULATED raters vote with logit P(left) = a·m + s·b on pairs of 120 images, so that pairs share
images; margins m are differences of the images' utilities, Var(m) = 1. In each world the same
raters vote many times anew. Printed for each rater: mean estimate, share of 95 % intervals that
hold the planted value, and how often the votes leave a unknown, which is no number then. A share of
intervals below 95 % by more than three of its standard errors is too narrow: exit status 1. Too
wide is said.

Then: the share of pairs whose label is on the side of the larger utility, by the majority of the
votes and by `agreement_weighted`, on the same votes.

tiny: --repetitions 20
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from interestingness.schema import Array
from interestingness.stats.discrimination import discrimination

IMAGES = 120
LEVEL = 0.95


@dataclass(frozen=True)
class World:
    """Raters that are planted.

    Attributes:
        name: what is special.
        pairs: how many.
        raters: name, a, b and the share of pairs that each votes on.
    """

    name: str
    pairs: int
    raters: tuple[tuple[str, float, float, float], ...]

    @property
    def a(self) -> Array:
        """Planted discriminations, shape (raters,)."""
        return np.array([rater[1] for rater in self.raters])

    @property
    def b(self) -> Array:
        """Planted order terms, shape (raters,)."""
        return np.array([rater[2] for rater in self.raters])


WORLDS = (
    World(
        "all vote on all pairs",
        400,
        (
            ("faithful", 2.0, 0.0, 1.0),
            ("prefers the first", 1.5, 0.8, 1.0),
            ("prefers the second", 1.0, -0.8, 1.0),
            ("tosses a coin", 0.0, 0.0, 1.0),
            ("nearly always the first", 0.0, 3.0, 1.0),
            ("contradicts", -1.5, 0.0, 1.0),
        ),
    ),
    World(
        "few votes, unequal numbers",
        400,
        (
            ("faithful", 2.0, 0.0, 0.8),
            ("faithful, half", 2.0, 0.0, 0.5),
            ("middling", 1.0, -0.5, 0.5),
            ("middling, few", 1.0, 0.5, 0.2),
            ("tosses a coin, few", 0.0, 0.0, 0.2),
            ("contradicts, few", -1.5, 0.0, 0.2),
        ),
    ),
    World("two raters only", 400, (("one", 2.0, 0.0, 1.0), ("other", 1.0, -0.5, 1.0))),
)


def votes_of(
    world: World, rng: np.random.Generator
) -> tuple[tuple[Array, ...], NDArray[np.int64], NDArray[np.int64], Array]:
    """Pair, rater, order and choice of every vote; both images and the margin of every pair."""
    utility = rng.normal(size=IMAGES) / np.sqrt(2)
    left = rng.integers(0, IMAGES, world.pairs)
    right = (left + rng.integers(1, IMAGES, world.pairs)) % IMAGES
    margin = utility[left] - utility[right]
    columns: list[Array] = []
    for number, (_, a, b, share) in enumerate(world.raters):
        pair = np.flatnonzero(rng.random(world.pairs) < share)
        first = rng.choice([-1.0, 1.0], len(pair))
        choice = rng.random(len(pair)) < expit(a * margin[pair] + first * b)
        columns.append(np.stack([pair, np.full(len(pair), number), first, choice]))
    pair, rater, first, choice = np.concatenate(columns, axis=1)
    return (pair.astype(int), rater.astype(int), first, choice), left, right, margin


def run(world: World, repetitions: int) -> bool:
    """Print one world; whether every interval is wide enough."""
    names = [rater[0] for rater in world.raters]
    kept: dict[str, list[Array]] = {what: [] for what in ("a", "b", "a in", "b in", "unknown")}
    right_side: list[tuple[float, float]] = []
    for seed in range(repetitions):
        votes, left, right, margin = votes_of(world, np.random.default_rng(seed))
        found = discrimination(*votes, left=left, right=right, owners=names)
        a_low, a_high, b_low, b_high = found.intervals(LEVEL)
        kept["a"].append(found.known_a)
        kept["b"].append(found.b)
        inside = (a_low <= world.a) & (world.a <= a_high)
        kept["a in"].append(np.where(found.unknown == "", inside, np.nan))
        kept["b in"].append((b_low <= world.b) & (world.b <= b_high))
        kept["unknown"].append(found.unknown != "")
        weighed = found.preference(*votes, pairs=world.pairs)
        number = np.bincount(votes[0], minlength=world.pairs)
        majority = np.bincount(votes[0], votes[3], minlength=world.pairs) / np.maximum(number, 1)
        right_side.append(
            tuple(_correct(p[number > 0], margin[number > 0]) for p in (majority, weighed))
        )
    print(f"\n{world.name}: {repetitions} repetitions of {world.pairs} pairs (SIMULATED raters)")
    print(f"  {'rater':24} {'a, found, in':>18}   {'b, found, in':>18}   a unknown")
    honest = True
    for k, name in enumerate(names):
        cells = []
        for what, planted in (("a", world.a[k]), ("b", world.b[k])):
            inside = np.array([row[k] for row in kept[f"{what} in"]], dtype=float)
            inside = inside[~np.isnan(inside)]
            share = float(inside.mean()) if len(inside) else float("nan")
            error = np.sqrt(LEVEL * (1 - LEVEL) / max(len(inside), 1))
            narrow = len(inside) > 0 and share < LEVEL - 3 * error
            wide = len(inside) > 0 and share > LEVEL + 3 * error
            honest &= not narrow
            values = np.array([row[k] for row in kept[what]])
            mean = float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
            said = " NARROW" if narrow else " wide" if wide else ""
            cells.append(f"{planted:5.1f} {mean:6.2f} {100 * share:5.1f}%{said}")
        unknown = np.mean([row[k] for row in kept["unknown"]])
        print(f"  {name:24} {cells[0]}   {cells[1]}   {100 * unknown:.0f}%")
    by_majority, weighed = np.mean(right_side, axis=0)
    print(
        f"  labels on the side of the larger utility: majority {100 * by_majority:.1f} %, ", end=""
    )
    print(f"weighed {100 * weighed:.1f} %", flush=True)
    return honest


def _correct(preference: Array, margin: Array) -> float:
    """Share of pairs on the right side; a tie is half right."""
    return float((0.5 + 0.5 * np.sign(preference - 0.5) * np.sign(margin)).mean())


def main() -> None:
    """Run every world."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=1000)
    asked = parser.parse_args()
    honest = [run(world, asked.repetitions) for world in WORLDS]
    error = 100 * np.sqrt(LEVEL * (1 - LEVEL) / asked.repetitions)
    print(f"\nthe share of intervals has a standard error of {error:.1f} points")
    if not all(honest):
        sys.exit("intervals are too narrow")


if __name__ == "__main__":
    main()
