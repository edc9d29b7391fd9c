"""A rater's preference for a place, estimated from votes and taken out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from interestingness.labels.tables import Votes
from interestingness.stats.columns import Array, exact_ties
from interestingness.stats.order_effect import (
    OrderEffect,
    order_effect,
    order_effect_of_probabilities,
)

CERTAINTY = 0.005
"""Probabilities are clipped to [0.005, 0.995]: some judges round to two decimals."""
SHOWN = 10
"""Order terms listed in facts, those with most votes first."""


@dataclass(frozen=True, eq=False)
class OrderTerm:
    """Order terms b by rater; b > 0 favours the image shown first, b < 0 the second.

    Two rules. Where every vote carries the rater's own probability, a vote's logit minus ±b is the
    pair's margin; it is averaged within an order, then over the orders, so that b cancels where
    both were asked. Otherwise votes are counted (a probability p as p votes for left) and the
    random-effects model of ``stats.order_effect`` gives the expected preference, which draws pairs
    with few votes towards 0.5.

    Attributes:
        names: of raters or groups of raters that share a term.
        b: in logits, shape (names,).
        low, high: ends of its 95 % interval, NaN where unknown, shape (names,).
        votes: that it rests on (pairs of known order, where votes are probabilities).
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
        """Estimate from votes; refusals are left out.

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
        p = _clipped(votes)
        margin = np.log(p) - np.log1p(-p) - votes.first * self.b[votes.rater]
        total, orders = np.zeros(pairs), np.zeros(pairs)
        for order in (-1, 0, 1):
            used = votes.first == order
            number = np.bincount(row[used], minlength=pairs)
            sums = np.bincount(row[used], weights=margin[used], minlength=pairs)
            total += sums / np.maximum(number, 1)
            orders += number > 0
        mean = total / np.maximum(orders, 1)
        return np.where(orders > 0, exact_ties(expit(mean)), np.nan)

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
