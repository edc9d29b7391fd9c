"""Logistic regression of preferences on antisymmetric signals: no intercept, L2 on the slopes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit

from interestingness.schema import Array
from interestingness.stats.columns import check_preference, columns

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def antisymmetric_logistic(
    signals: ArrayLike, preference: ArrayLike, *, ridge: float, weight: ArrayLike | None = None
) -> Array:
    """Slopes w that maximise Σ v [p log σ(x·w) + (1 − p) log σ(−x·w)] − ridge/2 · |w|².

    There is no intercept, so that swapping a pair's images (x to −x, p to 1 − p) changes nothing.
    For linear heads on features see ``learning.linear_solver.fit`` (docs/decisions/0033).

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
    return _newton(x, p, v[None, :], ridge)[0]


def choose_ridge(
    signals: ArrayLike,
    preference: ArrayLike,
    folds: Sequence[Fold],
    *,
    ridges: Sequence[float],
    weight: ArrayLike | None = None,
) -> tuple[float, NDArray[np.int64], Array]:
    """The ridge whose margins of test pairs have the lowest log loss.

    Args:
        signals, preference, weight: as for ``antisymmetric_logistic``.
        folds: rows to fit and rows to test.
        ridges: to choose from.

    Returns:
        The ridge, the tested rows (a pair may occur more than once) and their margins. Without
        folds, the largest ridge and no rows.
    """
    x = np.asarray(signals, dtype=np.float64)
    p, v = columns(preference, weight=weight)
    check_preference(p)
    fitted = np.zeros((len(folds), len(p)))
    for i, (train, _) in enumerate(folds):
        fitted[i, train] = v[train]
    rows = np.concatenate([test for _, test in folds]) if folds else np.empty(0, dtype=np.int64)
    best, lowest = (max(ridges), rows, np.empty(0)), np.inf
    for ridge in sorted(ridges, reverse=True) if folds else ():
        slopes = _newton(x, p, fitted, ridge)
        margins = np.concatenate([x[test] @ w for (_, test), w in zip(folds, slopes, strict=True)])
        cost = -v[rows] @ (p[rows] * log_expit(margins) + (1 - p[rows]) * log_expit(-margins))
        if cost < lowest:
            best, lowest = (ridge, rows, margins), float(cost)
    return best


def _newton(x: Array, p: Array, weight: Array, ridge: float) -> Array:
    """Newton's method for several fits that differ in their weights.

    Args:
        x: (pairs, signals).
        p: (pairs,).
        weight: (fits, pairs).
        ridge: of every fit.

    Returns:
        Slopes, shape (fits, signals).
    """

    def loss(w: Array) -> Array:
        margin = w @ x.T
        likelihood = (weight * (p * log_expit(margin) + (1 - p) * log_expit(-margin))).sum(axis=1)
        return np.asarray(ridge / 2 * (w * w).sum(axis=1) - likelihood)

    slopes = np.zeros((len(weight), x.shape[1]))
    current = loss(slopes)
    close = 1e-9 * np.maximum(1.0, weight.sum(axis=1, keepdims=True))
    for _ in range(100):
        s = expit(slopes @ x.T)
        gradient = (weight * (s - p)) @ x + ridge * slopes
        if (np.abs(gradient) < close).all():
            break
        hessian = np.einsum("fn,nd,ne->fde", weight * s * (1 - s), x, x, optimize=True)
        hessian += ridge * np.eye(x.shape[1])
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        length = np.ones((len(weight), 1))
        for _ in range(30):
            moved = loss(slopes - length * step)
            worse = moved > current + 1e-12 * np.abs(current)
            if not worse.any():
                break
            length[worse] /= 2
        slopes, current = slopes - length * step, moved
    return slopes
