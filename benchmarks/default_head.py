"""The default model against ridge, logistic regression and the paper's recipe, on held-out images.

    OASIS=FOLDER python benchmarks/default_head.py [--targets beauty_mean …] [--pairs 100 300 0]
        [--folds 5] [--halves 20] [--features …] [--mobilenet FILE]

Every method sees the same training images, features and pairs, and is evaluated on *all* pairs of
held-out images with unequal ratings: five folds that keep each concept together, and half splits of
images. `default` is what `python train.py` fits (`model=linear`); the first line of a table holds
one such run against it. `ridge` regresses the ratings of all training images, its strength chosen
by leave-one-out. `logistic` is scikit-learn's LogisticRegressionCV on the feature differences of
the pairs. `recipe` is the paper's 25 epochs of Adam on raw features. `--pairs 0` draws
`--pairs-per-image` pairs of each training image. The interval is that of the mean paired
difference over folds and splits (Student's t; splits overlap, so that it is too narrow).

OASIS is a folder of images/, ratings.csv, folds_by_concept.csv and clip_like_vectors_1024.npz
(evaluation only); --mobilenet is a state dict of MobileNetV2 in torchvision's layout, else the
weights of the hub are used.

tiny: OASIS=$OASIS --features CLIP-derived --targets beauty_mean --pairs 60 --folds 1 --halves 1
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegressionCV, RidgeCV

from interestingness.assembly.model import L2_OF_FEW, image_features
from interestingness.assembly.prepare import prepare
from interestingness.assembly.run import train
from interestingness.cli import conf_folder
from interestingness.data.images import Skips
from interestingness.datasets.pairing import random_regular_pairs
from interestingness.learning.linear_solver.choice import choose_each
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.learning.linear_solver.recipe import Recipe, fit_recipe
from interestingness.models.scaling import FeatureScaler
from interestingness.schema import Pairs

OASIS = Path(os.environ.get("OASIS", "oasis")).absolute()
FEATURES = {
    "MobileNetV2": ["model/backbone=torchvision_mobilenet_v2"],
    "CLIP-derived": [
        "model=cached_features",
        f"model.features={OASIS}/clip_like_vectors_1024.npz",
    ],
}
TARGETS = ("beauty_mean", "valence_mean", "arousal_mean")
RECIPE = Recipe(epochs=25, rate=0.001, batch_size=32, seed=0)
RIVALS = ("ridge", "logistic", "recipe")


def main() -> None:
    """Fit everything and print one table for each target, features and number of pairs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--targets", nargs="*", default=TARGETS)
    parser.add_argument("--features", nargs="*", default=list(FEATURES), choices=list(FEATURES))
    parser.add_argument("--pairs", type=int, nargs="*", default=[0, 300, 100])
    parser.add_argument("--pairs-per-image", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5, help="how many of the five")
    parser.add_argument("--halves", type=int, default=20)
    parser.add_argument("--mobilenet", default="hub", help="file of weights (%(default)s)")
    asked = parser.parse_args()
    if not OASIS.is_dir():
        sys.exit(f"OASIS={OASIS} is no folder: this benchmark needs the real photographs")
    FEATURES["MobileNetV2"].append(f"model.backbone.weights={asked.mobilenet}")
    warnings.filterwarnings("ignore", module="sklearn")
    every: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.features:
            for target in asked.targets:
                data = Data(name, target, Path(folder))
                for count in asked.pairs:
                    every += compare(data, count, asked)
    print(f"\nmean over all tables of default − the better rival: {np.mean(every):+.4f}")


class Data:
    """Features and ratings of the photographs that have both.

    Attributes:
        title: for the table.
        features: raw, shape (images, dim).
        rating: shape (images,).
        group: fold of each image's concept, shape (images,).
    """

    def __init__(self, name: str, target: str, folder: Path) -> None:
        """Read them as `train.py` would."""
        self.title = f"{target}, {name}"
        self.folder = folder
        self.options = [
            "dataset=folder",
            f"dataset.images={OASIS}/images",
            f"dataset.scores={OASIS}/ratings.csv",
            f"dataset.groups={OASIS}/folds_by_concept.csv",
            "dataset.on_missing=skip",
            "dataset.pairs_per_image=10",
            "label_source=scores",
            f"label_source.column={target}",
            "split=by_fold",
            "split.test=0",
            "logger=none",
            f"paths.runs={folder}",
            *FEATURES[name],
        ]
        prepared = prepare(self.config("unused"))
        _, _, features, present = image_features(
            self.config("unused"), prepared.tables, Skips(), []
        )
        rating = prepared.tables.scores(target)
        self.there = present & ~np.isnan(rating)
        self.features, self.rating = features[self.there], rating[self.there]
        self.group = np.array(prepared.tables.images["fold"].to_pylist())[self.there].astype(str)
        self.prepared = prepared

    def config(self, run: str) -> Any:
        """The config that `python train.py` composes."""
        with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
            return compose("train", [*self.options, f"paths.run={self.folder / run}"])


def compare(data: Data, count: int, asked: argparse.Namespace) -> list[float]:
    """Print a table; differences of the default and the better of ridge and logistic."""
    pairs_text = f"{count} pairs" if count else f"{asked.pairs_per_image} pairs an image"
    print(f"\n{data.title}, {pairs_text}")
    splits = [(data.group != fold, data.group) for fold in np.unique(data.group)[: asked.folds]]
    for seed in range(asked.halves):
        order = np.random.default_rng(seed).permutation(len(data.rating))
        splits.append((np.isin(np.arange(len(order)), order[: len(order) // 2]), None))
    rows = []
    for number, (learn, groups) in enumerate(splits):
        left, right = drawn(data, np.flatnonzero(learn), count, asked.pairs_per_image, number)
        rows.append(results(data, learn, groups, left, right))
    if count == 0 and asked.folds:
        print(f"one run of train.py − this script's default, fold 0: {run_difference(data):+.4f}")
    default = np.array([row["default"] for row in rows])
    for name in ("default", *RIVALS):
        values = np.array([row[name] for row in rows])
        low, high = interval(default - values)
        versus = "" if name == "default" else f"   default − it {low:+.4f} to {high:+.4f}"
        print(f"  {name:9} accuracy {values.mean():.4f}{versus}")
    for name in ("default", "logistic"):
        loss, error = (np.mean([row[f"{name} {what}"] for row in rows]) for what in ("nats", "ECE"))
        print(f"  {name:9} log loss {loss:.4f} nats, ECE {error:.4f}", flush=True)
    better = [max(row["ridge"], row["logistic"]) for row in rows]
    return (default - better).tolist()


def drawn(
    data: Data, images: NDArray[np.int64], count: int, degree: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of training images with unequal ratings."""
    found = images[random_regular_pairs(len(images), degree, seed=seed)]
    found = found[data.rating[found[:, 0]] != data.rating[found[:, 1]]]
    if count:
        found = np.random.default_rng(seed).permutation(found)[:count]
    return found[:, 0], found[:, 1]


def results(
    data: Data,
    learn: NDArray[np.bool_],
    groups: NDArray[np.str_] | None,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> dict[str, float]:
    """Accuracy of every method, and the calibration of two, on one split."""
    names = np.array([f"{row:05}" for row in range(len(data.rating))], dtype=object)
    pairs = Pairs.from_rows(np.minimum(left, right), np.maximum(left, right), names)[0]
    wins = (data.rating[pairs.left] > data.rating[pairs.right]).astype(float)
    columns = wins[:, None], np.ones((len(wins), 1))
    scaler = FeatureScaler("standardize", data.features.shape[1])
    x = scaler.fit(data.features[pairs.images_used()]).scaled(data.features)
    l2 = float(choose_each(x, pairs, *columns, seed=0, groups=groups).l2[0])
    l2 = L2_OF_FEW if np.isnan(l2) else l2
    ours = fit_linear(x, pairs, *columns, l2=l2, tolerance=1e-6).weights[0, 0]
    recipe = fit_recipe(data.features, pairs, *columns, [np.arange(len(pairs))], RECIPE)
    alphas = np.logspace(0, 6, 25)
    ridge = RidgeCV(alphas).fit(standard(data.features, learn)[learn], data.rating[learn])
    logistic = LogisticRegressionCV(
        Cs=10, cv=5, fit_intercept=False, max_iter=300, scoring="neg_log_loss"
    ).fit(x[pairs.left] - x[pairs.right], wins)
    scores = {
        "default": x @ ours,
        "recipe": data.features @ recipe.weights[0, 0],
        "ridge": standard(data.features, learn) @ ridge.coef_,
        "logistic": x @ logistic.coef_[0],
    }
    test = np.flatnonzero(~learn)
    one, other = (test[side] for side in np.triu_indices(len(test), 1))
    unequal = data.rating[one] != data.rating[other]
    one, other = one[unequal], other[unequal]
    truth = (data.rating[one] > data.rating[other]).astype(float)
    out = {}
    for name, score in scores.items():
        margin = score[one] - score[other]
        out[name] = float(((margin > 0) == truth).mean())
        if name in ("default", "logistic"):
            out[f"{name} nats"] = float((np.logaddexp(0, margin) - truth * margin).mean())
            out[f"{name} ECE"] = calibration_error(expit(margin), truth)
    return out


def calibration_error(
    probability: NDArray[np.float64], truth: NDArray[np.float64], bins: int = 15
) -> float:
    """Expected calibration error over bins of equal mass, every pair in both orders."""
    both = np.concatenate([probability, 1 - probability])
    order, outcome = np.argsort(both, kind="stable"), np.concatenate([truth, 1 - truth])
    parts = np.array_split(order, bins)
    return float(sum(abs((both[p] - outcome[p]).sum()) for p in parts) / len(both))


def standard(features: NDArray[np.float32], learn: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Features standardised by all training images, for the rival that learns from them."""
    scaler = FeatureScaler("standardize", features.shape[1])
    return scaler.fit(features[learn]).scaled(features)


def run_difference(data: Data) -> float:
    """Accuracy of one run of `train.py` on the first fold minus that of this script's default."""
    cfg, prepared = data.config("one"), data.prepared
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(cfg)
    table = pq.read_table(data.folder / "one" / "image_scores.parquet")
    score = dict(zip(table["image_id"].to_pylist(), table["score"].to_pylist(), strict=True))
    rows = np.full(len(data.there), -1)
    rows[data.there] = np.arange(data.there.sum())
    train_rows = np.flatnonzero(prepared.split.train & prepared.labels.decided)
    left, right = (rows[side[train_rows]] for side in (prepared.pairs.left, prepared.pairs.right))
    learn = data.group != np.unique(data.group)[0]
    ours = results(data, learn, data.group, left, right)["default"]
    names = prepared.tables.image_ids[data.there]
    test = [row for row in np.flatnonzero(~learn) if names[row] in score]
    theirs = np.array([score[names[row]] for row in test])
    one, other = np.triu_indices(len(test), 1)
    apart = np.sign(data.rating[test][one] - data.rating[test][other])
    right_order = np.sign(theirs[one] - theirs[other])[apart != 0] == apart[apart != 0]
    return float(right_order.mean()) - ours


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of a mean; NaN for one value."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return values.mean() - half, values.mean() + half


if __name__ == "__main__":
    main()
