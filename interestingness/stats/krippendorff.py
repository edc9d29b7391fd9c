"""Agreement beyond chance of any number of raters, each of whom may have answered a part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from interestingness.schema import Array
from interestingness.stats.columns import columns

VALUES = (0.0, 0.5, 1.0)
"""Right, a tie, left: three nominal values."""


@dataclass(frozen=True, eq=False)
class Answers:
    """How often each answer was given to each pair, with one answer for each rater.

    Attributes:
        counts: shape (pairs, 3), in the order of ``VALUES``.
        pair: the pairs' names, ascending, shape (pairs,).
    """

    counts: Array
    pair: Array

    @classmethod
    def of(cls, pair: ArrayLike, rater: ArrayLike, preference: ArrayLike) -> Answers:
        """Count answers; several answers of one rater to one pair count as one, their majority.

        Args:
            pair: any number that names the vote's pair, shape (votes,).
            rater: any number that names the rater, shape (votes,).
            preference: 1 left chosen, 0 right, 0.5 a tie, NaN no usable answer, shape (votes,).
        """
        choice, *_ = columns(preference)
        known = ~np.isnan(choice)
        names, row = np.unique(np.asarray(pair).reshape(-1)[known], return_inverse=True)
        _, who = np.unique(np.asarray(rater).reshape(-1)[known], return_inverse=True)
        raters = int(who.max(initial=0)) + 1
        cells, cell = np.unique(row.astype(np.int64) * raters + who, return_inverse=True)
        lead = np.bincount(cell, weights=choice[known] - 0.5, minlength=len(cells))
        answer = (np.sign(lead) + 1).astype(np.int64)  # 0 right, 1 a tie, 2 left
        place = (cells // raters) * 3 + answer
        counts = np.bincount(place, minlength=3 * len(names)).reshape(len(names), 3)
        return cls(counts.astype(np.float64), names)

    def agreement(self, weight: ArrayLike | None = None) -> float:
        """Share of equal answers among all pairs of answers to one pair of images.

        A pair of images with n answers has weight n, as in alpha's observed agreement; one with a
        single answer has none.

        Returns:
            In [0, 1]; NaN where no pair has two answers.
        """
        observed, _, total = self._parts(weight)
        return observed / total if total > 0 else float("nan")

    def alpha(self, weight: ArrayLike | None = None) -> float:
        """Krippendorff's alpha for nominal data: 1 − observed / expected disagreement.

        Args:
            weight: non-negative weight of each pair (image bootstrap), shape (pairs,).

        Returns:
            At most 1, 0 at chance; NaN if no pair has two answers, or all answers are equal.

        Source:
            Krippendorff 2004, chapter 11 (nominal data); expected disagreement from the answers to
            pairs that have two or more.
        """
        observed, same_by_chance, total = self._parts(weight)
        expected = 1 - same_by_chance
        if not total > 0 or not expected > 0:
            return float("nan")
        return 1 - (1 - observed / total) / expected

    def _parts(self, weight: ArrayLike | None) -> tuple[float, float, float]:
        """Agreeing answers, the share expected to agree by chance, and the answers used."""
        w = np.ones(len(self.counts)) if weight is None else np.asarray(weight, dtype=np.float64)
        same, number, counts = self._fixed
        total = float(w @ number)
        by_value = w @ counts
        chance = float((by_value * (by_value - 1)).sum() / max(total * (total - 1), 1e-300))
        return float(w @ same), chance, total

    @cached_property
    def _fixed(self) -> tuple[Array, Array, Array]:
        """Agreeing answers, answers, and answers by value; 0 for pairs with one answer only."""
        number = self.counts.sum(axis=1)
        several = number > 1
        same = (self.counts * (self.counts - 1)).sum(axis=1) / np.maximum(number - 1, 1)
        counts = np.where(several[:, None], self.counts, 0.0)
        return np.where(several, same, 0.0), np.where(several, number, 0.0), counts
