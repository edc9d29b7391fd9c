"""Rules that aggregate the votes on a pair to one preference, by name.

All rules use the votes on the given pairs with a usable answer; refusals are counted and dropped.
``majority``, ``consensus`` and ``order_consistent`` count choices; ``share``, ``order_corrected``
and ``agreement_weighted`` take a vote's own probability where it gives one, its choice otherwise. A
tie is half a vote for each side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import ConfigError
from interestingness.labels.order_term import OrderTerm, soft
from interestingness.labels.rater_weights import RaterWeights
from interestingness.labels.source import Labels
from interestingness.schema import Array, Pairs
from interestingness.stats.agreement import consensus as consensus_of
from interestingness.stats.columns import exact_ties
from interestingness.stats.position_bias import order_winners
from interestingness.tables.tables import Votes

ROUNDING = 1e-9
"""Rounding error by which a share may be below a threshold and still reach it."""


@dataclass(frozen=True, eq=False)
class VoteTally:
    """Usable votes and their counts by pair.

    Attributes:
        votes: usable votes on the asked pairs.
        row: row of each vote's pair, shape (votes,).
        number: usable votes of each pair, shape (pairs,).
        share: share of them for left by choice, a tie half, NaN without votes, shape (pairs,).
        refusals: votes on the asked pairs without a usable answer.
        both_bad: votes on them that neither image is good; they prefer none.
    """

    votes: Votes
    row: NDArray[np.int64]
    number: NDArray[np.int64]
    share: Array
    refusals: int
    both_bad: int

    @classmethod
    def of(cls, votes: Votes, pairs: Pairs, row: NDArray[np.int64] | None = None) -> VoteTally:
        """Look the votes up among the pairs; votes on other pairs are left out.

        Args:
            votes: of any raters.
            pairs: what is counted.
            row: row of each vote's pair, where it is known already, shape (votes,).
        """
        row = pairs.find(votes.key) if row is None else row
        asked = row >= 0
        usable = asked & ~np.isnan(votes.preference)
        kept = votes[usable]
        number = np.bincount(row[usable], minlength=len(pairs))
        return cls(
            kept,
            row[usable],
            number,
            _mean(row[usable], kept.preference, number),
            int((asked & votes.refused).sum()),
            int((asked & ~usable & ~votes.refused).sum()),
        )

    @property
    def side(self) -> Array:
        """Majority of each pair: 1 left, 0 right, 0.5 a tie, NaN no vote, shape (pairs,)."""
        return 0.5 + 0.5 * np.sign(self.share - 0.5)

    @cached_property
    def consensus(self) -> Array:
        """Share of the votes on the majority side, NaN without a vote, shape (pairs,)."""
        return consensus_of(self.share)

    def is_clear(self, threshold: float) -> NDArray[np.bool_]:
        """Pairs on which at least this share of the votes is on one side, shape (pairs,)."""
        return np.asarray(self.consensus >= threshold - ROUNDING)

    def soft_share(self) -> Array:
        """As ``share``, with a vote's own probability where it gives one, shape (pairs,)."""
        return exact_ties(_mean(self.row, soft(self.votes), self.number))

    def labels(self, preference: Array, weight: Array | None = None, **facts: Any) -> Labels:
        """Labels with the consensus of the votes and the facts that every rule reports.

        Facts: votes, pairs with votes, pairs tied by choice, refusals, and the share of voted
        pairs that the rule says nothing about.
        """
        voted = self.number > 0
        lost = int((voted & np.isnan(preference)).sum())
        return Labels(
            preference,
            np.ones(len(preference)) if weight is None else weight,
            self.consensus,
            {
                "votes": len(self.votes),
                "voted_pairs": int(voted.sum()),
                "tied_pairs": int((self.share == 0.5).sum()),
                "refusals": self.refusals,
                **({"both_bad": self.both_bad} if self.both_bad else {}),
                "share_dropped": lost / max(int(voted.sum()), 1),
                **facts,
            },
        )


def majority(tally: VoteTally) -> Labels:
    """1, 0, or 0.5 where as many votes go to either side."""
    return tally.labels(tally.side)


def consensus(tally: VoteTally, threshold: float) -> Labels:
    """The majority where at least ``threshold`` of the votes agree with it; NaN elsewhere.

    Source:
        C_x of Abdullahu and Grabner 2025: at least four of five.
    """
    return tally.labels(np.where(tally.is_clear(threshold), tally.side, np.nan))


def share(tally: VoteTally) -> Labels:
    """Mean of the votes as a soft label, weighted by their number."""
    return tally.labels(tally.soft_share(), tally.number.astype(np.float64))


def order_consistent(tally: VoteTally) -> Labels:
    """The winner where the majorities of both orders agree on it; NaN elsewhere.

    Pairs seen in one order only, or tied in an order, cannot be consistent.

    Source:
        Abdullahu and Grabner 2025, who keep 1,599 of 2,500 pairs of GPT-4o.
    """
    a, b, rows = order_winners(tally.row, tally.votes.first, tally.votes.preference)
    same = (a == b) & (a != 0)
    preference = np.full(len(tally.number), np.nan)
    preference[rows] = np.where(same, 0.5 + 0.5 * np.nan_to_num(a), np.nan)
    both = ~np.isnan(a) & ~np.isnan(b)
    return tally.labels(
        preference,
        pairs_in_both_orders=int(both.sum()),
        consistent_pairs=int(same.sum()),
        first_in_both_orders=int((both & (a > b) & (a * b != 0)).sum()),
        second_in_both_orders=int((both & (a < b) & (a * b != 0)).sum()),
    )


class RaterModel(Protocol):
    """What a rule knows of raters, estimated from all their votes."""

    def preference(self, votes: Votes, row: NDArray[np.int64], pairs: int) -> Array:
        """Preferences from usable votes, shape (pairs,)."""

    def facts(self) -> dict[str, Any]:
        """Plain values to print."""


def by_model(tally: VoteTally, model: RaterModel) -> Labels:
    """Expected preference by a model of the raters."""
    preference = model.preference(tally.votes, tally.row, len(tally.number))
    return tally.labels(preference, **model.facts())


@dataclass(frozen=True)
class AggregationSettings:
    """What some of the rules need beside the votes."""

    threshold: float
    model: Callable[[], RaterModel]


MODELS: Mapping[str, Callable[[Votes, Pairs, Sequence[str] | None], RaterModel]] = {
    "order_corrected": lambda votes, _, kinds: OrderTerm.fit(votes, kinds),
    "agreement_weighted": RaterWeights.fit,
}
"""How the rules that need one estimate their model of the raters: from votes, pairs and kinds."""
RULES: Mapping[str, Callable[[VoteTally, AggregationSettings], Labels]] = {
    "majority": lambda tally, _: majority(tally),
    "consensus": lambda tally, settings: consensus(tally, settings.threshold),
    "share": lambda tally, _: share(tally),
    "order_consistent": lambda tally, _: order_consistent(tally),
    **{name: lambda tally, settings: by_model(tally, settings.model()) for name in MODELS},
}
"""Aggregations by the name that ``label_source.aggregation`` takes."""


def check_rule(rule: str, threshold: float, *, where: str = "label_source") -> None:
    """Refuse names and thresholds that cannot work.

    Args:
        rule: name of an aggregation.
        threshold: of a consensus.
        where: the options' own prefix, for the message.

    Raises:
        ConfigError: for an unknown rule, or a threshold that is not above one half.
    """
    if rule not in RULES:
        raise ConfigError(
            f"aggregation {rule!r} does not exist",
            expected=f"one of {', '.join(RULES)}",
            todo=f"{where}.aggregation=… with one of these names",
        )
    check_threshold(threshold, where=where)


def check_threshold(threshold: float, *, where: str) -> None:
    """Refuse a share of votes that makes no consensus.

    Args:
        threshold: least share of a pair's votes on one side.
        where: the option's own prefix, for the message.

    Raises:
        ConfigError: for a share that is not above one half, or above 1.
    """
    if not 0.5 < threshold <= 1:
        raise ConfigError(
            f"threshold {threshold:g} of a consensus",
            expected="a share above 0.5 and at most 1, e.g. 0.8 for four of five",
            todo=f"correct {where}.threshold",
        )


def aggregate(
    rule: str,
    votes: Votes,
    pairs: Pairs,
    *,
    threshold: float = 0.8,
    model: RaterModel | None = None,
) -> Labels:
    """One preference per pair by the named rule.

    Args:
        rule: a key of ``RULES``.
        votes: votes on any pairs.
        pairs: the pairs that are asked for.
        threshold: for "consensus".
        model: of the raters, for the rules in ``MODELS``; None estimates it from the votes on these
            pairs.

    Raises:
        ConfigError: for an unknown rule or threshold.
    """
    check_rule(rule, threshold)
    tally = VoteTally.of(votes, pairs)
    settings = AggregationSettings(
        threshold, lambda: model or MODELS[rule](tally.votes, pairs, None)
    )
    return RULES[rule](tally, settings)


def _mean(row: NDArray[np.int64], values: Array, number: NDArray[np.int64]) -> Array:
    total = np.bincount(row, weights=values, minlength=len(number))
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
