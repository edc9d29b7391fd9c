"""Raters weighed by how much they agree with the others, beside their preference for a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.labels.order_term import SHOWN, soft
from interestingness.schema import Array, Pairs
from interestingness.stats.discrimination import Discrimination, discrimination
from interestingness.stats.order_effect import MIN_VOTES, groups_of
from interestingness.tables.tables import Votes


@dataclass(frozen=True, eq=False)
class RaterWeights:
    """Discrimination a and order term b by rater.

    Attributes:
        model: the fitted model.
    """

    model: Discrimination

    @classmethod
    def fit(cls, votes: Votes, pairs: Pairs, kinds: Sequence[str] | None = None) -> RaterWeights:
        """Estimate a and b from votes; refusals and votes on other pairs are left out.

        Args:
            votes: of any raters.
            pairs: what they are about.
            kinds: "human" or "model" for each of ``votes.raters``; raters with few votes share
                their terms by kind. None takes them as one kind.
        """
        row = pairs.find(votes.key)
        kept = (row >= 0) & ~np.isnan(votes.preference)
        some = votes[kept]
        names, group = groups_of(some.rater.astype(np.int64), votes.raters, kinds, MIN_VOTES)
        return cls(
            discrimination(
                row[kept],
                some.rater,
                some.first,
                soft(some),
                left=pairs.left,
                right=pairs.right,
                owners=[names[i] for i in group],
            )
        )

    def preference(self, votes: Votes, row: NDArray[np.int64], pairs: int) -> Array:
        """Preferences from usable votes of the same raters; NaN without a vote, shape (pairs,).

        Args:
            votes: usable votes.
            row: row of each vote's pair, in [0, pairs), shape (votes,).
            pairs: number of pairs.
        """
        return self.model.preference(row, votes.rater, votes.first, soft(votes), pairs=pairs)

    def facts(self) -> dict[str, Any]:
        """Plain values to print: a and b of the raters with most votes, and who contradicts."""
        model = self.model
        most = np.argsort(-model.votes, kind="stable")[:SHOWN]
        a_low, a_high, b_low, b_high = model.intervals()
        weights = {
            model.names[i]: {
                "a": float(model.known_a[i]),
                "a_low": float(a_low[i]),
                "a_high": float(a_high[i]),
                "b": float(model.b[i]),
                "b_low": float(b_low[i]),
                "b_high": float(b_high[i]),
                "votes": int(model.votes[i]),
            }
            for i in most
        }
        against = [model.names[i] for i in np.flatnonzero(model.reversed)]
        more = {"contradict_the_others": ", ".join(against)} if against else {}
        return {
            "discrimination": weights,
            "raters_weighed": int((model.unknown == "").sum()),
            **more,
        }
