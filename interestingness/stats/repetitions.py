"""Mean of repeated measurements, such as splits or simulations, with Student's interval."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval

LEVEL = 0.95
FEWEST = 5
"""Least repetitions for an interval; with fewer it is too wide or, by chance, too narrow."""


def mean_interval(values: Array, *, fewest: int = FEWEST, most: float = np.inf) -> Interval:
    """Mean over repetitions with Student's interval; NaN values are left out.

    Args:
        values: one number per repetition, shape (repeats,).
        fewest: least repetitions for an interval, 2 or more.
        most: largest possible absolute value, at which the interval is cut.
    """
    known = values[~np.isnan(values)]
    n = len(known)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, LEVEL, 0)
    mean = float(known.mean())
    if n < fewest:
        return Interval(mean, np.nan, np.nan, LEVEL, n)
    reach = float(stdtrit(n - 1, (1 + LEVEL) / 2) * known.std(ddof=1) / np.sqrt(n))
    return Interval(mean, max(mean - reach, -most), min(mean + reach, most), LEVEL, n)
