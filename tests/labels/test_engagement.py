"""Engagement: rates instead of counts."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.engagement import EngagementSource
from interestingness.schema import Pair, Pairs
from interestingness.stats.correlation import spearman
from interestingness.tables.tables import Manifest, Tables


def prepared(
    root: Path, count: Any, shown: Any, pairs: list[tuple[int, int]], **columns: Any
) -> Tables:
    """A data set of scores ``favorites`` and ``views``; images are ``i00``, ``i01``, …"""
    n = len(count)
    names = [f"i{i:02d}" for i in range(n)]
    made = [Pair.of(names[a], names[b]) for a, b in pairs]
    scores = {
        "image_id": names * 2,
        "name": ["favorites"] * n + ["views"] * n,
        "score": pa.array([*map(float, count), *map(float, shown)], from_pandas=True),
    }
    tables = {
        "images": pa.table({"image_id": names, **columns}),
        "pairs": pa.table(
            {
                "pair_id": [p.pair_id for p in made],
                "left": [p.left for p in made],
                "right": [p.right for p in made],
            }
        ),
        "scores": pa.table(scores),
    }
    return Tables.write(root, Manifest("t", "synthetic"), tables)


def source(tables: Tables, **options: Any) -> EngagementSource:
    given: dict[str, Any] = {"name": "e", "counts": "favorites", "exposure": "views"}
    given |= {"age": None, "owner": None, "on_excess": "error"}
    return EngagementSource(tables, **(given | options))


def test_the_rate_decides_not_the_count(tmp_path: Path) -> None:
    tables = prepared(tmp_path, [50, 40, 5], [5000, 400, 500], [(0, 1), (0, 2), (1, 2)])
    found = source(tables).labels(tables.pairs)
    assert found.preference[0] < 0.05
    assert found.preference[2] > 0.95
    # one of a hundred in both, and 0 was shown ten times as often
    assert found.preference[1] == pytest.approx(0.5, abs=0.1)


def test_images_shown_seldom_are_decided_by_little(tmp_path: Path) -> None:
    counts, shown = [1, 0, 90, 10], [3, 3, 300, 300]
    tables = prepared(tmp_path, counts, shown, [(0, 1), (2, 3)])
    found = source(tables).labels(tables.pairs).preference
    assert 0.5 < found[0] < 0.8 < 0.99 < found[1]


def test_never_shown_or_not_counted_is_unknown_and_said(tmp_path: Path) -> None:
    tables = prepared(
        tmp_path, [3, 0, np.nan, 5, 2], [20, 0, 9, 30, 25], [(0, 1), (0, 2), (0, 3), (3, 4)]
    )
    labels = source(tables).labels(tables.pairs)
    np.testing.assert_array_equal(np.isnan(labels.preference), [True, True, False, False])
    assert labels.facts["images_never_shown"] == 1
    assert labels.facts["images_without_numbers"] == 1
    assert labels.facts["pairs_unknown"] == 2


def test_counted_more_often_than_shown(tmp_path: Path) -> None:
    tables = prepared(tmp_path, [30, 2, 3], [20, 10, 12], [(0, 1), (1, 2)])
    with pytest.raises(LabelError, match="count 30") as told:
        source(tables).labels(tables.pairs)
    assert "label_source.on_excess=skip" in str(told.value)
    labels = source(tables, on_excess="skip").labels(tables.pairs)
    assert np.isnan(labels.preference[0]) and labels.facts["images_counted_more_than_shown"] == 1


def popular(tmp_path: Path, **columns: bool) -> tuple[Tables, np.ndarray, np.ndarray]:
    """Owners with fans and old images get more of everything; quality is drawn apart."""
    rng = np.random.default_rng(4)
    n = 400
    owner = rng.integers(40, size=n)
    fans, quality = rng.normal(size=40)[owner], rng.normal(size=n)
    days = rng.integers(1, 2000, size=n)
    shown = rng.poisson(np.exp(4 + fans + 0.5 * np.log(days / 300)))
    aged = 0.4 * (np.log1p(days) - np.log1p(days).mean())
    rate = 1 / (1 + np.exp(2.5 - 0.8 * quality - 0.9 * fans - aged))
    count = rng.binomial(shown, rate)
    day = [datetime.date(2026, 1, 1) - datetime.timedelta(int(d)) for d in days]
    left, right = rng.permutation(n).reshape(2, -1)
    pairs = list(zip(left.tolist(), right.tolist(), strict=True))
    tables = prepared(
        tmp_path, count, shown, pairs, owner=[f"o{o}" for o in owner], day=day, days=days
    )
    return tables, quality, count


def test_age_and_owner_are_taken_out(tmp_path: Path) -> None:
    tables, quality, count = popular(tmp_path)
    raw = spearman(count, quality)
    found = {
        name: spearman(source(tables, **options).fit(tables.pairs).image_scores(), quality)
        for name, options in {
            "rate": {},
            "age": {"age": "day"},
            "both": {"age": "day", "owner": "owner"},
        }.items()
    }
    assert raw + 0.1 < found["rate"] < found["age"] < found["both"]
    assert found["both"] > 0.65
    facts = source(tables, age="day", owner="owner").labels(tables.pairs).facts
    assert facts["owner_sd"] == pytest.approx(0.9, abs=0.3)
    assert facts["age_slope"] > 0.2


def test_a_date_is_as_good_as_its_age(tmp_path: Path) -> None:
    tables, _, _ = popular(tmp_path)
    # the newest image is one day old, so ages differ by one constant day
    by_day = source(tables, age="day").labels(tables.pairs).preference
    by_age = source(tables, age="days").labels(tables.pairs).preference
    np.testing.assert_allclose(by_day, by_age, atol=0.03, equal_nan=True)


def test_held_out_counts_do_not_reach_training_labels(tmp_path: Path) -> None:
    tables, _, count = popular(tmp_path / "one")
    train = tables.pairs[:100]
    held = np.setdiff1d(np.arange(400), train.images_used())
    shown = tables.scores("views")
    other_count = count.copy().astype(float)
    other_count[held] = 0.0
    columns = {c: tables.images[c].to_pylist() for c in ("owner", "day")}
    pairs = list(zip(tables.pairs.left.tolist(), tables.pairs.right.tolist(), strict=True))
    other = prepared(tmp_path / "other", other_count, shown, pairs, **columns)
    options = {"age": "day", "owner": "owner"}
    one = source(tables, **options).fit(train).labels(train).preference
    two = source(other, **options).fit(other.pairs[:100]).labels(other.pairs[:100]).preference
    np.testing.assert_array_equal(one, two)


def test_an_owner_without_training_images_is_judged_by_the_owner_s_own(tmp_path: Path) -> None:
    """Owner b's images all have a high rate: within b, nothing says that one is better."""
    rng = np.random.default_rng(0)
    count = np.r_[rng.binomial(200, 0.1, size=30), 60, 61, 60]
    owner = [f"a{i % 6}" for i in range(30)] + ["b"] * 3
    pairs = [(i, i + 1) for i in range(29)] + [(0, 30), (30, 31)]
    tables = prepared(tmp_path, count, np.full(33, 200), pairs, owner=owner)
    fitted = source(tables, owner="owner").fit(tables.pairs[:29])
    plain = source(tables).fit(tables.pairs[:29])
    assert 0 < fitted.image_scores()[30] < plain.image_scores()[30]


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    tables = prepared(tmp_path, [1, 2], [3, 4], [(0, 1)], owner=["a", "b"])
    said = source(tables, exposure="impressions", age="day").missing()
    assert said is not None
    assert "no score 'impressions' and no column 'day'" in said
    assert "favorites, views" in said and "owner" in said
    with pytest.raises(LabelError, match="'impressions'"):
        source(tables, exposure="impressions").labels(tables.pairs)


@pytest.mark.parametrize("options", [{"on_excess": "clip"}, {"counts": "views"}])
def test_options_that_cannot_be(tmp_path: Path, options: dict[str, str]) -> None:
    tables = prepared(tmp_path, [1, 2], [3, 4], [(0, 1)])
    with pytest.raises(ConfigError):
        source(tables, **options)


@pytest.mark.parametrize(
    ("cells", "said"), [(["soon", "2025-01-01"], "soon"), ([-1, 4], "negative")]
)
def test_ages_that_are_none(tmp_path: Path, cells: list[Any], said: str) -> None:
    tables = prepared(tmp_path, [1, 2], [3, 4], [(0, 1)], age=cells)
    with pytest.raises(LabelError, match=said):
        source(tables, age="age").labels(tables.pairs)


def test_nothing_counted_at_all(tmp_path: Path) -> None:
    tables = prepared(tmp_path, [0, 0], [3, 4], [(0, 1)])
    with pytest.raises(LabelError, match="'e'"):
        source(tables).labels(tables.pairs)


def test_unknown_images_are_unknown(tmp_path: Path) -> None:
    tables = prepared(tmp_path, [1, 2], [30, 40], [(0, 1)])
    pairs, _, _ = Pairs.from_ids(["i00"], ["elsewhere"])
    assert np.isnan(source(tables).labels(pairs).preference).all()
