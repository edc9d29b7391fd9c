"""Percentiles against scipy; the probability of beating the median image."""

from __future__ import annotations

import numpy as np
from scipy.stats import percentileofscore

from interestingness.stats.standing import beats_median, percentile, stars


def test_percentile_is_scipys() -> None:
    rng = np.random.default_rng(1)
    scores, others = rng.integers(0, 9, 40).astype(float), rng.integers(0, 9, 60).astype(float)
    scipys = [percentileofscore(others, s, kind="mean") / 100 for s in scores]
    np.testing.assert_allclose(percentile(scores, others), scipys)


def test_absent_scores_stay_absent() -> None:
    found = percentile([1.0, np.nan, 3.0], [np.nan, 2.0])
    np.testing.assert_array_equal(found, [0.0, np.nan, 1.0])
    assert np.isnan(percentile([1.0], [])).all()
    assert np.isnan(beats_median([np.nan, np.nan])).all()


def test_the_median_image_has_even_odds() -> None:
    found = beats_median([-1.0, 0.5, 2.0, np.nan])
    assert found[1] == 0.5
    np.testing.assert_allclose(found[2], 1 / (1 + np.exp(-1.5)))
    assert np.isnan(found[3])


def test_stars_have_the_shares_that_are_promised() -> None:
    scores = np.random.default_rng(0).normal(size=1000)
    given = stars(percentile(scores, scores))
    assert np.bincount(given, minlength=6).tolist() == [0, 100, 225, 350, 225, 100]
    assert stars([0.0, 0.0999, 0.10, 0.5, 0.9, 1.0, np.nan]).tolist() == [1, 1, 2, 3, 5, 5, 0]
    order = np.argsort(scores)
    assert (np.diff(given[order]) >= 0).all()
