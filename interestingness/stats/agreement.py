"""Agreement on the preferred side: of a model and a reference, two sources, or votes on a pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from interestingness.schema import Array
from interestingness.stats.columns import check_preference, columns, weighted_mean

TIE = 0.5


def correct(margin: ArrayLike, preference: ArrayLike) -> Array:
    """Per pair 1 if the margin has the sign of the preferred side, 0 if not, 0.5 for margin 0.

    Args:
        margin: score of left minus score of right, shape (pairs,).
        preference: probability that left is preferred, in [0, 1]; only its side is used.

    Returns:
        Shape (pairs,); NaN where the preference is a tie or NaN (undecided) or the margin is NaN.
    """
    margins, preferences, _ = columns(margin, preference)
    check_preference(preferences)
    decided = ~np.isnan(preferences) & (preferences != TIE)
    same = 0.5 + 0.5 * np.sign(margins) * np.sign(preferences - TIE)
    return np.where(decided, same, np.nan)


def accuracy(margin: ArrayLike, preference: ArrayLike, *, weight: ArrayLike | None = None) -> float:
    """Share of decided pairs on which the sign of the margin is the preferred side.

    A margin of exactly 0 counts one half. Ties and NaN preferences are not decided and do not
    count. A NaN margin on a decided pair makes the result NaN, so that a diverged model gets no
    accuracy.

    >>> accuracy([2.0, -1.0, 0.0, 3.0], [1.0, 1.0, 0.0, 0.5])
    0.5

    Args:
        margin: score of left minus score of right, in logits, shape (pairs,).
        preference: the reference's probability that left is preferred, in [0, 1] or NaN.
        weight: non-negative; None weighs pairs alike.

    Returns:
        In [0, 1]; NaN if no pair is decided.

    Raises:
        LabelError: for different lengths, a preference outside [0, 1] or a bad weight.

    Source:
        Accuracy of Abdullahu and Grabner 2025, whose labels have no ties.
    """
    margins, preferences, weights = columns(margin, preference, weight=weight)
    decided = ~np.isnan(preferences) & (preferences != TIE) & (weights > 0)
    return weighted_mean(correct(margins, preferences)[decided], weights[decided])


def agreement(p: ArrayLike, q: ArrayLike, *, weight: ArrayLike | None = None) -> float:
    """Share of pairs, labelled and untied in both sources, on which they choose the same side.

    Args:
        p: preference of one source, in [0, 1] or NaN, shape (pairs,).
        q: preference of the other.
        weight: non-negative; None weighs pairs alike.

    Returns:
        In [0, 1]; NaN if no pair is decided by both. Chance is 0.5; see ``kappa``.

    Source:
        A^(M,N)(S) of Abdullahu and Grabner 2025; ties are excluded from S here.
    """
    one, other, weights = columns(p, q, weight=weight)
    check_preference(one)
    check_preference(other)
    decided = ~np.isnan(one) & ~np.isnan(other) & (one != TIE) & (other != TIE)
    same = (one > TIE) == (other > TIE)
    return weighted_mean(same[decided].astype(np.float64), weights[decided])


def agreement_matrix(preferences: Sequence[ArrayLike], *, fewest: int = 1) -> Array:
    """Agreement of all pairs of sources.

    Args:
        preferences: of each source, in [0, 1] or NaN, each of shape (pairs,).
        fewest: least number of commonly decided pairs; with fewer the cell is NaN.

    Returns:
        Symmetric, in [0, 1], shape (sources, sources); NaN on the diagonal and where two sources
        have too few pairs in common.
    """
    found = np.full((len(preferences), len(preferences)), np.nan)
    sides = [np.sign(np.asarray(p, dtype=np.float64) - TIE) for p in preferences]
    for i, one in enumerate(sides):
        for j, other in enumerate(sides[:i]):
            both = np.abs(one * other) > 0  # neither is a tie or NaN
            if both.sum() >= max(fewest, 1):
                found[i, j] = found[j, i] = float((one == other)[both].mean())
    return found


def kappa(p: ArrayLike, q: ArrayLike, *, weight: ArrayLike | None = None) -> float:
    """Agreement beyond chance: 2 · agreement − 1.

    Which image of a pair is left follows from the images' names, so that chance is ½ whatever the
    two sources' shares of "left" are. It is Cohen's kappa of the pairs taken in both orders.

    Returns:
        In [−1, 1]; 0 at chance; NaN if nothing is decided.

    Source:
        Bennett, Alpert and Goldstein 1954 (S, of two categories).
    """
    return 2 * agreement(p, q, weight=weight) - 1


def consensus(share: ArrayLike) -> Array:
    """Share of a pair's votes on its majority side.

    Args:
        share: share of votes for left, a tie vote counted as half for each side, in [0, 1] or NaN.

    Returns:
        In [0.5, 1], NaN where the share is NaN; the same for left and right swapped.
    """
    (shares, _) = columns(share)
    check_preference(shares)
    return np.maximum(shares, 1.0 - shares)
