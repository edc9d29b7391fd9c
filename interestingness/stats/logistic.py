"""Logistic regression of preferences on antisymmetric signals: no intercept, L2 on the slopes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit

from interestingness.stats.columns import Array, check_preference, columns


def antisymmetric_logistic(
    signals: ArrayLike, preference: ArrayLike, *, ridge: float, weight: ArrayLike | None = None
) -> Array:
    """Slopes w that maximise Σ v [p log σ(x·w) + (1 − p) log σ(−x·w)] − ridge/2 · |w|².

    Without an intercept, swapping a pair's images (x to −x, p to 1 − p) changes nothing.

    Args:
        signals: one row per pair, each column negated by a swap, shape (pairs, signals).
        preference: in [0, 1], no NaN, shape (pairs,).
        ridge: above 0, so that separable signals stay finite.
        weight: non-negative, e.g. the number of votes; None weighs pairs alike.

    Returns:
        Slopes, shape (signals,).
    """
    x = np.asarray(signals, dtype=np.float64)
    p, v = columns(preference, weight=weight)
    check_preference(p)

    def loss(w: Array) -> float:
        margin = x @ w
        return float(
            ridge / 2 * (w @ w) - v @ (p * log_expit(margin) + (1 - p) * log_expit(-margin))
        )

    slopes = np.zeros(x.shape[1])
    current = loss(slopes)
    for _ in range(100):
        s = expit(x @ slopes)
        gradient = x.T @ (v * (s - p)) + ridge * slopes
        if np.abs(gradient).max(initial=0.0) < 1e-9 * max(1.0, float(v.sum())):
            break
        hessian = (x.T * (v * s * (1 - s))) @ x + ridge * np.eye(len(slopes))
        step = np.linalg.solve(hessian, gradient)
        length = 1.0
        while (lower := loss(slopes - length * step)) > current and length > 1e-8:
            length /= 2
        slopes, current = slopes - length * step, min(lower, current)
    return slopes


def cross_validated_margins(
    signals: ArrayLike,
    preference: ArrayLike,
    folds: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    ridge: float,
    weight: ArrayLike | None = None,
) -> tuple[NDArray[np.int64], Array]:
    """Margins of test pairs from slopes that never saw them.

    Args:
        signals, preference, weight: as for ``antisymmetric_logistic``.
        folds: rows to fit and rows to test.
        ridge: as for ``antisymmetric_logistic``.

    Returns:
        Rows tested (a pair may come more than once) and their margins, shape (tests,) each.
    """
    x = np.asarray(signals, dtype=np.float64)
    p, v = columns(preference, weight=weight)
    rows, margins = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    for train, test in folds:
        slopes = antisymmetric_logistic(x[train], p[train], ridge=ridge, weight=v[train])
        rows.append(test)
        margins.append(x[test] @ slopes)
    return np.concatenate(rows), np.concatenate(margins)


def choose_ridge(
    signals: ArrayLike,
    preference: ArrayLike,
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    ridges: Sequence[float],
    weight: ArrayLike | None = None,
) -> tuple[float, NDArray[np.int64], Array]:
    """The ridge whose margins of test pairs have the lowest log loss.

    Returns:
        The ridge, and the tested rows and margins that it was chosen by. With no fold, the
        largest ridge and no rows.
    """
    p, v = columns(preference, weight=weight)
    best: tuple[float, NDArray[np.int64], Array] | None = None
    lowest = np.inf
    for ridge in sorted(ridges, reverse=True):
        rows, margins = cross_validated_margins(
            signals, preference, folds, ridge=ridge, weight=weight
        )
        cost = -v[rows] @ (p[rows] * log_expit(margins) + (1 - p[rows]) * log_expit(-margins))
        if best is None or cost < lowest:
            best, lowest = (ridge, rows, margins), float(cost)
    assert best is not None, "at least one ridge"
    return best
