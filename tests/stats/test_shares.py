"""Intervals of shares against scipy and on planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from interestingness.stats.bootstrap import share_interval
from interestingness.stats.shares import exact_share, quick_share


def test_the_exact_interval_is_scipy_s() -> None:
    for k, n in ((0, 7), (3, 7), (7, 7), (116, 116)):
        ours, other = exact_share(k, n), binomtest(k, n).proportion_ci(0.95, "exact")
        assert (ours.low, ours.high) == pytest.approx((other.low, other.high))
        assert ours.estimate == k / n
    assert np.isnan(exact_share(0, 0).estimate) and np.isnan(exact_share(0, 0).low)


def test_without_shared_images_it_is_wilson_s() -> None:
    hits = np.array([1.0] * 14 + [0.0] * 6)
    found = quick_share(hits, np.arange(20), np.arange(20) + 20)
    other = binomtest(14, 20).proportion_ci(0.95, "wilson")
    assert (found.low, found.high) == pytest.approx((other.low, other.high))


def test_it_holds_the_truth_where_pairs_share_images() -> None:
    """Half of what makes a pair right is its images', which come in several pairs."""
    rng = np.random.default_rng(5)
    held, worlds, truth = 0, 400, 0.75
    for _ in range(worlds):
        left = rng.integers(0, 120, 100)
        right = (left + 1 + rng.integers(0, 119, 100)) % 120
        easy = rng.choice([-0.1, 0.1], 120)
        hits = (rng.random(100) < truth + easy[left] + easy[right]).astype(float)
        found = quick_share(hits, left, right)
        held += found.low <= truth <= found.high
    assert 0.92 <= held / worlds <= 0.98


def test_it_is_about_as_wide_as_resampling() -> None:
    rng = np.random.default_rng(6)
    left = rng.integers(0, 60, 150)
    right = (left + 1 + rng.integers(0, 59, 150)) % 60
    weight = rng.integers(1, 6, 150)
    hits = rng.binomial(weight, 0.7) / weight
    quick = quick_share(hits, left, right, weight=weight)
    slow = share_interval(hits, left, right, weight=weight, seed=0)
    assert quick.estimate == pytest.approx(slow.estimate)
    assert quick.high - quick.low == pytest.approx(slow.high - slow.low, rel=0.2)


def test_all_right_is_worth_at_most_the_disjoint_pairs() -> None:
    left, right = np.triu_indices(8, 1)  # 28 pairs of 8 images, 4 of them disjoint
    found = quick_share(np.ones(28), left, right)
    alone = quick_share(np.ones(4), np.arange(4), np.arange(4) + 4)
    assert found == alone and found.high == pytest.approx(1)


def test_names_of_images_and_the_order_of_pairs_do_not_matter() -> None:
    rng = np.random.default_rng(8)
    left, right = np.triu_indices(9, 1)
    hits, weight = rng.random(36), rng.integers(1, 4, 36)
    one = quick_share(hits, left, right, weight=weight)
    name, row = rng.permutation(9), rng.permutation(36)
    other = quick_share(hits[row], name[right[row]], name[left[row]], weight=weight[row])
    for end in ("estimate", "low", "high"):
        assert getattr(other, end) == pytest.approx(getattr(one, end), abs=1e-12)


def test_all_right_and_nothing() -> None:
    found = quick_share(np.ones(10), np.arange(10), np.arange(10) + 10)
    assert found.high == pytest.approx(1) and 0.65 < found.low < 0.8
    assert np.isnan(quick_share(np.empty(0), np.empty(0, int), np.empty(0, int)).estimate)
