"""Held-out pair accuracy on OASIS over five concept folds: our runs against ridge, in one run.

    OASIS=FOLDER python benchmarks/oasis_folds.py [--column beauty_mean] [--pairs-per-image 40]
        [--mobilenet FILE]

Both learn from the same training images and features, and both are judged on *all* pairs of
held-out images (unequal ratings), fold by fold. Ridge regresses the mean rating on standardised
features; its strength is chosen inside the training folds, as ours is. OASIS is a folder of
images/, ratings.csv, folds_by_concept.csv and clip_like_vectors_1024.npz (evaluation only);
--mobilenet is a state dict of MobileNetV2 in torchvision's layout, else the hub's weights are used.

tiny: OASIS=$OASIS --features 'CLIP-derived vectors' --pairs-per-image 2 --folds 1
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from interestingness.assembly.model import image_features
from interestingness.assembly.prepare import prepare
from interestingness.assembly.run import train
from interestingness.cli import conf_folder
from interestingness.data.images import Skips

OASIS = Path(os.environ.get("OASIS", "oasis")).absolute()
FEATURES = {
    "MobileNetV2": [
        "model/backbone=torchvision_mobilenet_v2",
    ],
    "CLIP-derived vectors": [
        "model=cached_features",
        f"model.features={OASIS}/clip_like_vectors_1024.npz",
    ],
}
RECIPES = {
    "L2 chosen inside": [
        "model.scaling=standardize",
        "model.l2=auto",
        "optimizer.lr=0.01",
        "scheduler=cosine",
        "data.batch_size=256",
    ],
    "the paper's recipe": ["model.scaling=none", "model.l2=0.0"],
}


def pair_accuracy(score: NDArray[np.float64], rating: NDArray[np.float64]) -> float:
    """Share of all pairs with unequal ratings that the scores order alike."""
    i, j = np.triu_indices(len(score), 1)
    unequal = rating[i] != rating[j]
    difference = np.sign(score[i] - score[j])[unequal] * np.sign(rating[i] - rating[j])[unequal]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def main() -> None:
    """Run all folds and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--column", default="beauty_mean")
    parser.add_argument("--pairs-per-image", type=int, default=40)
    parser.add_argument("--features", nargs="*", default=list(FEATURES), choices=list(FEATURES))
    parser.add_argument("--mobilenet", default="hub", help="file of weights (%(default)s)")
    parser.add_argument("--folds", type=int, default=5, help="how many of the five")
    parser.add_argument("overrides", nargs="*", help="further options of train.py")
    arguments = parser.parse_intermixed_args()
    if not OASIS.is_dir():
        sys.exit(f"OASIS={OASIS} is no folder: this benchmark needs the real photographs")
    FEATURES["MobileNetV2"].append(f"model.backbone.weights={arguments.mobilenet}")
    data = [
        "dataset=folder",
        f"dataset.images={OASIS}/images",
        f"dataset.scores={OASIS}/ratings.csv",
        f"dataset.groups={OASIS}/folds_by_concept.csv",
        "dataset.on_missing=skip",
        f"dataset.pairs_per_image={arguments.pairs_per_image}",
        "label_source=scores",
        f"label_source.column={arguments.column}",
        "split=by_fold",
        "logger=none",
        *arguments.overrides,
    ]
    print(f"{arguments.column}, mean pair accuracy over five concept folds (SD over folds)\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.features:
            model = FEATURES[name]
            ridge, ours = [], {recipe: [] for recipe in RECIPES}
            for fold in range(arguments.folds):
                options = [*data, *model, f"split.test={fold}", f"paths.runs={folder}"]
                ridge.append(ridge_accuracy(options, arguments.column))
                for i, (recipe, more) in enumerate(RECIPES.items()):
                    run = Path(folder) / f"{name.split()[0]}-{i}-{fold}"
                    ours[recipe].append(our_accuracy([*options, *more], run, arguments.column))
            show(name, "ridge on ratings", ridge, ridge)
            for recipe, values in ours.items():
                show(name, recipe, values, ridge)


def show(name: str, what: str, values: list[float], ridge: list[float]) -> None:
    """One row."""
    difference = np.mean(values) - np.mean(ridge)
    spread = np.std(values, ddof=1) if len(values) > 1 else np.nan
    print(
        f"{name:22} {what:20} {np.mean(values):.3f} ({spread:.3f})"
        f"   minus ridge {difference:+.3f}   folds {' '.join(f'{v:.3f}' for v in values)}",
        flush=True,
    )


def composed(options: list[str], run: Path):
    """The config that `python train.py OPTIONS` composes."""
    with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
        return compose("train", [*options, f"paths.run={run}"])


def ridge_accuracy(options: list[str], column: str) -> float:
    """Ridge on the same features: fitted on training images, judged on held-out ones."""
    cfg = composed(options, Path())
    prepared = prepare(cfg)
    _, _, features, present = image_features(cfg, prepared.tables, Skips(), [])
    sides = prepared.split.image_parts(prepared.pairs)
    rating = prepared.tables.scores(column)
    learn, test = sides["train"] & present, sides["test"] & present
    alphas = np.logspace(0, 6, 25)
    model = make_pipeline(StandardScaler(), RidgeCV(alphas)).fit(features[learn], rating[learn])
    return pair_accuracy(model.predict(features[test]), rating[test])


def our_accuracy(options: list[str], run: Path, column: str) -> float:
    """A run of ours; its image scores judged on all pairs of held-out images."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        cfg = composed(options, run)
        prepared = prepare(cfg)
        train(cfg)
    table = pq.read_table(run / "image_scores.parquet")
    row_of = {name: row for row, name in enumerate(prepared.tables.image_ids.tolist())}
    rows = np.array([row_of[name] for name in table["image_id"].to_pylist()])
    rating = prepared.tables.scores(column)[rows]
    return pair_accuracy(table["score"].to_numpy(), rating)


if __name__ == "__main__":
    main()
