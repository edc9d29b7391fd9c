"""Intervals of shares without resampling: exact, and Wilson's for pairs that share images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri

from interestingness.stats.bootstrap import Interval
from interestingness.stats.columns import columns, weighted_mean


def exact_share(successes: int, of: int, *, level: float = 0.95) -> Interval:
    """A share with its exact binomial interval; NaN of nothing.

    Source:
        Clopper and Pearson 1934.
    """
    nan = float("nan")
    if of == 0:
        return Interval(nan, nan, nan, level, 0)
    tail = (1 - level) / 2
    low = float(betaincinv(successes, of - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, of - successes, 1 - tail)) if successes < of else 1.0
    return Interval(successes / of, low, high, level, 0)


def quick_share(
    hits: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    noise: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    """Mean of one number in [0, 1] for each pair, with Wilson's interval for an effective number.

    Nothing is resampled, so that the interval depends neither on the images' names nor on the order
    of rows; coverage and width are those of ``share_interval``. The effective number of independent
    pairs is share · (1 − share) / variance, with the variance of ``accuracy_interval``, from the
    errors of all pairs that share an image. Where all numbers are 0, or all 1, the errors tell
    nothing: it is then at most the largest possible number of disjoint pairs (half the images).

    Args:
        hits: per pair, no NaN, shape (pairs,).
        left: row of each pair's left image, shape (pairs,).
        right: row of the right image.
        weight: non-negative; None weighs pairs alike.
        noise: numbers whose mean varies as the one wanted, where that is more than the mean of
            ``hits``, shape (pairs,).
        level: nominal coverage.

    Source:
        Wilson 1927; the variance: Fafchamps and Gubert 2007.
    """
    value, w = columns(hits, weight=weight)
    share = weighted_mean(value, w)
    if np.isnan(share):
        return Interval(share, share, share, level, 0)
    images, rows = np.unique(np.concatenate([left, right]), return_inverse=True)
    first, second = rows[: len(value)], rows[len(value) :]
    varying = value if noise is None else np.asarray(noise, dtype=np.float64)
    error = w * (varying - weighted_mean(varying, w)) / w.sum()
    many = len(images)
    by_image = np.bincount(first, error, many) + np.bincount(second, error, many)
    own = float(error @ error)
    variance = max(float(by_image @ by_image) - own, own)
    if variance > 0 and 0 < share < 1:
        worth = share * (1 - share) / variance
    else:
        worth = min(float(w.sum() ** 2 / (w @ w)), max(1.0, many / 2))
    z = float(ndtri((1 + level) / 2))
    middle = (share + z * z / (2 * worth)) / (1 + z * z / worth)
    reach = z / (1 + z * z / worth) * np.sqrt(share * (1 - share) / worth + (z / (2 * worth)) ** 2)
    return Interval(share, float(max(middle - reach, 0)), float(min(middle + reach, 1)), level, 0)
