"""The study of rules for judges' votes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from debiasing import (
    CONTRASTS,
    RULES,
    Debiasing,
    mean_logit,
)
from scipy.special import expit, logit
from simulations.images import SimulatedImages, judged, pairs_of, ranker
from simulations.judges import Calls, worlds

from interestingness.labels.source import Labels
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Curves, StudyResult

QUICK = Debiasing(2, (250, 500), 500, 120, 100, quick=True)


@pytest.fixture(scope="module")
def quick() -> StudyResult:
    return QUICK.run(0)


def test_a_quick_run_has_every_rule_in_every_world(quick: StudyResult) -> None:
    summary, contrasts, judges, everything = quick.tables
    names = [judge.name for judge in worlds()]
    assert [(r["world"], r["rule"]) for r in summary.rows] == [
        (world, rule.name) for world in names for rule in RULES
    ]
    assert [row["world"] for row in judges.rows] == names
    assert len(everything.rows) == len(names) * len(RULES) * 2
    assert len(contrasts.rows) == len(CONTRASTS) * len(names)
    assert "at_500" in contrasts.rows[0]
    assert len(quick.figures) == len(names)
    for figure in quick.figures:
        assert isinstance(figure, Curves)
        assert all(c.low is not None and np.isnan(c.low).all() for c in figure.curves)
    assert quick.simulated
    for row in summary.rows:
        assert isinstance(row["accuracy"], Interval)
        assert 0.4 < row["accuracy"].estimate < 1 and row["accuracy"].repeats == 2
        assert np.isnan(row["accuracy"].low) and "[" not in str(row["calls"])
        assert (row["points"] is None) == (row["rule"] == "discard")


def test_probabilities_are_worth_more_than_discarding(quick: StudyResult) -> None:
    rows = {(row["world"], row["rule"]): row for row in quick.tables[0].rows}
    gain = rows["logistic", "soft one order + term"]["points"]
    assert isinstance(gain, Interval) and gain.estimate > 3


def test_contrasts_are_differences_of_the_same_repetitions(quick: StudyResult) -> None:
    def mean(rule: str, calls: int) -> float:
        rows = quick.tables[-1].rows
        found = [r for r in rows if (r["world"], r["rule"], r["calls"]) == ("lapses", rule, calls)]
        return found[0]["accuracy"].estimate  # type: ignore[union-attr]

    for row in quick.tables[1].rows:
        if row["world"] == "lapses":
            expected = 100 * (mean(row["rule"], 250) - mean(row["other"], 250))  # type: ignore[arg-type]
            assert row["at_250"].estimate == pytest.approx(expected)  # type: ignore[union-attr]


@pytest.mark.slow
def test_the_seed_decides() -> None:
    def numbers(result: StudyResult) -> list[float]:
        return [row["accuracy"].estimate for row in result.tables[-1].rows]  # type: ignore[union-attr]

    tiny = Debiasing(2, (250,), 250, 40, 20)
    assert numbers(tiny.run(0)) == numbers(tiny.run(0)) != numbers(tiny.run(1))


def test_every_rule_spends_the_same_calls() -> None:
    rng = np.random.default_rng(0)
    scene = SimulatedImages.of(40, 10, 200, rng)
    calls = Calls.of(worlds()[0], rng.normal(size=200), rng)
    for rule in RULES:
        pairs = scene.pairs[: 100 // 2 if rule.both else 100]
        votes = calls.votes(pairs, both=rule.both, probabilities=rule.probabilities)
        assert len(votes) == 100
        labels = rule.label(votes, pairs)
        assert len(labels) == len(pairs)
        assert labels.known.all() == (rule.name != "discard")


def test_mean_logit_is_half_the_difference_of_the_orders() -> None:
    pairs = pairs_of(np.array([0, 1]), np.array([2, 3]), 4)
    calls = Calls(
        np.array([True, False]),
        np.array([True, True]),
        np.array([0.6, 0.3]),
        np.array([0.9, 0.999]),
        np.array([1, 1], np.int8),
    )
    found = mean_logit(calls.votes(pairs, both=True, probabilities=True), pairs).preference
    expected = expit([(logit(0.6) + logit(0.9)) / 2, (logit(0.3) + logit(0.995)) / 2])
    np.testing.assert_allclose(found, expected)


def test_a_ranker_of_perfect_labels_is_limited_by_what_features_show_only() -> None:
    rng = np.random.default_rng(3)
    scene = SimulatedImages.of(300, 300, 6000, rng)
    margin = scene.truth[scene.pairs.left] - scene.truth[scene.pairs.right]
    labels = Labels.of((margin > 0).astype(float))
    found, rank = judged(
        ranker(scene.features[:300], scene.pairs, labels, seed=0), *scene.held_out(300)
    )
    # correlation sqrt(0.8) with the truth: pair accuracy 1/2 + asin(r)/pi
    ceiling = 0.5 + np.arcsin(np.sqrt(0.8)) / np.pi
    assert ceiling - 0.05 < found < ceiling + 0.03
    assert 0.8 < rank < 0.93


@pytest.mark.parametrize(
    "change",
    [{"repetitions": 1}, {"calls": ()}, {"calls": (500, 250)}, {"calls": (251, 1000)},
     {"compare_at": 300}, {"images": 20}, {"held_out": 5}],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Debiasing(**change)
