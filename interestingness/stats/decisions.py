"""Accuracy, precision and recall of "yes" (a score above 0) against a flag of single items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interestingness.errors import LabelError
from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval, bootstrap_images
from interestingness.stats.columns import columns


@dataclass(frozen=True)
class Decisions:
    """Shares of correct decisions; NaN for a share of nothing.

    Attributes:
        accuracy: share of items with the correct decision.
        precision: share of flagged items among those decided "yes".
        recall: share of items decided "yes" among flagged ones.
    """

    accuracy: float
    precision: float
    recall: float


def decisions(score: ArrayLike, flag: ArrayLike) -> Decisions:
    """Accuracy, precision and recall of ``score > 0``.

    Args:
        score: in logits, shape (items,); items with NaN on either side are dropped.
        flag: 1 or 0.

    Raises:
        LabelError: for a flag that is neither 0 nor 1.
    """
    yes, truth = _known(score, flag)
    both = float((yes & truth).sum())
    return Decisions(
        float((yes == truth).mean()) if len(yes) else float("nan"),
        both / yes.sum() if yes.any() else float("nan"),
        both / truth.sum() if truth.any() else float("nan"),
    )


def decision_interval(
    score: ArrayLike, flag: ArrayLike, *, seed: int, repeats: int = 1000, level: float = 0.95
) -> Interval:
    """The accuracy of ``decisions`` with an interval over resampled images.

    If all decisions are right (or all wrong), resampling shows no variation; the interval is then
    the exact binomial one.

    Args:
        score: in logits, shape (images,); images with NaN on either side are dropped.
        flag: 1 or 0.
        seed: of the resamples.
        repeats: number of resamples.
        level: nominal coverage.

    Raises:
        LabelError: for a flag that is neither 0 nor 1.
    """
    yes, truth = _known(score, flag)
    hits = (yes == truth).astype(np.float64)
    if len(hits) and (hits == hits[0]).all():
        reach = ((1 - level) / 2) ** (1 / len(hits))
        low, high = (reach, 1.0) if hits[0] == 1 else (0.0, 1 - reach)
        return Interval(float(hits[0]), low, high, level, repeats)

    def accuracy(weight: Array) -> float:
        return float(weight @ hits / weight.sum()) if len(hits) else float("nan")

    return bootstrap_images(accuracy, len(hits), seed=seed, repeats=repeats, level=level)


def _known(score: ArrayLike, flag: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Decision and truth of the items that have both."""
    scores, flags, _ = columns(score, flag)
    there = ~np.isnan(scores) & ~np.isnan(flags)
    if not np.isin(flags[there], (0.0, 1.0)).all():
        raise LabelError(
            "a flag is neither 0 nor 1",
            expected="0 or 1 per item",
            todo="threshold the grade, or use a rank correlation",
        )
    return scores[there] > 0, flags[there] == 1
