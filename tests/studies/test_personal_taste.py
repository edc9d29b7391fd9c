"""One person's taste: the closed form, a planted taste, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import Ridge

from interestingness.errors import ConfigError, LabelError
from interestingness.progress import ProgressLine
from interestingness.stats import personal_ridge
from interestingness.stats.bootstrap import Interval
from interestingness.stats.personal_ridge import STRENGTHS, ImageSpace, ridge_path
from interestingness.studies.personal_taste import (
    ARMS,
    PersonalTaste,
    Protocol,
    RatingTable,
    consistency,
    evaluate_people,
    measure,
)
from interestingness.studies.study import Material


@pytest.mark.parametrize(("dim", "kept"), [(12, 4000), (40, 4000), (12, 10)])
def test_every_strength_is_that_of_scikit_learn(
    dim: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more ratings than numbers, with fewer, and without all products at once."""
    monkeypatch.setattr(personal_ridge, "MOST", kept)
    rng = np.random.default_rng(0)
    features = rng.normal(2, 3, size=(40, dim))
    space = ImageSpace.of(features, np.arange(30))
    rated, asked = np.arange(0, 30, 2), np.arange(30, 40)
    target = features[rated, 0] + rng.normal(size=len(rated))
    path = ridge_path(space, rated, target, asked)
    scaled = (features - features[:30].mean(0)) / features[:30].std(0)
    unit = (scaled[:30] ** 2).sum(1).mean()
    for row, strength in enumerate(STRENGTHS[::-1], 1):
        rival = Ridge(alpha=strength * len(rated) * unit).fit(scaled[rated], target)
        assert np.allclose(path.prediction[row], rival.predict(scaled[asked]), atol=1e-6)
        errors = []
        for out in range(len(rated)):
            kept = np.delete(np.arange(len(rated)), out)
            one = Ridge(alpha=strength * len(rated) * unit).fit(scaled[rated[kept]], target[kept])
            errors.append((one.predict(scaled[rated[[out]]])[0] - target[out]) ** 2)
        assert path.error[row] == pytest.approx(np.mean(errors), rel=1e-6)
    assert np.allclose(path.prediction[0], target.mean())
    assert path.at_best() is not None


def world(people: int = 40, images: int = 160, own: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Ratings of people with a common taste and one of their own."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(images, 6))
    common = features[:, 0]
    tastes = rng.normal(size=(people, 6)) * own
    value = common + tastes @ features.T + 0.5 * rng.normal(size=(people, images))
    value[rng.random(value.shape) < 0.1] = np.nan
    return value, features


def outcome_of(value: np.ndarray, features: np.ndarray, **more: Any) -> np.ndarray:
    protocol = Protocol(more.get("ratings", [5, 40]), 2, 30, 0)
    material: Any = SimpleNamespace(progress=ProgressLine)
    found = evaluate_people(value, features, np.arange(features.shape[0]), protocol, material)
    mean: np.ndarray = np.nanmean(found.value, axis=-1)
    return mean


def test_a_planted_taste_is_found_and_a_common_one_not_lost() -> None:
    generic, direct, personal, others = range(len(ARMS))
    spearman = outcome_of(*world())[0]
    assert spearman[1, personal] > 0.9 > spearman[1, generic] + 0.2
    assert spearman[1, personal] > spearman[0, personal]
    same = outcome_of(*world(own=0.0))[0]
    assert same[0, personal] > same[0, generic] - 0.02 and same[0, generic] > same[0, direct] + 0.1
    assert same[0, others] > 0.8


def test_measures() -> None:
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    spearman, mae, rmse = measure(np.array([2.0, 3.0, 4.0, 5.0]), truth)
    assert (spearman, mae, rmse) == pytest.approx((1, 1, 1))
    assert np.isnan(measure(np.full(4, 2.0), truth)[0]) and measure(np.full(4, 2.0), truth)[1] == 1
    assert np.isnan(measure(truth, np.full(4, 2.0))[0])


def test_second_ratings() -> None:
    rng = np.random.default_rng(0)
    value = rng.normal(size=(6, 30))
    again = np.full((6, 30), np.nan)
    assert consistency(RatingTable(value, again)) is None
    again[0] = value[0]
    found = consistency(RatingTable(value, again))
    assert found is not None and found["own second rating"] == pytest.approx([1.0])


@pytest.fixture
def rated(handmade: Callable[..., Material], monkeypatch: pytest.MonkeyPatch) -> Material:
    """Material of 24 images and 12 people's ratings, some of them twice."""
    names = [f"i{k:02d}" for k in range(24)]
    pairs = list(pairwise(names))
    material = handmade(pairs=pairs, votes=[{"left": "i00", "right": "i01", "choice": "left"}])
    rng = np.random.default_rng(0)
    rows = [
        (image, f"p{person}", float(rng.integers(1, 8)), sample)
        for person in range(12)
        for image in names
        for sample in range(2 if person < 3 else 1)
    ]
    columns = dict(
        zip(("image_id", "rater_id", "rating", "sample"), zip(*rows, strict=True), strict=True)
    )
    table = pa.table({name: list(values) for name, values in columns.items()})
    own = type(material.tables)
    had, read = own.has, own.table
    monkeypatch.setattr(own, "has", lambda self, kind: kind == "ratings" or had(self, kind))
    monkeypatch.setattr(
        own, "table", lambda self, kind: table if kind == "ratings" else read(self, kind)
    )
    return material


def test_the_tables_of_the_study(rated: Material) -> None:
    result = PersonalTaste(ratings=[5, 8, 200], supports=2, tested=10, group=None).run(rated)
    main, gain, repeats = result.tables
    assert len(main.rows) == 3 * len(ARMS) and len(gain.rows) == 6
    at = {(row["ratings"], row["arm"]): row for row in main.rows}
    assert at[5, "personal"]["people"] in (11, 12) and at[200, "personal"]["people"] == 0
    assert (
        isinstance(at[5, "personal"]["spearman"], Interval) and at[200, "personal"]["mae"] is None
    )
    assert repeats.rows[0]["people"] == 3 and result.answer
    assert len(result.figures) == 1


def test_what_is_refused(rated: Material) -> None:
    for changed in ({"ratings": []}, {"ratings": [2]}, {"supports": 0}, {"tested": 4}):
        with pytest.raises(ConfigError):
            PersonalTaste(**{"ratings": [5], "supports": 1, "tested": 5, "group": None, **changed})
    with pytest.raises(ConfigError, match="group"):
        PersonalTaste(ratings=[5], supports=1, tested=5, group="nothing").run(rated)
    with pytest.raises(LabelError):
        PersonalTaste(ratings=[500], supports=1, tested=5, group=None).run(rated)


def test_data_without_ratings(synthetic_material: Material) -> None:
    with pytest.raises(LabelError, match="ratings"):
        PersonalTaste(ratings=[5], supports=1, tested=5, group=None).run(synthetic_material)
