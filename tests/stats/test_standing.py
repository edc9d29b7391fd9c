"""Percentiles against scipy; the probability of beating the median image."""

from __future__ import annotations

import numpy as np
from scipy.stats import percentileofscore

from interestingness.stats.standing import beats_median, percentile


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
