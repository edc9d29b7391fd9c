"""Labels of different sources on one scale, and the spread of human opinion around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, ndtri

from interestingness.labels.source import LabelSource
from interestingness.schema import Array, Pairs
from interestingness.stats.correlation import middle_ranks

CERTAINTY = 0.02
"""A source's preference is clipped to [0.02, 0.98], so that hard labels have finite logits."""
CONCENTRATIONS = np.geomspace(0.5, 200.0, 60)


def signal(source: LabelSource, pairs: Pairs) -> Array:
    """A source's label as a number: above 0 for left, negated by a swap, NaN without a label.

    Scores of images are first replaced by normal scores, the normal quantiles of their ranks (equal
    scores share one), so that skewed scores, such as counts of views, are as usable as ratings.

    Returns:
        Difference of normal scores, or logit of the clipped preference, shape (pairs,).
    """
    scores = source.image_scores()
    if scores is None:
        p = np.clip(source.labels(pairs).preference, CERTAINTY, 1 - CERTAINTY)
        return np.log(p) - np.log1p(-p)
    normal = normal_scores(scores)
    row_of = {name: row for row, name in enumerate(source.tables.image_ids.tolist())}
    at = np.array([row_of.get(name, -1) for name in pairs.image_ids.tolist()], dtype=np.int64)
    padded = np.append(normal, np.nan)
    difference: Array = padded[at[pairs.left]] - padded[at[pairs.right]]
    return difference


def normal_scores(values: NDArray[np.float64]) -> Array:
    """Normal quantile of each value's middle rank; NaN stays NaN, shape of ``values``."""
    known = ~np.isnan(values)
    result = np.full(len(values), np.nan)
    weight = np.ones(int(known.sum()))
    result[known] = ndtri(middle_ranks(values[known], weight) / max(len(weight), 1))
    return result


def human_weight(p: Array, h: Array, n: Array) -> float:
    """Concentration κ of human opinion around p: shares of votes ~ Beta(κ p, κ (1 − p)).

    Maximum of the beta-binomial likelihood of n votes of mean h, with a log-normal prior around 8
    (of standard deviation 1 in log κ), which determines κ if pairs have one vote each.

    Args:
        p: predicted preference of pairs, in (0, 1), shape (pairs,).
        h: mean human vote, in [0, 1], shape (pairs,).
        n: number of votes, shape (pairs,).

    Returns:
        In [0.5, 200], in votes.
    """
    p = np.clip(p, 1e-6, 1 - 1e-6)
    values = [
        float((betaln(n * h + k * p, n * (1 - h) + k * (1 - p)) - betaln(k * p, k * (1 - p))).sum())
        - np.log(k / 8.0) ** 2 / 2
        for k in CONCENTRATIONS
    ]
    return float(CONCENTRATIONS[int(np.argmax(values))])
