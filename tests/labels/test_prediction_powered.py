"""Prediction-powered labels: the loss they make, λ, and what they refuse."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.mix import MixSource
from interestingness.labels.prediction_powered import PredictionPoweredSource, slope
from interestingness.labels.source import Labels, LabelSource
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.schema import Array, Pairs
from interestingness.tables.tables import Tables

IMAGES, DIM, ALL, VOTED = 24, 3, 120, 40
NO_TABLES = cast(Tables, None)


class Given(LabelSource):
    """Labels that a test writes down, found by the pair."""

    def __init__(self, name: str, pairs: Pairs, preference: Array) -> None:
        super().__init__(NO_TABLES, name=name)
        self.pairs, self.preference = pairs, preference

    def labels(self, pairs: Pairs) -> Labels:
        at = self.pairs.find(pairs.key)
        return Labels.of(np.where(at >= 0, self.preference[at], np.nan))

    def missing(self) -> str | None:
        return None if len(self.preference) else "no vote"

    def fingerprint(self) -> str:
        return self.name


class World:
    """Pairs, features, people who voted on some pairs, and a judge with a taste of its own."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        names = [f"i{n:02d}" for n in range(IMAGES)]
        left, right = np.triu_indices(IMAGES, 1)
        rows = rng.permutation(len(left))[:ALL]
        self.pairs, _, _ = Pairs.from_ids(
            [names[k] for k in left[rows]], [names[k] for k in right[rows]], names
        )
        self.x = rng.normal(size=(IMAGES, DIM))
        self.apart = self.x[self.pairs.left] - self.x[self.pairs.right]
        truth, taste = np.array([1.0, 0.5, 0.0]), np.array([0.6, 0.0, 1.0])
        self.y = (rng.random(ALL) < expit(self.apart @ truth)).astype(float)
        self.p = np.round(expit(self.apart @ taste), 2)
        self.voted = rng.permutation(ALL) < VOTED

    def source(self, **more: Any) -> PredictionPoweredSource:
        options: dict[str, Any] = {
            "model": Given("judge", self.pairs, self.p),
            "human": Given("human", self.pairs, np.where(self.voted, self.y, np.nan)),
            "human_pairs": None,
            "power": 0.6,
            "seed": 0,
        }
        return PredictionPoweredSource(NO_TABLES, name="powered", **options | more)

    def head(self, labels: Labels, l2: float = 0.02) -> Array:
        target, weight = labels.target[:, None], labels.weight[:, None]
        fits = fit_linear(self.x, self.pairs, target, weight, l2=l2, tolerance=1e-8)
        return fits.weights[0, 0].astype(float)


@pytest.mark.parametrize("power", [0.0, 0.3, 1.0])
def test_the_head_minimises_the_three_losses(power: float) -> None:
    world, l2 = World(), 0.02
    labels = world.source(power=power).fit(world.pairs).labels(world.pairs)

    def loss(w: Array, label: Array, rows: Array) -> float:
        margin = world.apart[rows] @ w
        return float((np.logaddexp(0, margin) - label[rows] * margin).mean())

    every = np.ones(ALL, dtype=bool)

    def objective(w: Array) -> float:
        bracket = loss(w, world.y, world.voted) - power * loss(w, world.p, world.voted)
        return power * loss(w, world.p, every) + bracket + l2 / 2 * float(w @ w)

    found = minimize(objective, np.zeros(DIM), tol=1e-12).x
    np.testing.assert_allclose(world.head(labels, l2), found, atol=1e-4)
    assert (labels.weight >= 0).all() and labels.weight.sum() == pytest.approx(VOTED)


def test_without_power_it_is_people_alone_and_labels_stay_preferences() -> None:
    world = World()
    labels = world.source(power=0.0).fit(world.pairs).labels(world.pairs)
    np.testing.assert_array_equal(labels.weight, world.voted.astype(float))
    np.testing.assert_array_equal(labels.target[world.voted], world.y[world.voted])
    alone = Given("human", world.pairs, np.where(world.voted, world.y, np.nan))
    np.testing.assert_array_equal(world.head(labels), world.head(alone.labels(world.pairs)))
    full = world.source(power=1.0).fit(world.pairs).labels(world.pairs)
    assert full.target.min() < 0 < 1 < full.target.max()
    assert full.preference.min() >= 0 and full.preference.max() <= 1


def test_the_gradient_is_that_of_people_on_all_pairs_on_average() -> None:
    world = World()
    wanted = world.apart.T @ (world.y - 0.5) / ALL
    found, alone = [], []
    for seed in range(300):
        source = world.source(
            human=Given("human", world.pairs, world.y), human_pairs=VOTED, power="auto", seed=seed
        )
        labels = source.fit(world.pairs).labels(world.pairs)
        found.append(world.apart.T @ (labels.weight * (labels.target - 0.5)) / VOTED)
        asked = labels.target != world.p
        alone.append(world.apart[asked].T @ (world.y[asked] - 0.5) / VOTED)
    error = np.std(found, axis=0) / len(found) ** 0.5
    assert (np.abs(np.mean(found, axis=0) - wanted) < 4 * error).all()
    biased = world.apart.T @ (world.p - 0.5) / ALL
    assert (np.abs(biased - wanted) > 10 * error).any()
    assert np.var(found, axis=0).sum() < np.var(alone, axis=0).sum()


def test_power_is_the_slope_of_people_on_the_model_within_0_and_1() -> None:
    p = np.array([0.1, 0.4, 0.8, 0.9])
    assert slope(0.5 + 0.7 * (p - 0.5), p) == pytest.approx(0.7)
    assert slope(1 - p, p) == 0 and slope(0.5 + 3 * (p - 0.5), p) == 1
    assert slope(p, np.full(4, 0.5)) == 0
    world = World()
    facts = world.source(power="auto").fit(world.pairs).labels(world.pairs).facts
    assert facts["power"] == pytest.approx(slope(world.y[world.voted], world.p[world.voted]))
    assert (facts["human_pairs"], facts["model_pairs"]) == (VOTED, ALL)


def test_it_asks_the_same_people_as_a_mix_and_swapping_images_swaps_the_label() -> None:
    world = World()
    human = Given("human", world.pairs, world.y)
    powered = world.source(human=human, human_pairs=30).fit(world.pairs)
    model = Given("judge", world.pairs, world.p)
    mix = MixSource(NO_TABLES, name="mix", sources=[model], human=human, human_pairs=30, seed=0)
    rows = np.arange(ALL)
    np.testing.assert_array_equal(powered.sample(world.pairs), mix.sample(world.pairs))
    turned = World()
    turned.y, turned.p = 1 - world.y, 1 - world.p
    other = turned.source(human=Given("human", world.pairs, turned.y), human_pairs=30)
    one, two = (s.fit(world.pairs).labels(world.pairs) for s in (powered, other))
    np.testing.assert_allclose(one.target[rows], 1 - two.target[rows])
    np.testing.assert_array_equal(one.weight, two.weight)


def test_bad_input_is_refused() -> None:
    world = World()
    with pytest.raises(LabelError, match="not calibrated"):
        world.source().labels(world.pairs)
    with pytest.raises(ConfigError, match="human_pairs = 9"):
        world.source(human_pairs=9)
    with pytest.raises(LabelError, match="no vote"):
        world.source(model=Given("judge", world.pairs, np.empty(0))).fit(world.pairs)
    apart = np.where(world.voted, np.nan, world.p)  # the judge has nothing on people's pairs
    with pytest.raises(LabelError, match=f"0 of {ALL} .* labels of model"):
        world.source(model=Given("judge", world.pairs, apart)).fit(world.pairs)
    with pytest.raises(LabelError, match=r"0 of \d+"):  # people voted on other pairs
        world.source().fit(world.pairs[~world.voted])
