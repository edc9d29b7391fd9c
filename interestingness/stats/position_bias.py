"""Position bias of a rater, counted on pairs shown in both orders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr

from interestingness.schema import Array
from interestingness.stats.columns import columns


@dataclass(frozen=True)
class PositionBias:
    """Numbers of pairs by the choices in the two orders.

    Attributes:
        consistent: the same image won in both orders.
        first_twice: the image shown first won in both orders.
        second_twice: the image shown second won in both orders.
        undecided: shown in both orders, with a tie in one of them.
        one_order: answered in one order only; not used below.
    """

    consistent: int
    first_twice: int
    second_twice: int
    undecided: int
    one_order: int

    @property
    def pairs(self) -> int:
        """Pairs decided in both orders."""
        return self.consistent + self.first_twice + self.second_twice

    @property
    def position_consistency(self) -> float:
        """Share of pairs with the same winner in both orders; NaN without pairs."""
        return self.consistent / self.pairs if self.pairs else float("nan")

    @property
    def bias_index(self) -> float:
        """(second twice − first twice) / pairs, in [−1, 1]; positive favours the second shown."""
        if not self.pairs:
            return float("nan")
        return (self.second_twice - self.first_twice) / self.pairs

    @property
    def position_bias(self) -> float:
        """P(second chosen) − ½ over the swapped presentations; half the bias index."""
        return self.bias_index / 2

    @property
    def p_value(self) -> float:
        """Exact two-sided McNemar test of no bias: second twice ~ Bin(inconsistent, ½)."""
        swapped = self.first_twice + self.second_twice
        if not swapped:
            return 1.0
        fewer = min(self.first_twice, self.second_twice)
        return min(1.0, 2 * float(bdtr(fewer, swapped, 0.5)))


def position_bias(pair: ArrayLike, first: ArrayLike, preference: ArrayLike) -> PositionBias:
    """Count consistent and inconsistent pairs of one rater (or of raters taken together).

    Repeated votes in one order decide by their majority; half of them is a tie in that order.

    Args:
        pair: any number that names the vote's pair, shape (votes,).
        first: +1 where left was shown first, −1 right, 0 unknown (not used), shape (votes,).
        preference: 1 left chosen, 0 right, 0.5 a tie, NaN no usable answer, shape (votes,).

    Source:
        Position consistency and preference fairness: Shi et al. 2024 (arXiv 2406.07791).
    """
    winner_left_first, winner_right_first, _ = order_winners(pair, first, preference)
    both = ~np.isnan(winner_left_first) & ~np.isnan(winner_right_first)
    one = ~both & ~(np.isnan(winner_left_first) & np.isnan(winner_right_first))
    a, b = winner_left_first[both], winner_right_first[both]
    decided = (a != 0) & (b != 0)
    return PositionBias(
        consistent=int((decided & (a == b)).sum()),
        first_twice=int((decided & (a > b)).sum()),
        second_twice=int((decided & (a < b)).sum()),
        undecided=int((~decided).sum()),
        one_order=int(one.sum()),
    )


def order_winners(
    pair: ArrayLike, first: ArrayLike, preference: ArrayLike
) -> tuple[Array, Array, NDArray[np.generic]]:
    """The winner of each pair in each order.

    Returns:
        Winner where left was shown first and winner where right was: +1 left, −1 right, 0 a tie,
        NaN not answered in that order, shape (pairs,) each; and the pairs' names, ascending.
    """
    names, row = np.unique(np.asarray(pair).reshape(-1), return_inverse=True)
    shown, choice, _ = columns(first, preference)
    winners = []
    for order in (1, -1):
        used = (shown == order) & ~np.isnan(choice)
        votes = np.bincount(row[used], minlength=len(names))
        lead = np.bincount(row[used], weights=choice[used] - 0.5, minlength=len(names))
        winners.append(np.where(votes > 0, np.sign(lead), np.nan))
    return winners[0], winners[1], names
