from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interestingness.stats.correlation import kendall, spearman

few = arrays(float, 15, elements=st.sampled_from([-1.0, 0.0, 0.0, 2.0, 5.0]))
counts = arrays(int, 15, elements=st.integers(0, 3))


def varied(*columns: np.ndarray) -> bool:
    return all(len(np.unique(c)) > 1 for c in columns)


@settings(max_examples=30, deadline=None)
@given(few, few)
def test_both_are_those_of_scipy(x, y):
    if not varied(x, y):
        assert np.isnan(spearman(x, y)) and np.isnan(kendall(x, y))
        return
    assert spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)
    assert kendall(x, y) == pytest.approx(scipy.stats.kendalltau(x, y).statistic, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(few, few, counts)
def test_a_whole_weight_is_a_repetition(x, y, weight):
    for function in (spearman, kendall):
        repeated = function(np.repeat(x, weight), np.repeat(y, weight))
        weighted = function(x, y, weight=weight)
        assert weighted == pytest.approx(repeated, abs=1e-12, nan_ok=True)


def test_without_ties_on_many_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    y = x + rng.normal(size=3000)
    assert kendall(x, y) == pytest.approx(scipy.stats.kendalltau(x, y).statistic, abs=1e-12)
    assert kendall(x, -(x**3)) == -1.0
    assert spearman(x, np.exp(x)) == pytest.approx(1.0)


@pytest.mark.parametrize("function", [spearman, kendall])
def test_nan_rows_are_dropped_and_too_few_rows_give_nan(function):
    assert function([1, 2, np.nan, 4], [1, 2, 3, 4]) == pytest.approx(1.0)
    assert function([1, 2, 3, 4], [4, np.nan, 2, 1]) == pytest.approx(-1.0)
    assert np.isnan(function([], []))
    assert np.isnan(function([1.0], [2.0]))
    assert np.isnan(function([1.0, 1.0], [2.0, 3.0]))
    assert np.isnan(function([np.nan, 1.0], [1.0, 2.0]))
    assert np.isnan(function([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], weight=[0, 0, 1]))
    # a constant whose ranks could differ by rounding
    assert np.isnan(function(np.full(7, 0.1), np.arange(7), weight=np.full(7, 1 / 3)))
