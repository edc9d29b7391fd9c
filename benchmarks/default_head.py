"""The default model against ridge, logistic regression and the paper's recipe, on held-out images.

    OASIS=FOLDER FOOD=FOLDER python benchmarks/default_head.py [--sets oasis food synthetic]
        [--targets …] [--features …] [--votes 100 300 0] [--splits 5 20] [--links]
        [--mobilenet FILE]

Every method sees the same training images and features, and is evaluated on *all* pairs of held-out
images with unequal scores: five folds (of OASIS those that keep each concept together, else random
ones) and half splits of images. `default` is what `python train.py` fits (`model=linear`).

*Numbers*: every training image has a score. `default` learns from random pairs of them as
`label_source=scores` labels them and as many as `dataset=folder` draws; `ridge` regresses the
scores, its strength chosen by leave-one-out; `logistic` is scikit-learn's LogisticRegressionCV on
the feature differences of pairs whose higher score wins, ten pairs an image; `recipe` is the
paper's 25 epochs of Adam on raw features, of the same pairs. `--links` adds one line for each way
to label the default's pairs.

*Votes* (`--votes 100`): only the winners of so many pairs are known, as after a vote on each, 0
being ten pairs an image. Ridge has no numbers to learn from.

The interval is that of the mean paired difference over folds and splits (Student's t; splits
overlap, so that it is too narrow).

OASIS is a folder of images/, ratings.csv, folds_by_concept.csv and clip_like_vectors_1024.npz, FOOD
one of images/ and items.csv (evaluation only); a set without its folder is left out. --mobilenet is
a state dict of MobileNetV2 in torchvision's layout, else the weights of the hub are used.

tiny: OASIS=$OASIS --sets oasis --features CLIP-derived --targets beauty_mean --splits 1 1
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegressionCV, RidgeCV

from interestingness.assembly.model import image_features
from interestingness.assembly.prepare import prepare
from interestingness.assembly.run import train
from interestingness.cli import conf_folder
from interestingness.data.images import Skips
from interestingness.datasets.folder_pairs import TO_VOTE_ON, enough_of_numbers
from interestingness.datasets.pairing import random_regular_pairs
from interestingness.labels.scores import ScoreSource
from interestingness.learning.linear_solver.choice import choose_each
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.learning.linear_solver.recipe import Recipe, fit_recipe
from interestingness.models.scaling import FeatureScaler
from interestingness.schema import Array, Pairs

OASIS, FOOD = (Path(os.environ.get(name, name.lower())).absolute() for name in ("OASIS", "FOOD"))
FOLDER = ["dataset=folder", "dataset.on_missing=skip"]
SETS = {
    "oasis": (
        [
            *FOLDER,
            f"dataset.images={OASIS}/images",
            f"dataset.scores={OASIS}/ratings.csv",
            f"dataset.groups={OASIS}/folds_by_concept.csv",
            "split=by_fold",
            "split.test=0",
        ],
        ("beauty_mean", "valence_mean", "arousal_mean"),
        ("MobileNetV2", "CLIP-derived"),
    ),
    "food": (
        [*FOLDER, f"dataset.images={FOOD}/images", f"dataset.scores={FOOD}/items.csv"],
        ("weighted_ctr",),
        ("MobileNetV2",),
    ),
    "synthetic": ([], ("aesthetic", "memorability", "views", "favorites"), ("scene CLIP",)),
}
"""Options, columns of numbers and features of each set; synthetic scenes are the default."""
RECIPE = Recipe(epochs=25, rate=0.001, batch_size=32, seed=0)
LINKS = {"order": ("order", None), "sigmoid 1": ("sigmoid", 1.0)} | {
    f"normal {t:.2g}": ("normal", t) for t in (1.0, 1 / 2, 1 / 3, 1 / 4)
}
Rows = NDArray[np.int64]


def main() -> None:
    """Fit everything and print one table for each target, features and kind of labels."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--targets", nargs="*", help="only these columns")
    parser.add_argument("--features", nargs="*", help="only these features")
    parser.add_argument("--votes", type=int, nargs="*", default=[0, 300, 100])
    parser.add_argument("--splits", type=int, nargs=2, default=(5, 20), help="folds and halves")
    parser.add_argument("--links", action="store_true", help="compare ways to label numbers")
    parser.add_argument("--mobilenet", default="hub", help="file of weights (%(default)s)")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    every: dict[str, list[float]] = {"numbers": [], "votes": []}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.sets:
            options, targets, features = SETS[name]
            if name != "synthetic" and not {"oasis": OASIS, "food": FOOD}[name].is_dir():
                print(f"{name.upper()} is no folder: left out")
                continue
            for kind, target in product(features, targets):
                if {kind, target} - {*(asked.features or [kind]), *(asked.targets or [target])}:
                    continue
                data = Data(options, target, kind, asked.mobilenet, Path(folder))
                every["numbers"] += of_numbers(data, asked)
                for count in asked.votes:
                    every["votes"] += of_votes(data, count, asked)
    for labels, differences in every.items():
        if differences:
            print(f"\nmean over all tables of {labels}: default − the better rival", end=" ")
            print(f"{np.mean(differences):+.4f}")


class Data:
    """Features and numbers of the images that have both.

    Attributes:
        title: for the table.
        features: raw, one row per image of the tables, shape (images, dim).
        number: shape (images,).
        there: rows of images with features and a number.
        group: fold of each image's concept, shape (images,); None where there is none.
        prepared: tables and the label source.
    """

    def __init__(
        self, options: list[str], target: str, kind: str, mobilenet: str, folder: Path
    ) -> None:
        """Read them as `train.py` would."""
        self.title = f"{target}, {kind}"
        self.folder = folder
        backbone = {
            "MobileNetV2": [
                "model/backbone=torchvision_mobilenet_v2",
                f"model.backbone.weights={mobilenet}",
            ],
            "CLIP-derived": [
                "model=cached_features",
                f"model.features={OASIS}/clip_like_vectors_1024.npz",
            ],
            "scene CLIP": [],
        }
        self.options = [
            *options,
            "label_source=scores",
            f"label_source.column={target}",
            "logger=none",
            f"paths.runs={folder}",
            *backbone[kind],
        ]
        self.prepared = prepare(self.config("unused"))
        tables = self.prepared.tables
        _, _, self.features, present = image_features(self.config("unused"), tables, Skips(), [])
        self.number = tables.scores(target)
        self.there = np.flatnonzero(present & ~np.isnan(self.number))
        folds = "fold" in tables.images.column_names
        self.group = np.array(tables.images["fold"].to_pylist()).astype(str) if folds else None

    def config(self, run: str) -> Any:
        """The config that `python train.py` composes."""
        with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
            return compose("train", [*self.options, f"paths.run={self.folder / run}"])

    def splits(self, folds: int, halves: int) -> Iterator[tuple[int, Rows, Rows, Any]]:
        """Number, training rows, test rows and groups of every split."""
        rng = np.random.default_rng(0)
        random = (rng.permutation(len(self.number)) % 5).astype(str)
        fold_of = random if self.group is None else self.group
        for number, fold in enumerate(np.unique(fold_of)[:folds]):
            held = fold_of[self.there] == fold
            yield number, self.there[~held], self.there[held], self.group
        for number in range(halves):
            order = np.random.default_rng(number).permutation(self.there)
            half = len(order) // 2
            yield number, np.sort(order[:half]), np.sort(order[half:]), None

    def pairs(self, learn: Rows, degree: int, seed: int) -> Pairs:
        """Random pairs of all images, those within the training images."""
        drawn = self.there[random_regular_pairs(len(self.there), degree, seed=seed)]
        inside = np.isin(drawn, learn).all(axis=1)
        unequal = self.number[drawn[:, 0]] != self.number[drawn[:, 1]]
        left, right = drawn[inside & unequal].T
        return Pairs.from_rows(left, right, self.prepared.tables.image_ids)[0]

    def wins(self, pairs: Pairs) -> Array:
        """Whether left has the higher number, 0 or 1, shape (pairs,)."""
        return (self.number[pairs.left] > self.number[pairs.right]).astype(float)

    def scaled(self, learn: Rows) -> NDArray[np.float32]:
        """Features standardised by the training images."""
        scaler = FeatureScaler("standardize", self.features.shape[1])
        return scaler.fit(self.features[learn]).scaled(self.features)

    def labels(self, pairs: Pairs, link: tuple[str, float | None] | None = None) -> Array:
        """Preferences as `label_source=scores` gives them, or by another link, shape (pairs,)."""
        source = self.prepared.source
        if link is not None:
            column = self.prepared.source.column  # type: ignore[attr-defined]
            tables = self.prepared.tables
            source = ScoreSource(tables, name="", column=column, link=link[0], temperature=link[1])
        return source.labels(pairs).preference


def of_numbers(data: Data, asked: argparse.Namespace) -> list[float]:
    """Print a table of learning from numbers; default − the better rival, by split."""
    print(f"\n{data.title}, numbers")
    rows = []
    for seed, learn, test, groups in data.splits(*asked.splits):
        x, few = data.scaled(learn), data.pairs(learn, TO_VOTE_ON, seed)
        pairs = data.pairs(learn, enough_of_numbers(len(data.there)), seed)
        alphas = np.logspace(0, 6, 25)
        scores = {
            "default": x @ solved(x, pairs, data.labels(pairs), groups),
            "ridge": x @ RidgeCV(alphas).fit(x[learn], data.number[learn]).coef_,
            **rivals(data, x, few),
        }
        if asked.links:
            for name, link in LINKS.items():
                scores[name] = x @ solved(x, pairs, data.labels(pairs, link), groups)
        rows.append(results(data, test, scores))
    if asked.splits[0] and data.group is not None:
        print(f"one run of train.py − this script's default, fold 0: {run_difference(data):+.5f}")
    return compared(rows, ("ridge", "logistic"))


def of_votes(data: Data, count: int, asked: argparse.Namespace) -> list[float]:
    """Print a table of learning from the winners of pairs; default − logistic, by split."""
    print(f"\n{data.title}, votes on {count or f'{TO_VOTE_ON} an image, of'} pairs")
    rows = []
    for seed, learn, test, groups in data.splits(*asked.splits):
        pairs = data.pairs(learn, TO_VOTE_ON, seed)
        if count:
            chosen = np.random.default_rng(seed).permutation(len(pairs))[:count]
            pairs = pairs[np.sort(chosen)]
        x = data.scaled(pairs.images_used())
        ours = x @ solved(x, pairs, data.wins(pairs), groups)
        rows.append(results(data, test, {"default": ours, **rivals(data, x, pairs)}))
    return compared(rows, ("logistic",))


def solved(x: NDArray[np.float32], pairs: Pairs, preference: Array, groups: Any) -> Array:
    """Weights of the default head, shape (dim,)."""
    columns = preference[:, None], np.ones((len(pairs), 1))
    l2 = float(choose_each(x, pairs, *columns, seed=0, groups=groups).l2[0])
    weights: Array = fit_linear(x, pairs, *columns, l2=l2, tolerance=1e-6).weights[0, 0]
    return weights


def rivals(data: Data, x: NDArray[np.float32], pairs: Pairs) -> dict[str, Array]:
    """Scores by logistic regression and by the paper's recipe, which know the winners."""
    wins = data.wins(pairs)
    logistic = LogisticRegressionCV(
        Cs=10, cv=5, fit_intercept=False, max_iter=300, scoring="neg_log_loss"
    ).fit(x[pairs.left] - x[pairs.right], wins)
    columns = wins[:, None], np.ones((len(pairs), 1))
    recipe = fit_recipe(data.features, pairs, *columns, [np.arange(len(pairs))], RECIPE)
    return {"logistic": x @ logistic.coef_[0], "recipe": data.features @ recipe.weights[0, 0]}


def results(data: Data, test: Rows, scores: dict[str, Array]) -> dict[str, dict[str, float]]:
    """Accuracy, log loss and calibration of every method on all pairs of the test images."""
    one, other = (test[side] for side in np.triu_indices(len(test), 1))
    unequal = data.number[one] != data.number[other]
    one, other = one[unequal], other[unequal]
    truth = (data.number[one] > data.number[other]).astype(float)
    out = {}
    for name, score in scores.items():
        margin = score[one] - score[other]
        out[name] = {
            "accuracy": float(((margin > 0) == truth).mean()),
            "nats": float((np.logaddexp(0, margin) - truth * margin).mean()),
            "ECE": calibration_error(expit(margin), truth),
        }
    return out


def compared(rows: list[dict[str, dict[str, float]]], rivals: tuple[str, ...]) -> list[float]:
    """Print one line for each method; accuracy of the default − the best rival's, by split."""

    def accuracy(name: str) -> Array:
        return np.array([row[name]["accuracy"] for row in rows])

    default = accuracy("default")
    for name in rows[0]:
        low, high = interval(default - accuracy(name))
        versus = "" if name == "default" else f"   default − it {low:+.4f} to {high:+.4f}"
        nats, error = (np.mean([row[name][what] for row in rows]) for what in ("nats", "ECE"))
        # Ridge predicts numbers, not probabilities.
        chance = "" if name == "ridge" else f"log loss {nats:.4f}, ECE {error:.4f}"
        print(f"  {name:11} accuracy {accuracy(name).mean():.4f}  {chance:29}{versus}", flush=True)
    return (default - np.max([accuracy(name) for name in rivals], axis=0)).tolist()


def calibration_error(
    probability: NDArray[np.float64], truth: NDArray[np.float64], bins: int = 15
) -> float:
    """Expected calibration error over bins of equal mass, every pair in both orders."""
    both = np.concatenate([probability, 1 - probability])
    order, outcome = np.argsort(both, kind="stable"), np.concatenate([truth, 1 - truth])
    parts = np.array_split(order, bins)
    return float(sum(abs((both[p] - outcome[p]).sum()) for p in parts) / len(both))


def run_difference(data: Data) -> float:
    """Accuracy of one run of `train.py` on the first fold minus that of the same fit here."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(data.config("one"))
    table = pq.read_table(data.folder / "one" / "image_scores.parquet")
    found = dict(zip(table["image_id"].to_pylist(), table["score"].to_pylist(), strict=True))
    prepared = data.prepared
    rows = np.flatnonzero(prepared.split.train & prepared.labels.decided)
    pairs = prepared.pairs[rows[np.isin(prepared.pairs.left[rows], data.there)]]
    pairs = pairs[np.isin(pairs.right, data.there)]
    x = data.scaled(pairs.images_used())
    ours = x @ solved(x, pairs, data.labels(pairs), data.group)
    names = prepared.tables.image_ids
    held = data.there[data.group[data.there] == np.unique(data.group)[0]]  # type: ignore[index]
    test = np.array([row for row in held if names[row] in found])
    theirs = np.full(len(names), np.nan)
    theirs[test] = [found[names[row]] for row in test]
    both = results(data, test, {"theirs": theirs, "ours": ours})
    return both["theirs"]["accuracy"] - both["ours"]["accuracy"]


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of a mean; NaN for one value."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return values.mean() - half, values.mean() + half


if __name__ == "__main__":
    main()
