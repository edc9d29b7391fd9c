"""Agreement of raters with each other (what one person reaches) and with themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from interestingness.schema import Array
from interestingness.stats.columns import columns, weighted_mean


def one_person(
    pair: ArrayLike, rater: ArrayLike, preference: ArrayLike, *, weight: ArrayLike | None = None
) -> float:
    """Accuracy of one person against the majority of the others, averaged over the votes.

    For a vote ``v`` (left or right) of rater ``r`` on pair ``p`` let ``M`` be the majority side of
    the votes on ``p`` by raters other than ``r``, a tie vote counting half for each side:

        accuracy = Σ_v w_v (1[v = M] + ½·1[M is a tie]) / Σ_v w_v

    over all decided votes on pairs with another rater's vote. A tie of the others counts one half.
    It is the accuracy of a typical *single* rater; a model that predicts the majority well can
    exceed it.

    Args:
        pair: any number that names the vote's pair, shape (votes,).
        rater: any number that names the rater, shape (votes,).
        preference: 1 left chosen, 0 right, 0.5 a tie, NaN no usable answer, shape (votes,).
        weight: non-negative weight of the vote as the one left out (its pair's weight in an image
            bootstrap); the majority of the others is not weighted.

    Returns:
        In [0, 1]; NaN where no pair has votes of two raters.
    """
    *_, w = columns(preference, weight=weight)
    hit = agrees_with_others(pair, rater, preference)
    used = ~np.isnan(hit)
    return weighted_mean(hit[used], w[used])


def agrees_with_others(pair: ArrayLike, rater: ArrayLike, preference: ArrayLike) -> Array:
    """Per vote 1 if it equals the majority of the other raters' votes on its pair, else 0.

    Args:
        pair, rater, preference: as for ``one_person``.

    Returns:
        Shape (votes,); 0.5 if the others are tied; NaN for a tie, an unusable answer, or a pair
        without votes of others.
    """
    choice, *_ = columns(preference)
    known = ~np.isnan(choice)
    hit = np.full(len(choice), np.nan)
    if not known.any():
        return hit
    own = choice[known]
    _, p = np.unique(np.asarray(pair).reshape(-1)[known], return_inverse=True)
    _, r = np.unique(np.asarray(rater).reshape(-1)[known], return_inverse=True)
    # everything one rater said on one pair is left out together, repeats included
    _, block = np.unique(p.astype(np.int64) * (r.max() + 1) + r, return_inverse=True)
    lead = own - 0.5
    others = np.bincount(p, weights=lead)[p] - np.bincount(block, weights=lead)[block]
    number = np.bincount(p)[p] - np.bincount(block)[block]
    used = (number > 0) & (lead != 0)
    hit[known] = np.where(used, 0.5 + 0.5 * np.sign(lead) * np.sign(others), np.nan)
    return hit


def repetition_stability(
    pair: ArrayLike, rater: ArrayLike, first: ArrayLike, preference: ArrayLike
) -> tuple[float, int]:
    """Mean share of the most frequent answer of one rater to one pair in one order.

    Args:
        pair: any number that names the vote's pair, shape (votes,).
        rater: any number that names the rater, shape (votes,).
        first: +1 where left was shown first, −1 right, 0 unknown, shape (votes,).
        preference: 1 left chosen, 0 right, 0.5 a tie, NaN no usable answer, shape (votes,).

    Returns:
        The mean, in (0, 1], over (rater, pair, order) cells with two or more answers, and their
        number; NaN and 0 without such cells. Random answers give 0.75 for two answers, so compare
        only cells of one size.

    Source:
        Repetition stability: Shi et al. 2024 (arXiv 2406.07791).
    """
    answer, shown, _ = columns(preference, first)
    known = ~np.isnan(answer)
    if not known.any():
        return float("nan"), 0
    cell = np.zeros(int(known.sum()), dtype=np.int64)
    for name in (pair, rater, shown):
        values, row = np.unique(np.asarray(name).reshape(-1)[known], return_inverse=True)
        cell = np.unique(cell * len(values) + row, return_inverse=True)[1]
    size = np.bincount(cell)
    modal: Array = np.zeros(len(size))
    for value in (0.0, 0.5, 1.0):
        modal = np.maximum(modal, np.bincount(cell[answer[known] == value], minlength=len(size)))
    repeated = size > 1
    if not repeated.any():
        return float("nan"), 0
    return float((modal[repeated] / size[repeated]).mean()), int(repeated.sum())
