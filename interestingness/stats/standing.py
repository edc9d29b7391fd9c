"""Percentiles, probabilities and stars of scores among other scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit


def percentile(scores: ArrayLike, among: ArrayLike) -> NDArray[np.float64]:
    """Share of other scores that are lower, plus half of the equal ones.

    Args:
        scores: NaN for none, shape (images,).
        among: scores to compare with, shape (others,); NaN values are left out.

    Returns:
        In [0, 1], NaN without a score or others to compare with, shape (images,).
    """
    given = np.asarray(scores, dtype=np.float64)
    others = np.asarray(among, dtype=np.float64)
    others = np.sort(others[~np.isnan(others)])
    if not len(others):
        return np.full(len(given), np.nan)
    below = np.searchsorted(others, given, "left") + np.searchsorted(others, given, "right")
    return np.where(np.isnan(given), np.nan, below / (2 * len(others)))


def beats_median(scores: ArrayLike) -> NDArray[np.float64]:
    """Probability that an image is preferred to one with the median score.

    Args:
        scores: in logits, as scorers that learnt from pairs give them; NaN where there is none,
            shape (images,).

    Returns:
        In [0, 1]; NaN where there is no score, shape (images,).
    """
    given = np.asarray(scores, dtype=np.float64)
    if np.isnan(given).all():
        return given
    return np.asarray(expit(given - np.nanmedian(given)))


STARS = (0.10, 0.325, 0.675, 0.90)
"""Percentiles from which an image has 2, 3, 4 and 5 stars: the highest tenth has five, the lowest
tenth one, the middle third three."""


def stars(percentile: ArrayLike) -> NDArray[np.int64]:
    """One to five stars by percentile.

    Args:
        percentile: in [0, 1], NaN where there is no score, shape (images,).

    Returns:
        1 to 5, and 0 (which means no rating in XMP) where there is no score, shape (images,).
    """
    given = np.asarray(percentile, dtype=np.float64)
    found = 1 + np.searchsorted(STARS, given, side="right")
    return np.where(np.isnan(given), 0, found).astype(np.int64)
