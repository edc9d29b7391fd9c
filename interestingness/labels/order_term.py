"""A rater's preference for the first or second place, estimated and corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from interestingness.schema import Array
from interestingness.stats.columns import exact_ties
from interestingness.stats.order_effect import (
    OrderEffect,
    order_effect,
    order_effect_of_probabilities,
)
from interestingness.tables.tables import Votes

CERTAINTY = 0.005
"""Probabilities are clipped to [0.005, 0.995], because some models round to two decimals."""
SHOWN = 10
"""Order terms listed in facts, those with most votes first."""


@dataclass(frozen=True, eq=False)
class OrderTerm:
    """Order terms b by rater; b > 0 favours the image shown first, b < 0 the second.

    There are two rules. If every vote has the rater's own probability, a pair asked in both orders
    gets the mean of the two probabilities, in which the order term cancels; a pair asked in one
    order gets the logit minus ±b. The mean of logits would prefer the same side with more
    confidence, but models overstate their confidence (docs/debiasing.md). Otherwise votes are
    counted (a probability p as p votes for left), and the random-effects model of
    ``stats.order_effect`` gives the expected preference, which shrinks pairs with few votes towards
    0.5.

    Attributes:
        names: of raters or groups of raters that share a term.
        b: in logits, shape (names,).
        low, high: ends of its 95 % interval, NaN where unknown, shape (names,).
        votes: number of votes used (number of pairs of known order for probabilities).
        model: the fitted random-effects model; None for votes with probabilities.
    """

    names: tuple[str, ...]
    b: Array
    low: Array
    high: Array
    votes: NDArray[np.int64]
    model: OrderEffect | None

    @classmethod
    def fit(cls, votes: Votes, kinds: Sequence[str] | None = None) -> OrderTerm:
        """Estimate the terms from votes without refusals.

        Args:
            votes: of any raters.
            kinds: "human" or "model" for each of ``votes.raters``; raters with few votes share a
                term by kind. None takes them as one kind.
        """
        votes = votes[~np.isnan(votes.preference)]
        keys, row = np.unique(votes.key, return_inverse=True)
        if len(votes) and not np.isnan(votes.probability).any():
            b, error, number = order_effect_of_probabilities(
                row, votes.rater, votes.first, _clipped(votes), raters=len(votes.raters)
            )
            reach = 1.96 * error
            return cls(votes.raters, b, b - reach, b + reach, number, None)
        model = order_effect(
            row,
            votes.rater,
            votes.first,
            soft(votes),
            pairs=len(keys),
            raters=votes.raters,
            kinds=kinds,
        )
        low, high = model.interval()
        return cls(model.names, model.b, low, high, model.votes, model)

    def preference(self, votes: Votes, row: NDArray[np.int64], pairs: int) -> Array:
        """Preferences from usable votes of the same raters; NaN without a vote, shape (pairs,).

        Args:
            votes: usable votes.
            row: row of each vote's pair, in [0, pairs), shape (votes,).
            pairs: number of pairs.
        """
        if self.model is not None:
            return self.model.preference(row, votes.rater, votes.first, soft(votes), pairs=pairs)
        raters = len(votes.raters)
        cells, cell = np.unique(row * raters + votes.rater, return_inverse=True)
        p_OC = np.full((3, len(cells)), np.nan)
        for order in (-1, 0, 1):
            used = votes.first == order
            number = np.bincount(cell[used], minlength=len(cells))
            total = np.bincount(cell[used], weights=_clipped(votes)[used], minlength=len(cells))
            p_OC[order + 1] = np.where(number > 0, total / np.maximum(number, 1), np.nan)
        both = ~np.isnan(p_OC[0]) & ~np.isnan(p_OC[2])
        b = np.outer([-1.0, 0.0, 1.0], self.b[cells % raters])
        p_OC = np.where(both, p_OC, expit(np.log(p_OC) - np.log1p(-p_OC) - b))
        known = ~np.isnan(p_OC)
        mean_C = np.where(known, p_OC, 0.0).sum(axis=0) / known.sum(axis=0)
        number = np.bincount(cells // raters, minlength=pairs)
        mean = np.bincount(cells // raters, weights=mean_C, minlength=pairs) / np.maximum(number, 1)
        return np.where(number > 0, exact_ties(mean), np.nan)

    def facts(self) -> dict[str, Any]:
        """Plain values to print: the order term of each rater with its interval."""
        most = np.argsort(-self.votes, kind="stable")[:SHOWN]
        terms = {
            self.names[i]: {
                "b": float(self.b[i]),
                "low": float(self.low[i]),
                "high": float(self.high[i]),
                "votes": int(self.votes[i]),
            }
            for i in most
        }
        spread = {} if self.model is None else {"tau": self.model.tau}
        return {"order_term": terms, "order_terms": len(self.names), **spread}


def soft(votes: Votes) -> Array:
    """Each vote's own probability for left where it gives one, else its choice, shape (votes,)."""
    return np.where(np.isnan(votes.probability), votes.preference, votes.probability)


def _clipped(votes: Votes) -> Array:
    return np.clip(soft(votes), CERTAINTY, 1 - CERTAINTY)
