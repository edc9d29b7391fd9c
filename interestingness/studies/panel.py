"""Votes of several raters over pairs: people together, each model alone. Numbers, no tables.

Counted once, by ``labels.aggregation.VoteTally``, and used by every study of votes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.labels.aggregation import VoteTally
from interestingness.labels.order_term import OrderTerm, soft
from interestingness.schema import Array, Pairs
from interestingness.stats.bootstrap import Interval
from interestingness.stats.columns import weighted_mean
from interestingness.stats.discrimination import discrimination
from interestingness.stats.krippendorff import Answers
from interestingness.stats.position_bias import PositionBias, order_winners, position_bias
from interestingness.stats.rater_reliability import agrees_with_others, repetition_stability
from interestingness.stats.shares import quick_share
from interestingness.studies.leaders import Verdict
from interestingness.studies.study import Material
from interestingness.tables.tables import Votes

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
PEOPLE = "people"
LEVEL = 0.95
NO_INTERVAL = Interval(float("nan"), float("nan"), float("nan"), LEVEL, 0)


@dataclass(frozen=True, eq=False)
class Ballots:
    """Votes on one question and the pairs that they are about.

    Attributes:
        name: whose votes: "people", a model, a label source.
        votes: all on known pairs.
        pairs: of the data set; images are its rows.
    """

    name: str
    votes: Votes
    pairs: Pairs

    @classmethod
    def read(cls, table: pa.Table, pairs: Pairs) -> Ballots:
        """Read all votes of a table on known pairs.

        Args:
            table: rows of a vote table.
            pairs: of the data set.
        """
        every = cls("all", Votes.from_table(table), pairs)
        return every.chosen(every.row >= 0)

    def __len__(self) -> int:
        return len(self.votes)

    @cached_property
    def row(self) -> Rows:
        """Return the row of each vote's pair, shape (votes,)."""
        return self.pairs.find(self.votes.key)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Select votes with an answer, shape (votes,)."""
        return ~np.isnan(self.votes.preference)

    @property
    def refusals(self) -> int:
        """Count votes without a usable answer."""
        return self.tally.refusals

    @property
    def bad_share(self) -> float | None:
        """Return the share of the answers that neither image is good; None where none says so."""
        bad = self.tally.both_bad
        return bad / (bad + int(self.usable.sum())) if bad else None

    @property
    def tie_share(self) -> float | None:
        """Return the share of the usable votes that say "tie"; None where none does."""
        ties = int((self.votes.preference == 0.5).sum())
        return ties / int(self.usable.sum()) if ties else None

    @property
    def only_ties(self) -> bool:
        """Check whether every usable vote, if any, says "tie"."""
        return bool((self.votes.preference[self.usable] == 0.5).all())

    @property
    def raters(self) -> int:
        """Count raters with at least one answer."""
        return len(np.unique(self.votes.rater))

    @cached_property
    def tally(self) -> VoteTally:
        """Count the usable votes by pair."""
        return VoteTally.of(self.votes, self.pairs, self.row)

    @property
    def number(self) -> Rows:
        """Return the number of usable votes of each pair, shape (pairs,)."""
        return self.tally.number

    @property
    def share(self) -> Array:
        """Return the share of usable votes for left, a tie half; NaN without one, (pairs,)."""
        return self.tally.share

    @property
    def side(self) -> Array:
        """Return each pair's majority: 1 left, 0 right, 0.5 a tie, NaN no vote, (pairs,)."""
        return self.tally.side

    @property
    def consensus(self) -> Array:
        """Return the share of votes on the majority side, NaN without a vote, (pairs,)."""
        return self.tally.consensus

    def divide(self, threshold: float) -> tuple[Mask, Mask]:
        """Split pairs with two or more votes into consensus set C and the rest D, (pairs,).

        Args:
            threshold: least share of a pair's votes on one side for C.
        """
        voted = self.number > 1
        clear = voted & self.tally.is_clear(threshold)
        return clear, voted & ~clear

    @cached_property
    def several(self) -> NDArray[np.bool_]:
        """Select pairs with two or more votes, for people by two or more of them, (pairs,).

        Two equal answers of one person are no consensus between people.
        """
        if self.name != PEOPLE:
            return self.number > 1
        each = np.unique(
            np.column_stack([self.row[self.usable], self.votes.rater[self.usable]]), axis=0
        )
        return np.bincount(each[:, 0], minlength=len(self.pairs)) > 1

    @property
    def knows_order(self) -> bool:
        """Check whether some usable vote records which image was shown first."""
        return bool((self.votes.first[self.usable] != 0).any())

    def by_rater(self) -> list[Ballots]:
        """Split the votes by rater; each part is named after its rater."""
        order = np.argsort(self.votes.rater, kind="stable")
        number = np.bincount(self.votes.rater, minlength=len(self.votes.raters))
        rows = np.split(order, np.cumsum(number)[:-1])
        pairs = zip(rows, self.votes.raters, strict=True)
        return [self.chosen(own, name) for own, name in pairs if len(own)]

    def chosen(self, rows: NDArray[np.bool_] | Rows, name: str | None = None) -> Ballots:
        """Select some of the votes."""
        some = Ballots(self.name if name is None else name, self.votes[rows], self.pairs)
        vars(some)["row"] = self.row[rows]  # saves a second look-up
        return some

    def interval(self, hit: Array) -> Interval:
        """Average a number per vote in [0, 1], without NaN, with its interval over images.

        Args:
            hit: shape (votes,).

        Returns:
            NaN where no number is known.
        """
        used = ~np.isnan(hit)
        number = np.bincount(self.row[used], minlength=len(self.pairs))
        total = np.bincount(self.row[used], weights=hit[used], minlength=len(self.pairs))
        rows = np.flatnonzero(number)
        return self._interval(total[rows] / number[rows], rows, number[rows])

    def _interval(
        self, value: Array, rows: Rows, weight: Rows | Array, noise: Array | None = None
    ) -> Interval:
        """Average one number a pair by weight, with its interval over images."""
        if not len(rows):
            return NO_INTERVAL
        left, right = self.pairs.left[rows], self.pairs.right[rows]
        return quick_share(value, left, right, weight=weight, noise=noise, level=LEVEL)

    @cached_property
    def hits(self) -> Array:
        """Check for each vote if the others' majority is the same; see ``agrees_with_others``."""
        v = self.votes
        return agrees_with_others(v.key, v.rater, v.preference)

    def second_chosen(self) -> Interval:
        """Return the share of decided votes of known order for the image shown second."""
        v = self.votes
        decided = self.usable & (v.first != 0) & (v.preference != 0.5)
        second = 0.5 - 0.5 * v.first * np.sign(v.preference - 0.5)
        return self.interval(np.where(decided, second, np.nan))

    def position_bias(self) -> PositionBias:
        """Count pairs by the choices in the two orders, raters taken together."""
        return position_bias(self.votes.key, self.votes.first, self.votes.preference)

    def order_term(self) -> Interval:
        """Estimate the gain of the image shown first, in logits; NaN where no order is known."""
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

    @cached_property
    def same_winner(self) -> Array:
        """Return 1 where both orders have one winner, 0 where not, NaN if one is missing, (pairs,).

        A tie in both orders is no winner.
        """
        v = self.votes
        one, other, keys = order_winners(v.key, v.first, v.preference)
        row = self.pairs.find(keys.astype(np.uint64))
        found = np.full(len(self.pairs), np.nan)
        both = ~np.isnan(one) & ~np.isnan(other)
        found[row[both]] = ((one == other) & (one != 0))[both]
        return found

    def repetition(self) -> tuple[float, int]:
        """Compute the stability of repeated answers, and the cells that it averages."""
        v = self.votes
        return repetition_stability(v.key, v.rater, v.first, v.preference)

    @cached_property
    def answers(self) -> Answers:
        """Return answers by pair, one a rater."""
        return Answers.of(self.row, self.votes.rater, self.votes.preference)

    def raw_agreement(self) -> Interval:
        """Return the share of rater pairs with the same answer, with its interval over images."""
        several = self.answers.number > 0
        rows = self.answers.pair[several].astype(np.int64)
        return self._interval(self.answers.same[several], rows, self.answers.number[several])

    def alpha(self) -> Interval:
        """Return Krippendorff's alpha of sides and ties with its interval over images.

        Alpha is 1 − (1 − agreement) / expected: the ends are those of the agreement, whose errors
        are increased by what the share of ties adds to the expected disagreement.
        """
        answers = self.answers
        alpha = answers.alpha(sides=True)
        if np.isnan(alpha):
            return NO_INTERVAL
        several = answers.number > 0
        number, same = answers.number[several], answers.same[several]
        expected = answers.expected_disagreement(sides=True)
        ties = answers.counts[several, 1] / number
        slope = 1 - 3 * weighted_mean(ties, number)  # of expected by the share of ties
        rows = answers.pair[several].astype(np.int64)
        found = self._interval(same, rows, number, same + (1 - alpha) * slope * ties)
        low, high = (1 - (1 - end) / expected for end in (found.low, found.high))
        return Interval(alpha, low, high, LEVEL, 0)


@dataclass(frozen=True)
class Weighed:
    """How closely the votes of somebody follow what all raters have in common.

    Attributes:
        a: discrimination in logits for one standard deviation of the pairs' margins; NaN where it
            is not known.
        b: what the image shown first gains, in logits.
        unknown: why a is not known, "" where it is.
    """

    a: Interval
    b: Interval
    unknown: str

    @property
    def contradicts(self) -> bool:
        """Check whether the interval of a lies below 0."""
        return self.a.high < 0


def weigh(ballots: Ballots, owners: Sequence[str]) -> dict[str, Weighed]:
    """Estimate discrimination and order term of raters together; see ``stats.discrimination``.

    Args:
        ballots: votes of several raters.
        owners: under which name each of ``votes.raters`` is weighed.

    Returns:
        By owner, of those with a usable vote.
    """
    v, pairs = ballots.votes, ballots.pairs
    found = discrimination(
        ballots.row, v.rater, v.first, soft(v), left=pairs.left, right=pairs.right, owners=owners
    )
    a_low, a_high, b_low, b_high = found.intervals(LEVEL)
    return {
        name: Weighed(
            Interval(float(found.known_a[i]), float(a_low[i]), float(a_high[i]), LEVEL, 0),
            Interval(float(found.b[i]), float(b_low[i]), float(b_high[i]), LEVEL, 0)
            if not np.isnan(b_low[i])
            else NO_INTERVAL,
            str(found.unknown[i]),
        )
        for i, name in enumerate(found.names)
        if found.votes[i]
    }


def agreement_of(p: Array, q: Array, pairs: Pairs) -> tuple[Interval, int]:
    """Compute the share of commonly decided pairs with the same side, and their number.

    Args:
        p, q: preferences of two sources, shape (pairs,).
        pairs: what they are about.
    """
    both = ~np.isnan(p) & ~np.isnan(q) & (p != 0.5) & (q != 0.5)
    if not both.any():
        return NO_INTERVAL, 0
    same = ((p > 0.5) == (q > 0.5))[both].astype(np.float64)
    found = quick_share(same, pairs.left[both], pairs.right[both], level=LEVEL)
    return found, int(both.sum())


def closer(p: Array, q: Array, reference: Array, pairs: Pairs) -> Verdict:
    """Test whether one source agrees more with a reference than another, on pairs that all decide.

    Args:
        p, q: preferences of the two sources, shape (pairs,).
        reference: what both are held against, shape (pairs,).
        pairs: what they are about.

    Returns:
        "below" if q agrees less (95 % interval of the difference, over images).
    """
    sides = np.stack([p, q, reference])
    both = (~np.isnan(sides) & (sides != 0.5)).all(axis=0)
    if not both.any():
        return "untested"
    one, other, truth = sides[:, both] > 0.5
    lead = ((one == truth).astype(np.float64) - (other == truth) + 1) / 2
    found = quick_share(lead, pairs.left[both], pairs.right[both], level=LEVEL)
    return "below" if found.low > 0.5 else "close"


def split_by_voter(table: pa.Table, everyone: Ballots) -> tuple[list[Ballots], list[str]]:
    """Split votes by voter: people together, then each model, those with most votes first.

    Args:
        table: rows of a vote table.
        everyone: all its votes on known pairs.

    Returns:
        The ballots, and the kind of each rater ("human" or "model"); one of both kinds is human.
    """
    both = table.group_by(["rater_id", "rater_kind"]).aggregate([])
    cells = zip(both["rater_id"].to_pylist(), both["rater_kind"].to_pylist(), strict=True)
    people = {rater for rater, kind in cells if kind == "human"}
    kinds = ["human" if rater in people else "model" for rater in everyone.votes.raters]
    human = np.array([kind == "human" for kind in kinds], dtype=bool)
    voter = everyone.votes.rater
    of_people = human[voter]
    found = [everyone.chosen(of_people, PEOPLE)] if of_people.any() else []
    number = np.bincount(voter[~of_people], minlength=len(kinds))
    for at in np.argsort(-number, kind="stable").tolist():
        if number[at]:
            found.append(everyone.chosen(voter == at, everyone.votes.raters[at]))
    return found, kinds


def question_rows(material: Material) -> pa.Table:
    """Select rows of the vote table on the material's question.

    Raises:
        DataError: if there is no vote on it.
    """
    tables = material.tables
    table = tables.vote_table if tables.has("votes") else None
    if table is not None:
        table = table.filter(pc.equal(table["question"], material.question))
    if table is None or table.num_rows == 0:
        raise DataError(
            f"{tables.manifest.name}: no votes on the question {material.question!r}",
            expected="a data set with votes on it",
            todo="give dataset.votes=votes.csv, ratings to make votes of, or another question=…",
        )
    return table


def annotate_command(material: Material, *options: str) -> str:
    """Write the command that obtains votes for the user's data."""
    typed = [o for o in material.overrides if o.lstrip("+~").startswith(("dataset", "question"))]
    named = any(o.startswith("dataset=") for o in typed)
    default = material.tables.manifest.name == "synthetic"
    words = [*([] if named or default else ["dataset=…"]), *typed, *options]
    return f"`interestingness annotate {' '.join(words)}`"


def read_ballots(material: Material, *, personas: bool = False) -> list[Ballots]:
    """Read votes of people together, then of each model; those with a persona are left out.

    Args:
        material: with votes.
        personas: take the votes with a persona instead, each rater by itself.

    Raises:
        DataError: if there is no such vote.
    """
    rows = question_rows(material)
    told = pc.fill_null(pc.not_equal(rows["persona"], ""), False)
    table = rows.filter(told if personas else pc.invert(told))
    if table.num_rows == 0:
        what = "votes of personas" if personas else "votes without a persona"
        raise DataError(
            f"{material.tables.manifest.name}: no {what} on {material.question!r}",
            expected="votes with a persona" if personas else "votes of people or models",
            todo=annotate_command(
                material,
                f"annotator={'simulated' if material.tables.manifest.simulated else 'gpt4o'}",
                *(["personas=paper"] if personas else []),
            )
            + " obtains them",
        )
    return split_by_voter(table, Ballots.read(table, material.pairs))[0]
