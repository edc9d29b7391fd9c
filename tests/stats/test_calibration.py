from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from interestingness.errors import LabelError
from interestingness.stats.calibration import (
    brier,
    expected_calibration_error,
    log_loss,
    reliability_curve,
)

rng = np.random.default_rng(0)
P = rng.uniform(0.01, 0.99, size=400)
Y = (rng.uniform(size=400) < P).astype(float)
chances = arrays(float, 10, elements=st.floats(0, 1))
outcomes = arrays(float, 10, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, np.nan]))


def test_the_curve_is_that_of_scikit_learn():
    observed, predicted = calibration_curve(Y, P, n_bins=10)
    curve = reliability_curve(P, Y, symmetric=False)
    np.testing.assert_allclose(curve.observed, observed)
    np.testing.assert_allclose(curve.predicted, predicted)
    assert curve.weight.sum() == 400


def test_errors_are_those_of_scikit_learn():
    assert brier(P, Y) == pytest.approx(brier_score_loss(Y, P))
    assert log_loss(P, Y) == pytest.approx(sklearn_log_loss(Y, P))


def test_calibration_error_by_hand():
    # two full bins: 0.2 predicted and 0 seen, 0.9 predicted and 0.5 seen
    p, y = [0.2, 0.2, 0.9, 0.9], [0, 0, 1, 0]
    assert expected_calibration_error(p, y, symmetric=False) == pytest.approx(0.3)
    assert expected_calibration_error(p, y, weight=[1, 1, 3, 3], symmetric=False) == pytest.approx(
        (0.2 * 2 + 0.4 * 6) / 8
    )


def test_truth_is_calibrated_and_overconfidence_is_not():
    many = np.random.default_rng(1).uniform(size=100_000)
    seen = (np.random.default_rng(2).uniform(size=100_000) < many).astype(float)
    assert expected_calibration_error(many, seen) < 0.01
    assert expected_calibration_error(np.where(many > 0.5, 0.99, 0.01), seen) > 0.2


@settings(max_examples=30, deadline=None)
@given(chances, outcomes)
@example(np.full(10, 0.1), np.ones(10))
def test_swapping_left_and_right_changes_nothing(p, y):
    for function in (expected_calibration_error, brier):
        assert function(1 - p, 1 - y) == pytest.approx(function(p, y), abs=1e-9, nan_ok=True)


def test_soft_labels_ties_and_gaps():
    assert brier([0.5, 0.2], [0.5, np.nan]) == 0.0
    assert expected_calibration_error([0.5], [0.5]) == 0.0
    for function in (brier, log_loss, expected_calibration_error):
        assert np.isnan(function([], []))
        assert np.isnan(function([0.3], [np.nan]))


def test_certainty_is_rewarded_or_punished_without_limit():
    assert log_loss([1.0, 0.0], [1.0, 0.0]) == 0.0
    assert log_loss([1.0, 0.5], [0.0, 1.0]) == np.inf
    assert expected_calibration_error([1.0, 0.0], [1.0, 0.0]) == 0.0


def test_a_margin_is_not_a_probability():
    with pytest.raises(LabelError, match="preferences"):
        brier([-1.0, 2.0], [0, 1])
