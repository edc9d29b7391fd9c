"""A head from few human and many model votes: prediction-powered, mix, and either part alone.

    python benchmarks/prediction_powered.py                       # simulated images
    OASIS=FOLDER python benchmarks/prediction_powered.py --oasis  # photographs and people's ratings

Half of the images train: people vote once on n of their pairs, a planted judge votes on all. The
judge is *faithful* (people's utility), *biased in place* (likewise, asked in one order and mostly
for the second place) or *biased in taste* (half people's utility, half another one). Heads are
linear, L2 chosen inside the training images, and tested on all pairs of the other images.

Simulated worlds are independent; the interval of a difference is Student's over worlds, so that it
is over images. On OASIS the utility is the mean beauty, a human vote compares two ratings of one
person, the judge's utility is the mean of people who do not vote, its other taste the arousal;
repetitions are half splits of the same images, and the interval is corrected for their overlap.

tiny: --repetitions 2 --sizes 20
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pyarrow import csv
from scipy.special import expit
from scipy.stats import zscore
from simulations.command import numbers
from simulations.images import DIM, SIGNAL, truth_in_features

from interestingness.datasets.pairing import random_regular_pairs
from interestingness.labels.mix import MixSource
from interestingness.labels.prediction_powered import PredictionPoweredSource
from interestingness.labels.source import Labels, LabelSource
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.models.scaling import FeatureScaler
from interestingness.schema import Array, Pairs
from interestingness.stats.agreement import accuracy
from interestingness.stats.paired_splits import corrected_paired_t
from interestingness.tables.tables import Tables

JUDGES = ("faithful", "place", "taste")
RULES = ("human", "judge", "mix", "powered")


@dataclass(frozen=True, eq=False)
class World:
    """Images, what people and the judge think of them, and how one person votes.

    Attributes:
        features: shape (images, dim).
        utility: of people, which tests; other, taste: the judge's faithful one, and another one.
        vote: left and right rows → one vote a pair, NaN where nobody can vote.
        train: which images train, shape (images,).
    """

    features: NDArray[np.float32]
    utility: Array
    other: Array
    taste: Array
    vote: Callable[[NDArray[np.int64], NDArray[np.int64], np.random.Generator], Array]
    train: NDArray[np.bool_]


class Given(LabelSource):
    """Labels of known pairs."""

    def __init__(self, name: str, pairs: Pairs, preference: Array) -> None:
        super().__init__(cast(Tables, None), name=name)
        self.pairs, self.preference = pairs, preference

    def labels(self, pairs: Pairs) -> Labels:
        """By the pair."""
        at = self.pairs.find(pairs.key)
        return Labels.of(np.where(at >= 0, self.preference[at], np.nan))

    def missing(self) -> str | None:
        """Nothing."""
        return None

    def fingerprint(self) -> str:
        """The name."""
        return self.name


def simulated(seed: int) -> World:
    """400 images, of which people's utility is mostly linear in the features."""
    rng = np.random.default_rng(seed)
    features, utility = truth_in_features(400, rng)
    weights = rng.normal(size=DIM - SIGNAL)
    taste = zscore(features[:, SIGNAL:] @ weights)

    def vote(left: NDArray[np.int64], right: NDArray[np.int64], own: np.random.Generator) -> Array:
        return (own.random(len(left)) < expit(1.5 * (utility[left] - utility[right]))).astype(float)

    return World(features.astype(np.float32), utility, utility, taste, vote, np.arange(400) < 200)


def photographs(folder: Path) -> Callable[[int], World]:
    """Read OASIS; the result makes a half split of it."""
    given = np.load(folder / "clip_like_vectors_1024.npz", allow_pickle=True)
    table = csv.read_csv(folder / "ratings.csv").to_pydict()
    row_of = {name: row for row, name in enumerate(table["file"])}
    there = [i for i, name in enumerate(given["files"].tolist()) if name in row_of]
    rows = [row_of[str(given["files"][i])] for i in there]
    features = given["features"][there]
    beauty, arousal, item = (
        np.array(table[name])[rows] for name in ("beauty_mean", "arousal_mean", "item")
    )
    single = csv.read_csv(folder / "beauty_individual.csv.gz").to_pydict()
    _, who = np.unique(single["subjID"], return_inverse=True)
    at = {number: column for column, number in enumerate(item.tolist())}
    known = [k for k, number in enumerate(single["item"]) if number in at]
    ratings = np.full((who.max() + 1, len(there)), np.nan)
    ratings[who[known], [at[single["item"][k]] for k in known]] = np.array(
        [single["beauty"][k] for k in known], dtype=float
    )
    voters = np.arange(len(ratings)) % 2 == 0
    other = zscore(np.nanmean(ratings[~voters], axis=0))
    people = ratings[voters]

    def vote(left: NDArray[np.int64], right: NDArray[np.int64], own: np.random.Generator) -> Array:
        out = np.full(len(left), np.nan)
        for k, (one, two) in enumerate(zip(left, right, strict=True)):
            able = np.flatnonzero(~np.isnan(people[:, one] - people[:, two]))
            if len(able):
                person = own.choice(able)
                out[k] = 0.5 + 0.5 * np.sign(people[person, one] - people[person, two])
        return out

    def split(seed: int) -> World:
        order = np.random.default_rng(seed).permutation(len(there))
        train = np.isin(np.arange(len(there)), order[: len(there) // 2])
        used = FeatureScaler("standardize", features.shape[1]).fit(features[train]).scaled(features)
        return World(used, beauty, other, zscore(arousal), vote, train)

    return split


def judged(world: World, pairs: Pairs, kind: str, rng: np.random.Generator) -> Array:
    """One vote of the judge on each pair."""
    liked = world.other if kind != "taste" else (world.other + world.taste) / np.sqrt(2)
    order = -2.0 * rng.choice([-1, 1], len(pairs)) if kind == "place" else 0.0
    margin = 2.0 * (liked[pairs.left] - liked[pairs.right]) + order
    return (rng.random(len(pairs)) < expit(margin)).astype(float)


def results(world: World, seed: int, degree: int, sizes: list[int]) -> Array:
    """Accuracy of every rule, and λ, shape (judges, sizes, rules + 1)."""
    rng = np.random.default_rng((seed, 1))
    images = np.flatnonzero(world.train)
    drawn = images[random_regular_pairs(len(images), degree, seed=seed)]
    names = np.array([f"{row:05}" for row in range(len(world.utility))], dtype=object)
    pairs = Pairs.from_rows(drawn.min(axis=1), drawn.max(axis=1), names)[0]
    voted = world.vote(pairs.left, pairs.right, rng)
    human = Given("human", pairs, voted)
    test = np.flatnonzero(~world.train)
    left, right = (test[side] for side in np.triu_indices(len(test), 1))
    truth = 0.5 + 0.5 * np.sign(world.utility[left] - world.utility[right])

    def tested(labels: Labels) -> float:
        known = np.flatnonzero(labels.known)
        target, weight = labels.target[known, None], labels.weight[known, None]
        fits = fit_linear(world.features, pairs[known], target, weight, l2="auto")
        score = world.features @ fits.weights[0, 0]
        return accuracy(score[left] - score[right], truth)

    out = np.empty((len(JUDGES), len(sizes), len(RULES) + 1))
    people: dict[int, float] = {}
    for i, kind in enumerate(JUDGES):
        judge = Given("judge", pairs, judged(world, pairs, kind, rng))
        alone = tested(judge.labels(pairs))
        for j, size in enumerate(sizes):
            more = {"human": human, "human_pairs": size, "seed": seed}
            tables = cast(Tables, None)
            powered = PredictionPoweredSource(
                tables, name="powered", model=judge, power="auto", **more
            )
            mix = MixSource(tables, name="mix", sources=[judge], **more)
            learnt = [source.fit(pairs).labels(pairs) for source in (mix, powered)]
            if size not in people:
                only = np.full(len(pairs), np.nan)
                asked = powered.asked(pairs)
                only[asked] = voted[asked]
                people[size] = tested(Labels.of(only))
            out[i, j, :2] = people[size], alone
            out[i, j, 2:4] = [tested(labels) for labels in learnt]
            out[i, j, 4] = learnt[1].facts["power"]
    return out


def main() -> None:
    """Print one line for each judge and number of votes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=40, help="(%(default)s)")
    parser.add_argument("--sizes", type=numbers, default=[20, 50, 100, 200, 400])
    parser.add_argument("--degree", type=int, default=6, help="pairs an image (%(default)s)")
    parser.add_argument("--oasis", action="store_true", help="photographs in the folder $OASIS")
    options = parser.parse_args()
    make = photographs(Path(os.environ.get("OASIS", "oasis"))) if options.oasis else simulated
    print("" if options.oasis else "SIMULATION: images, people and judges are formulas")
    found = np.stack(
        [
            results(make(seed), seed, options.degree, list(options.sizes))
            for seed in range(options.repetitions)
        ]
    )
    overlap = 1.0 if options.oasis else 0.0  # n_test / n_train, in images
    print("accuracy in % (mean), and differences in points with 95 % intervals")
    print("judge    votes | human judge   mix powered     λ | mix − human, powered − human")
    for i, kind in enumerate(JUDGES):
        for j, size in enumerate(options.sizes):
            here = 100 * found[:, i, j]
            told = []
            for rule in (2, 3):
                gain = corrected_paired_t(here[:, rule], here[:, 0], test_per_train=overlap)
                told.append(f"{gain.mean:+5.1f} [{gain.low:+.1f}, {gain.high:+.1f}]")
            means = " ".join(f"{value:5.1f}" for value in here[:, :4].mean(axis=0))
            power = here[:, 4].mean() / 100
            print(f"{kind:9}{size:5d} | {means} {power:6.2f} | {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
