"""Votes laid over pairs, by judge: people together, each model by itself. Numbers, no tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from interestingness.labels.order_term import OrderTerm
from interestingness.schema import Array, Pairs
from interestingness.stats.bootstrap import Interval, bootstrap_over_images, share_interval
from interestingness.stats.krippendorff import Answers
from interestingness.stats.position_bias import PositionBias, position_bias
from interestingness.stats.rater_reliability import agrees_with_others, repetition_stability
from interestingness.stats.shares import quick_share
from interestingness.tables.tables import Votes

PEOPLE = "people"
LEVEL = 0.95
REPEATS = 1000
"""Resamples of images behind an interval."""
MANY = 5000
"""Pairs from which intervals are not resampled: they would be the same, and take seconds."""
NO_INTERVAL = Interval(float("nan"), float("nan"), float("nan"), LEVEL, 0)


@dataclass(frozen=True, eq=False)
class Ballots:
    """Votes on one question and the pairs that they are about.

    Attributes:
        name: whose votes: "people", a model, a label source.
        votes: all on known pairs.
        pairs: of the data set; images are its rows.
        seed: of resamples.
    """

    name: str
    votes: Votes
    pairs: Pairs
    seed: int = 0

    def __len__(self) -> int:
        return len(self.votes)

    @cached_property
    def row(self) -> NDArray[np.int64]:
        """Row of each vote's pair, shape (votes,)."""
        return self.pairs.find(self.votes.key)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Votes with an answer, shape (votes,)."""
        return ~np.isnan(self.votes.preference)

    @property
    def refusals(self) -> int:
        """Votes without a usable answer."""
        return int((~self.usable).sum())

    @property
    def ties(self) -> int:
        """Votes that say "tie"."""
        return int((self.votes.preference == 0.5).sum())

    @property
    def raters(self) -> int:
        """How many raters answered at all."""
        return len(np.unique(self.votes.rater))

    @cached_property
    def number(self) -> NDArray[np.int64]:
        """Usable votes of each pair, shape (pairs,)."""
        return np.bincount(self.row[self.usable], minlength=len(self.pairs))

    @cached_property
    def share(self) -> Array:
        """Share of the usable votes for left, a tie half; NaN without one, shape (pairs,)."""
        total = np.bincount(
            self.row[self.usable],
            weights=self.votes.preference[self.usable],
            minlength=len(self.pairs),
        )
        return np.where(self.number > 0, total / np.maximum(self.number, 1), np.nan)

    @property
    def side(self) -> Array:
        """Majority of each pair: 1 left, 0 right, 0.5 a tie, NaN no vote, shape (pairs,)."""
        return 0.5 + 0.5 * np.sign(self.share - 0.5)

    @cached_property
    def consensus(self) -> Array:
        """Share of the votes on the majority side, NaN without a vote, shape (pairs,)."""
        return np.maximum(self.share, 1 - self.share)

    @cached_property
    def several(self) -> NDArray[np.bool_]:
        """Pairs with two or more votes, of people by two or more of them, shape (pairs,).

        What one person says twice is no consensus between people.
        """
        if self.name != PEOPLE:
            return self.number > 1
        each = np.unique(
            np.column_stack([self.row[self.usable], self.votes.rater[self.usable]]), axis=0
        )
        return np.bincount(each[:, 0], minlength=len(self.pairs)) > 1

    @cached_property
    def decided(self) -> NDArray[np.int64]:
        """Votes of each pair that are no tie, shape (pairs,)."""
        chose = self.usable & (self.votes.preference != 0.5)
        return np.bincount(self.row[chose], minlength=len(self.pairs))

    @cached_property
    def consensus_of_decided(self) -> Array:
        """The consensus of the votes that are no tie, NaN without one, shape (pairs,)."""
        chose = self.usable & (self.votes.preference != 0.5)
        left = np.bincount(
            self.row[chose],
            weights=(self.votes.preference[chose] > 0.5).astype(np.float64),
            minlength=len(self.pairs),
        )
        most = np.maximum(left, self.decided - left)
        return np.where(self.decided > 0, most / np.maximum(self.decided, 1), np.nan)

    @property
    def knows_order(self) -> bool:
        """Whether some usable vote says which image was shown first."""
        return bool((self.votes.first[self.usable] != 0).any())

    def chosen(self, rows: NDArray[np.bool_], name: str | None = None) -> Ballots:
        """Some of the votes."""
        return Ballots(self.name if name is None else name, self.votes[rows], self.pairs, self.seed)

    def interval(self, hit: Array, *, quick: bool = False) -> Interval:
        """Mean of a number per vote in [0, 1], NaN left out, with its interval over images.

        Args:
            hit: shape (votes,).
            quick: without resampling, for one of hundreds of raters.

        Returns:
            NaN where no number is known.
        """
        used = ~np.isnan(hit)
        number = np.bincount(self.row[used], minlength=len(self.pairs))
        total = np.bincount(self.row[used], weights=hit[used], minlength=len(self.pairs))
        some = number > 0
        if not some.any():
            return NO_INTERVAL
        value, weight = total[some] / number[some], number[some]
        left, right = self.pairs.left[some], self.pairs.right[some]
        if quick or len(value) > MANY:
            return quick_share(value, left, right, weight=weight, level=LEVEL)
        return share_interval(
            value, left, right, weight=weight, seed=self.seed, repeats=REPEATS, level=LEVEL
        )

    @cached_property
    def hits(self) -> Array:
        """Per vote whether it is the majority of the others' votes; see ``agrees_with_others``."""
        v = self.votes
        return agrees_with_others(v.key, v.rater, v.preference)

    def second_chosen(self) -> Interval:
        """Share of decided votes of known order that go to the image shown second."""
        v = self.votes
        decided = self.usable & (v.first != 0) & (v.preference != 0.5)
        second = 0.5 - 0.5 * v.first * np.sign(v.preference - 0.5)
        return self.interval(np.where(decided, second, np.nan))

    def position_bias(self) -> PositionBias:
        """Pairs counted by what was chosen in the two orders, raters taken together."""
        return position_bias(self.votes.key, self.votes.first, self.votes.preference)

    def order_term(self) -> Interval:
        """What the image shown first gains, in logits; NaN where no order is known."""
        if not self.knows_order:
            return NO_INTERVAL
        v = self.votes
        one = Votes(
            v.key, np.zeros_like(v.rater), (self.name,), v.first, v.preference, v.probability,
            v.sample,
        )  # fmt: skip
        term = OrderTerm.fit(one)
        estimate = float(term.b[0]) if term.votes[0] else float("nan")
        return Interval(estimate, float(term.low[0]), float(term.high[0]), LEVEL, 0)

    def repetition(self) -> tuple[float, int]:
        """Stability of repeated answers, and the cells that it is a mean over."""
        v = self.votes
        return repetition_stability(v.key, v.rater, v.first, v.preference)

    @cached_property
    def answers(self) -> Answers:
        """Answers by pair, one a rater."""
        return Answers.of(self.row, self.votes.rater, self.votes.preference)

    def raw_agreement(self) -> Interval:
        """Share of pairs of raters with the same answer, with its interval over images."""
        counts = self.answers.counts
        number = counts.sum(axis=1)
        several = number > 1
        if not several.any():
            return NO_INTERVAL
        rows = self.answers.pair[several].astype(np.int64)
        value = (counts * (counts - 1)).sum(axis=1)[several] / (number * (number - 1))[several]
        left, right, weight = self.pairs.left[rows], self.pairs.right[rows], number[several]
        if len(value) > MANY:
            return quick_share(value, left, right, weight=weight, level=LEVEL)
        return share_interval(
            value, left, right, weight=weight, seed=self.seed, repeats=REPEATS, level=LEVEL
        )

    def alpha(self) -> Interval:
        """Krippendorff's alpha with its interval over images."""
        rows = self.answers.pair.astype(np.int64)
        if not len(rows):
            return NO_INTERVAL
        left, right = self.pairs.left[rows], self.pairs.right[rows]
        return bootstrap_over_images(
            self.answers.alpha, left, right, seed=self.seed, repeats=200, level=LEVEL
        )


def by_judge(votes: Votes, kinds: Sequence[str], pairs: Pairs, *, seed: int = 0) -> list[Ballots]:
    """People together first, then each model, those with most votes first.

    Args:
        votes: of any raters; those on unknown pairs are left out.
        kinds: "human" or "model" for each of ``votes.raters``.
        pairs: of the data set.
        seed: of resamples.
    """
    votes = votes[pairs.find(votes.key) >= 0]
    human = np.array([kind == "human" for kind in kinds], dtype=bool)
    of_people = human[votes.rater]
    judges = [Ballots(PEOPLE, votes[of_people], pairs, seed)] if of_people.any() else []
    number = np.bincount(votes.rater[~of_people], minlength=len(votes.raters))
    for at in np.argsort(-number, kind="stable").tolist():
        if number[at]:
            judges.append(Ballots(votes.raters[at], votes[votes.rater == at], pairs, seed))
    return judges


def agreement_of(p: Array, q: Array, pairs: Pairs, *, seed: int) -> tuple[Interval, int]:
    """Share of commonly decided pairs with the same side, and how many those are.

    Args:
        p, q: preferences of two sources, shape (pairs,).
        pairs: what they are about.
        seed: of resamples.
    """
    both = ~np.isnan(p) & ~np.isnan(q) & (p != 0.5) & (q != 0.5)
    if not both.any():
        return NO_INTERVAL, 0
    same = ((p > 0.5) == (q > 0.5))[both].astype(np.float64)
    found = share_interval(
        same, pairs.left[both], pairs.right[both], seed=seed, repeats=REPEATS, level=LEVEL
    )
    return found, int(both.sum())


def kinds_of(table_raters: Sequence[str], table_kinds: Sequence[str], votes: Votes) -> list[str]:
    """Kind of each of ``votes.raters``; a rater of both kinds counts as a person.

    Args:
        table_raters, table_kinds: two columns of the vote table.
        votes: made of it.
    """
    people = {r for r, kind in zip(table_raters, table_kinds, strict=True) if kind == "human"}
    return ["human" if rater in people else "model" for rater in votes.raters]
