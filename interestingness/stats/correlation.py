"""Rank correlations with ties and weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from interestingness.schema import Array
from interestingness.stats.columns import columns


def spearman(x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None) -> float:
    """Spearman's rank correlation with mean ranks for ties.

    >>> spearman([1, 2, 3, 4], [1, 2, 4, 3])
    0.8

    Args:
        x: numbers, shape (rows,); rows with NaN on either side are dropped.
        y: numbers, shape (rows,).
        weight: non-negative. A whole number counts as that many copies of the row (ranks
            included), as a bootstrap by weights needs.

    Returns:
        In [-1, 1]; NaN for fewer than two rows or a constant column.
    """
    x_, y_, w = _known(x, y, weight)
    return _pearson(middle_ranks(x_, w), middle_ranks(y_, w), w)


def kendall(x: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None) -> float:
    """Kendall's tau-b, in O(rows · log² rows).

    Args:
        x: numbers, shape (rows,); rows with NaN on either side are dropped.
        y: numbers, shape (rows,).
        weight: non-negative; a whole number counts as that many copies of the row.

    Returns:
        In [-1, 1]; NaN for fewer than two rows or a constant column.
    """
    x_, y_, w = _known(x, y, weight)
    if len(x_) < 2:
        return float("nan")
    _, x_rank = np.unique(x_, return_inverse=True)
    _, y_rank = np.unique(y_, return_inverse=True)
    x_pairs = _untied(x_rank, w)
    y_pairs = _untied(y_rank, w)
    if x_pairs <= 0 or y_pairs <= 0:
        return float("nan")
    either = _untied(x_rank * (y_rank.max() + 1) + y_rank, w)
    # pairs untied in both columns: |untied x| + |untied y| - |untied in at least one|
    both = x_pairs + y_pairs - either
    order = np.lexsort((y_rank, x_rank))
    discordant = _inversions(y_rank[order], w[order])
    tau = (both - 2 * discordant) / np.sqrt(x_pairs * y_pairs)
    return float(np.clip(tau, -1.0, 1.0))


def _known(x: ArrayLike, y: ArrayLike, weight: ArrayLike | None) -> tuple[Array, Array, Array]:
    x_, y_, w = columns(x, y, weight=weight)
    known = ~np.isnan(x_) & ~np.isnan(y_) & (w > 0)
    return x_[known], y_[known], w[known]


def middle_ranks(values: Array, weight: Array) -> Array:
    """Mean ranks minus one half, as if each row occurred ``weight`` times.

    Args:
        values: no NaN, shape (rows,).
        weight: above 0, shape (rows,).

    Returns:
        Strictly between 0 and the total weight; equal values have equal ranks, shape (rows,).
    """
    _, group = np.unique(values, return_inverse=True)
    size = np.bincount(group, weights=weight) if len(values) else np.empty(0)
    middle: Array = np.cumsum(size, dtype=np.float64) - size / 2
    return middle[group]


def _pearson(x: Array, y: Array, weight: Array) -> float:
    if len(x) < 2 or x.min() == x.max() or y.min() == y.max():
        return float("nan")
    x = x - np.average(x, weights=weight)
    y = y - np.average(y, weights=weight)
    norm = np.sqrt((weight @ (x * x)) * (weight @ (y * y)))
    return float(np.clip(weight @ (x * y) / norm, -1.0, 1.0))


def _untied(group: np.ndarray, weight: Array) -> float:
    """Sum of weight products over the pairs of rows in different groups."""
    size = np.bincount(group, weights=weight)
    return float((weight.sum() ** 2 - size @ size) / 2)


def _inversions(rank: np.ndarray, weight: Array) -> float:
    """Sum of weight products over the pairs in which an earlier row has the greater rank.

    Two ranks differ first at one binary digit, so each inversion is found at exactly one digit,
    among rows that agree on all higher digits.
    """
    total = 0.0
    for digit in range(int(rank.max()).bit_length()):
        higher = rank >> (digit + 1)
        order = np.argsort(higher, kind="stable")
        group, one = higher[order], ((rank[order] >> digit) & 1).astype(bool)
        w = weight[order]
        ones = np.cumsum(np.where(one, w, 0.0))
        start = np.searchsorted(group, group, side="left")
        before = ones - np.where(start > 0, ones[start - 1], 0.0)
        total += float((w * before)[~one].sum())
    return total
