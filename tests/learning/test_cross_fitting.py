"""Cross-fitting: each prediction is that of a head fitted without the pair's images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from interestingness.data.cross_fit import cross_fit
from interestingness.learning.cross_fitting import LinearProcedure, cross_fitted
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.learning.linear_solver.recipe import Recipe, fit_recipe
from interestingness.models.scaling import FeatureScaler
from interestingness.schema import Pairs
from interestingness.stats.folds import every_pair_once

IMAGES, DIM = 30, 6
RECIPE = Recipe(epochs=20, rate=0.01, batch_size=16, seed=0)
PROCEDURES = {
    "optimum": LinearProcedure("none", 0.1, None, 0),
    "standardised": LinearProcedure("standardize", 0.1, None, 0),
    "recipe": LinearProcedure("none", 0.0, RECIPE, 0),
    "chosen strength": LinearProcedure("standardize", None, None, 0),
}


class World:
    """Features with a planted linear score, and votes on half of all pairs."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        ids = [f"i{row:02d}" for row in range(IMAGES)]
        low, high = np.triu_indices(IMAGES, 1)
        rows = rng.permutation(len(low))[:200]
        self.pairs = Pairs.from_ids([ids[i] for i in low[rows]], [ids[i] for i in high[rows]], ids)[
            0
        ]
        self.features = rng.normal(size=(IMAGES, DIM)).astype(np.float32)
        truth = self.features @ rng.normal(size=DIM)
        margin = truth[self.pairs.left] - truth[self.pairs.right]
        self.preference = (margin > 0).astype(np.float64)
        self.folds = self.folds_of(groups=5, repeats=2)

    def folds_of(self, **options: int) -> np.ndarray:
        table = pa.table({"image_id": self.pairs.image_ids.tolist()})
        folds = cross_fit(self.pairs, table, seed=0, **options).folds
        assert folds is not None
        return folds

    def run(self, procedure: LinearProcedure, **changed: Any) -> Any:
        given = {"usable": np.arange(len(self.pairs)), "preference": self.preference, **changed}
        preference = given["preference"]
        return cross_fitted(
            self.features,
            self.pairs,
            self.folds,
            given["usable"],
            lambda rows: (preference, np.ones(len(preference))),
            procedure,
        )


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize("name", list(PROCEDURES))
def test_planted_scores_are_found_and_no_pair_is_left(world: World, name: str) -> None:
    found = world.run(PROCEDURES[name])
    assert found.margins.shape == (2, 200) and not np.isnan(found.margins).any()
    right = (found.margin > 0) == (world.preference > 0.5)
    assert right.mean() > 0.85
    assert not np.isnan(found.score).any()


@pytest.mark.parametrize("name", ["optimum", "standardised", "recipe"])
def test_a_prediction_is_that_of_the_fit_without_its_images(world: World, name: str) -> None:
    procedure, pairs = PROCEDURES[name], world.pairs
    found = world.run(procedure)
    for number, row in ((0, 0), (1, 77), (1, 150)):
        group = world.folds[number]
        own = {group[pairs.left[row]], group[pairs.right[row]]}
        out = np.isin(group, list(own))
        train = np.flatnonzero(~out[pairs.left] & ~out[pairs.right])
        learnt, y = pairs[train], world.preference[train, None]
        scaler = FeatureScaler(procedure.scaling, DIM).fit(world.features[learnt.images_used()])
        x = scaler.scaled(world.features)
        if procedure.recipe is None:
            fits = fit_linear(x, learnt, y, np.ones_like(y), l2=0.1, tolerance=1e-4)
        else:
            fits = fit_recipe(x, learnt, y, np.ones_like(y), [np.arange(len(train))], RECIPE)
        w = fits.weights[0, 0]
        margin = (x[pairs.left[row]] - x[pairs.right[row]]) @ w
        assert found.margins[number, row] == pytest.approx(margin, rel=0.05, abs=1e-4)


@pytest.mark.parametrize("name", list(PROCEDURES))
def test_the_label_of_a_pair_does_not_move_its_own_prediction(world: World, name: str) -> None:
    before = world.run(PROCEDURES[name])
    turned = world.preference.copy()
    turned[7] = 1 - turned[7]
    after = world.run(PROCEDURES[name], preference=turned)
    np.testing.assert_array_equal(before.margins[:, 7], after.margins[:, 7])
    assert (before.margins != after.margins).any()


def test_a_source_is_fitted_on_training_pairs_only(world: World) -> None:
    asked: list[np.ndarray] = []

    def labels_of(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.append(rows)
        return world.preference, np.ones(len(world.pairs))

    usable = np.arange(len(world.pairs))
    cross_fitted(world.features, world.pairs, world.folds, usable, labels_of, PROCEDURES["optimum"])
    expected = [
        fold.train
        for group in world.folds
        for fold in every_pair_once(world.pairs.left, world.pairs.right, group)
    ]
    assert len(asked) == 2 * 15  # 5 groups and 10 pairs of groups, twice
    for rows, train in zip(asked, expected, strict=True):
        np.testing.assert_array_equal(rows, train)


@pytest.mark.parametrize(
    ("preference", "usable"),
    [
        (np.full(200, np.nan), np.arange(200)),  # no label
        (np.full(200, 0.5), np.arange(200)),  # nothing but ties
        (np.ones(200), np.arange(1)),  # no other pair
    ],
)
def test_what_cannot_be_fitted_has_no_prediction(
    world: World, preference: np.ndarray, usable: np.ndarray
) -> None:
    found = world.run(PROCEDURES["optimum"], preference=preference, usable=usable)
    assert np.isnan(found.margin).all() and np.isnan(found.score).all()
