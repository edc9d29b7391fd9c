"""Ranking quality of a score against a flag or a grade, in expectation over tied scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from interestingness.errors import LabelError
from interestingness.schema import Array
from interestingness.stats.columns import columns


def average_precision(
    score: ArrayLike, relevant: ArrayLike, *, weight: ArrayLike | None = None
) -> float:
    """Average precision, in expectation over the orders of tied scores.

    Args:
        score: higher is ranked first, shape (items,).
        relevant: 1 or 0; items with NaN on either side are dropped.
        weight: whole numbers, that many copies of the item (for a bootstrap by weights).

    Returns:
        In (0, 1]; a constant score gives about the share of relevant items. NaN if no item is
        relevant.

    Raises:
        LabelError: for a flag that is neither 0 nor 1, or a weight that is not whole.

    Source:
        Expectation over ties: McSherry and Najork, ECIR 2008.
    """
    s, r = _copies(score, relevant, weight)
    if not np.isin(r, (0.0, 1.0)).all():
        raise LabelError(
            "a relevance flag is neither 0 nor 1",
            expected="0 or 1 per item",
            todo="threshold the grade, or use ndcg",
        )
    if r.sum() == 0:
        return float("nan")
    start, size, group = _tie_groups(s)
    hits = np.bincount(group, weights=r)
    hits_before = (np.cumsum(hits) - hits)[group]
    position = np.arange(len(s)) - start[group]
    n, h = size[group], hits[group]
    # an item at a tied position is relevant with chance h/n; given that, each earlier place in the
    # group holds one of the remaining h-1 relevant items with chance (h-1)/(n-1)
    others = np.where(n > 1, position * (h - 1) / np.maximum(n - 1, 1), 0.0)
    precision = (hits_before + others + 1) / (np.arange(len(s)) + 1)
    return float((h / n * precision).sum() / r.sum())


def ndcg(
    score: ArrayLike,
    gain: ArrayLike,
    *,
    k: int | None = None,
    weight: ArrayLike | None = None,
) -> float:
    """Normalised discounted cumulative gain, in expectation over the orders of tied scores.

    Args:
        score: higher is ranked first, shape (items,).
        gain: non-negative gain of an item, used without an exponential; items with NaN on either
            side are dropped.
        k: number of first places used; None uses all.
        weight: whole numbers, that many copies of the item.

    Returns:
        In [0, 1]; NaN if all gains are 0 or there is no item.

    Raises:
        LabelError: for a negative gain, ``k`` below 1 or a weight that is not whole.
    """
    s, g = _copies(score, gain, weight)
    if (g < 0).any() or (k is not None and k < 1):
        raise LabelError(
            f"a gain of {g.min():g}" if (g < 0).any() else f"k = {k}",
            expected="gains of 0 or more, and k of 1 or more",
            todo="shift the gains, or use spearman for grades that may be negative",
        )
    discount = 1 / np.log2(np.arange(len(s)) + 2)
    if k is not None:
        discount[k:] = 0
    _, size, group = _tie_groups(s)
    mean_discount = np.bincount(group, weights=discount) / size
    best = np.sort(g)[::-1] @ discount
    return float((mean_discount[group] @ g) / best) if best > 0 else float("nan")


def _copies(score: ArrayLike, worth: ArrayLike, weight: ArrayLike | None) -> tuple[Array, Array]:
    """Items without NaN, best score first, each repeated by its weight."""
    s, v, w = columns(score, worth, weight=weight)
    copies = w.astype(np.int64)
    if (copies != w).any():
        raise LabelError(
            "a weight is not a whole number",
            expected="numbers of copies",
            todo="resample items instead of weighting them by fractions",
        )
    copies = np.where(np.isnan(s) | np.isnan(v), 0, copies)
    s, v = np.repeat(s, copies), np.repeat(v, copies)
    order = np.argsort(-s, kind="stable")
    return s[order], v[order]


def _tie_groups(s: Array) -> tuple[Array, Array, np.ndarray]:
    """Start and size of each group of equal scores, and every item's group, for sorted scores."""
    new = np.ones(len(s), dtype=bool)
    new[1:] = s[1:] != s[:-1]
    start = np.flatnonzero(new).astype(np.float64)
    size = np.diff(np.append(start, len(s)))
    return start, size, np.cumsum(new) - 1
