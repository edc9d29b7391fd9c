"""Agreement beyond chance of any number of raters, each of whom may have answered a part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from interestingness.schema import Array
from interestingness.stats.columns import columns, weighted_mean

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

    def agreement(self) -> float:
        """Share of equal answers among all pairs of answers to one pair of images.

        A pair of images with n answers has weight n, as in alpha's observed agreement; one with a
        single answer has none.

        Returns:
            In [0, 1]; NaN where no pair has two answers.
        """
        number = self.number
        return weighted_mean(self.same[number > 0], number[number > 0])

    def alpha(self, *, sides: bool) -> float:
        """Krippendorff's alpha for nominal data: 1 − observed / expected disagreement.

        Args:
            sides: whether 0 and 1 are the sides of a pair, and not answers with a meaning of their
                own (no and yes).

        Returns:
            At most 1, 0 at chance; NaN if no pair has two answers, or ``expected_disagreement`` is
            0.
        """
        return 1 - (1 - self.agreement()) / (self.expected_disagreement(sides=sides) or np.nan)

    def expected_disagreement(self, *, sides: bool) -> float:
        """Share of unequal answers among two drawn from all pairs with two or more answers.

        Which image of a pair is left follows from the images' names. So an answer to one pair that
        names a side and an answer to another one are equal with probability ½, whatever the number
        of answers left and right: ``sides=True``. Ties mean the same on every pair and keep their
        share. Without ties the expected disagreement is then ½, and alpha is 2 · agreement − 1, the
        coefficient of agreement in paired comparisons.

        Returns:
            In [0, 1]; 0 only if all answers are equal, with ``sides`` if all are ties; NaN if no
            pair has two answers.

        Source:
            Krippendorff 2004, chapter 11; with sides: Kendall and Babington Smith 1940.
        """
        by_value = self.counts[self.number > 0].sum(axis=0)
        total = float(by_value.sum())
        if not total:
            return float("nan")
        equal = by_value * (by_value - 1)
        if sides:
            decided = by_value[0] + by_value[2]
            equal = np.array([decided * (decided - 1) / 2, equal[1]])
        return 1 - float(equal.sum()) / (total * (total - 1))

    @cached_property
    def number(self) -> Array:
        """Answers to each pair that has two or more, else 0, shape (pairs,)."""
        number = self.counts.sum(axis=1)
        return np.where(number > 1, number, 0.0)

    @cached_property
    def same(self) -> Array:
        """Share of equal answers among the pairs of answers to each pair, shape (pairs,)."""
        number = self.number
        equal = (self.counts * (self.counts - 1)).sum(axis=1)
        return np.where(number > 0, equal / np.maximum(number * (number - 1), 1), 0.0)
