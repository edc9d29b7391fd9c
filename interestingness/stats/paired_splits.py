"""Tests whether one model is better than another over repeated splits of the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit


@dataclass(frozen=True)
class PairedDifference:
    """Mean difference of two models over splits, with a test that it is zero.

    Attributes:
        mean: NaN without a split that has both.
        low: lower end of the interval; NaN below two such splits.
        high: upper end.
        t: the corrected statistic.
        p: two-sided; 1 where the models never differ.
        splits: number of splits that have both.
    """

    mean: float
    low: float
    high: float
    t: float
    p: float
    splits: int


def corrected_paired_t(
    one: ArrayLike,
    other: ArrayLike,
    *,
    test_per_train: float,
    level: float = 0.95,
    most: float = np.inf,
) -> PairedDifference:
    """Student's paired t over splits, corrected for the overlap of their training sets.

    With the differences d of J splits, their variance s² (n − 1) and n_test test and n_train
    training pairs to a split::

        t = mean(d) / sqrt((1/J + n_test/n_train) s²),   J − 1 degrees of freedom

    The plain test divides by s²/J, as if every split were new data. It finds differences that do
    not exist, and more of them with more splits.

    Args:
        one: accuracy of one model on each split, NaN where it has none, shape (splits,).
        other: of the other model.
        test_per_train: n_test / n_train.
        level: of the interval.
        most: largest possible difference (1 for accuracies), at which the interval is cut.

    Source:
        Nadeau and Bengio 2003, Inference for the generalization error, equation 9.
    """
    difference = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    difference = difference[~np.isnan(difference)]
    count = len(difference)
    mean = float(difference.mean()) if count else float("nan")
    if count < 2:
        return PairedDifference(mean, *(float("nan"),) * 4, count)
    spread = float(np.sqrt((1 / count + test_per_train) * difference.var(ddof=1)))
    reach = float(stdtrit(count - 1, (1 + level) / 2)) * spread
    if spread == 0:
        p, ratio = (1.0, 0.0) if mean == 0 else (0.0, float(np.copysign(np.inf, mean)))
    else:
        ratio = mean / spread
        p = float(2 * stdtr(count - 1, -abs(ratio)))
    low, high = max(mean - reach, -most), min(mean + reach, most)
    return PairedDifference(mean, low, high, ratio, p, count)


def holm(p: Sequence[float]) -> NDArray[np.float64]:
    """p values of a family of tests after Holm's step-down correction, without those that are NaN.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]

    Source:
        Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    values = np.asarray(p, dtype=float)
    out = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    scaled = values[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return out
