"""Calibration of predicted probabilities: reliability curve, calibration error, Brier, log loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlog1py, xlogy

from interestingness.schema import Array
from interestingness.stats.columns import check_preference, columns, weighted_mean


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins of a reliability diagram; empty bins are left out.

    Attributes:
        predicted: mean predicted probability in the bin, ascending, shape (bins,).
        observed: mean outcome in the bin, shape (bins,).
        weight: total weight in the bin, shape (bins,).
    """

    predicted: Array
    observed: Array
    weight: Array


def reliability_curve(
    probability: ArrayLike,
    outcome: ArrayLike,
    *,
    bins: int = 10,
    weight: ArrayLike | None = None,
    symmetric: bool = True,
) -> Reliability:
    """Mean prediction against mean outcome in equal-width bins of [0, 1].

    Args:
        probability: predicted probability, in [0, 1], shape (rows,).
        outcome: 0, 1 or a soft label in [0, 1]; NaN rows are dropped.
        bins: number of bins.
        weight: non-negative; None weighs rows alike.
        symmetric: count each pair as (p, y) and as (1 - p, 1 - y) at half weight, so that the
            result does not depend on which image is left. False for outcomes that are not
            preferences (the flag of a single image).
    """
    p, y, w = _rows(probability, outcome, weight, symmetric)
    # rounded, so that 0.1 and 1 − 0.9 fall on the same side of an edge
    row = np.minimum(np.round(p * bins, 9).astype(np.int64), bins - 1)
    total: Array = np.bincount(row, weights=w, minlength=bins).astype(np.float64)
    some = total > 0
    predicted = np.bincount(row, weights=w * p, minlength=bins)[some] / total[some]
    observed = np.bincount(row, weights=w * y, minlength=bins)[some] / total[some]
    return Reliability(predicted, observed, total[some])


def expected_calibration_error(
    probability: ArrayLike,
    outcome: ArrayLike,
    *,
    bins: int = 10,
    weight: ArrayLike | None = None,
    symmetric: bool = True,
) -> float:
    """Mean distance between prediction and outcome over the bins of ``reliability_curve``.

    Returns:
        In [0, 1]; 0 is calibrated; NaN without rows. Biased upwards for few rows per bin.
    """
    curve = reliability_curve(probability, outcome, bins=bins, weight=weight, symmetric=symmetric)
    return weighted_mean(np.abs(curve.predicted - curve.observed), curve.weight)


def brier(probability: ArrayLike, outcome: ArrayLike, *, weight: ArrayLike | None = None) -> float:
    """Mean squared distance between prediction and outcome; 0.25 for 0.5 everywhere on hard labels.

    Args:
        probability: predicted probability, in [0, 1], shape (rows,).
        outcome: 0, 1 or a soft label in [0, 1]; NaN rows are dropped.
        weight: non-negative; None weighs rows alike.

    Returns:
        In [0, 1]; NaN without rows.
    """
    p, y, w = _rows(probability, outcome, weight, symmetric=False)
    return weighted_mean((p - y) ** 2, w)


def log_loss(
    probability: ArrayLike, outcome: ArrayLike, *, weight: ArrayLike | None = None
) -> float:
    """Mean cross-entropy in nats; ln 2 for 0.5 everywhere, infinite for a certain wrong answer.

    Args:
        probability: predicted probability, in [0, 1], shape (rows,).
        outcome: 0, 1 or a soft label in [0, 1]; NaN rows are dropped.
        weight: non-negative; None weighs rows alike.
    """
    p, y, w = _rows(probability, outcome, weight, symmetric=False)
    return weighted_mean(-xlogy(y, p) - xlog1py(1 - y, -p), w)


def _rows(
    probability: ArrayLike, outcome: ArrayLike, weight: ArrayLike | None, symmetric: bool
) -> tuple[Array, Array, Array]:
    p, y, w = columns(probability, outcome, weight=weight)
    check_preference(p)
    check_preference(y)
    known = ~np.isnan(p) & ~np.isnan(y) & (w > 0)
    p, y, w = p[known], y[known], w[known]
    if symmetric:
        p, y, w = np.r_[p, 1 - p], np.r_[y, 1 - y], np.r_[w, w] / 2
    return p, y, w
