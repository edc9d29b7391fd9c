"""Yes or no against a flag: scikit-learn's numbers, and intervals that hold the truth."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_score, recall_score

from interestingness.errors import LabelError
from interestingness.stats.decisions import Decisions, decision_interval, decisions


def test_the_numbers_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    flag = (rng.random(200) < 0.3).astype(float)
    score = rng.normal(size=200) + flag
    yes, found = score > 0, decisions(score, flag)
    assert found.accuracy == pytest.approx(accuracy_score(flag, yes))
    assert found.precision == pytest.approx(precision_score(flag, yes))
    assert found.recall == pytest.approx(recall_score(flag, yes))
    assert 0.3 < found.precision < found.accuracy < found.recall < 1  # three different numbers
    assert decision_interval(score, flag, seed=0).estimate == pytest.approx(found.accuracy)


def test_zero_is_a_no_and_what_is_not_known_is_left_out() -> None:
    found = decisions([0.0, 2.0, -1.0, np.nan, 3.0], [0, 1, 1, 1, np.nan])
    assert found == Decisions(accuracy=2 / 3, precision=1.0, recall=0.5)


def test_what_has_no_share_is_nan() -> None:
    never, none = decisions([-1.0, -2.0], [1, 0]), decisions([], [])
    assert (never.accuracy, never.recall) == (0.5, 0.0) and np.isnan(never.precision)
    assert np.isnan(decisions([1.0, -1.0], [0, 0]).recall)
    assert np.isnan([none.accuracy, none.precision, none.recall]).all()
    assert np.isnan(decision_interval([], [], seed=0).low)


def test_intervals_hold_the_planted_accuracy_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(1), 0
    for world in range(200):
        flag = rng.integers(2, size=120)
        score = np.where(rng.random(120) < 0.7, 1, -1) * (2 * flag - 1)
        interval = decision_interval(score, flag, seed=world, repeats=400)
        held += interval.low <= 0.7 <= interval.high
    assert 0.9 <= held / 200 <= 0.99


@pytest.mark.parametrize(("sign", "ends"), [(1, (0.6915, 1.0)), (-1, (0.0, 0.3085))])
def test_all_right_or_all_wrong_is_not_certainty(sign: int, ends: tuple[float, float]) -> None:
    flag = np.array([1, 0] * 5)
    interval = decision_interval(sign * (2 * flag - 1), flag, seed=0)
    assert (interval.low, interval.high) == pytest.approx(ends, abs=1e-4)  # Clopper and Pearson


def test_a_grade_is_no_flag() -> None:
    with pytest.raises(LabelError):
        decisions([1.0, 2.0], [0.5, 1])
