"""Summarise a model's answers: while it is asked, and from the table of its votes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.annotators.engine.asking import Parse
from interestingness.annotators.engine.run_state import CallCounts
from interestingness.annotators.reason_support import CONTRADICTS, SUPPORTS
from interestingness.annotators.types import Answer, Parsed, Reply, Task
from interestingness.labels.aggregation import aggregate
from interestingness.labels.order_term import OrderTerm
from interestingness.number_text import percent, points, write_number
from interestingness.schema import Pairs
from interestingness.stats.bootstrap import Interval, accuracy_interval
from interestingness.stats.position_bias import PositionBias, position_bias
from interestingness.tables.tables import Tables, Votes


@dataclass(frozen=True)
class JudgeSummary:
    """One rater's votes on one question.

    Attributes:
        rater: the model, or a persona of it.
        votes: usable answers.
        unusable: by kind of reject (refused, filtered, invalid_json, …), those given up included.
        one_sided: pairs that got an answer in one order and a refusal in the other: a bias too.
        bias: pairs by what was chosen in the two orders.
        b: order term in logits, positive for the image shown first; NaN without votes.
        low, high: ends of its 95 % interval; NaN where votes leave it open.
        stability: mean share of the most frequent answer among repetitions; None without such.
        probabilities: share of votes that carry a probability.
        contradicting: share of reasons that speak for the other image, among those that speak for
            one; None where none does.
        reasons: reasons that speak for one of the images.
    """

    rater: str
    votes: int
    unusable: dict[str, int]
    one_sided: int
    bias: PositionBias
    b: float
    low: float
    high: float
    stability: float | None
    probabilities: float
    contradicting: float | None
    reasons: int

    def lines(self) -> list[str]:
        """For people."""
        bias, said = self.bias, [f"{self.rater}: {self.votes:,} votes" + _unusable(self.unusable)]
        if bias.pairs:
            said.append(
                f"  both orders   {bias.pairs:,} pairs: the same image wins {bias.consistent:,}"
                f" times ({percent(bias.position_consistency)}),"
                f" whatever is first {bias.first_twice:,}, whatever is second {bias.second_twice:,}"
            )
            place = "second" if bias.bias_index > 0 else "first"
            verdict = f"it likes the {place} place" if bias.p_value < 0.05 else "no bias is shown"
            said.append(f"  exact test    p = {bias.p_value:.2g} for no bias; {verdict}")
        if np.isfinite(self.b):
            ends = [write_number(end, "number") for end in (self.low, self.high)]
            interval = f" [{', '.join(ends)}]" if np.isfinite(self.low) else " [–]"
            said.append(
                f"  order term b  {points(self.b, digits=2)}{interval} logits for the image"
                " shown first (taken out of labels)"
            )
        if self.one_sided:
            said.append(f"  one-sided     {self.one_sided:,} pairs are refused in one order only")
        if self.stability is not None:
            said.append(f"  repetitions   {percent(self.stability)} give the most frequent answer")
        if self.reasons and self.contradicting is not None:
            said.append(
                f"  reasons       {percent(self.contradicting)} of the {self.reasons:,} that name"
                " an image speak for the one that was not chosen"
            )
        if 0 < self.probabilities < 1:
            said.append(f"  probabilities for {percent(self.probabilities)} of the votes")
        return said


def summarise(table: pa.Table) -> list[JudgeSummary]:
    """One summary for each rater and question of a vote table with the ledger's columns.

    Args:
        table: votes with ``reject`` and ``extra`` beside the columns of docs/data_format.md.
    """
    found = []
    for question in pc.unique(table["question"]).to_pylist():
        asked = table.filter(pc.equal(table["question"], question))
        for rater in sorted(pc.unique(asked["rater_id"]).to_pylist()):
            found.append(_of_rater(rater, asked.filter(pc.equal(asked["rater_id"], rater))))
    return found


def _of_rater(rater: str, table: pa.Table) -> JudgeSummary:
    votes = Votes.from_table(table)
    usable = ~np.isnan(votes.preference)
    bias = position_bias(votes.key, votes.first, votes.preference)
    b = low = high = float("nan")
    if usable.any():
        term = OrderTerm.fit(votes[usable])
        b, low, high = float(term.b[0]), float(term.low[0]), float(term.high[0])
    rejects = table["reject"].to_pylist()
    kinds = sorted({kind for kind in rejects if kind})
    supports = _supports(table["extra"].to_pylist())
    reasons = sum(word in (SUPPORTS, CONTRADICTS) for word in supports)
    with_p = int((~np.isnan(votes.probability) & usable).sum())
    return JudgeSummary(
        rater=rater,
        votes=int(usable.sum()),
        unusable={kind: rejects.count(kind) for kind in kinds},
        one_sided=_one_sided(votes),
        bias=bias,
        b=b,
        low=low,
        high=high,
        stability=_stability(votes),
        probabilities=with_p / max(int(usable.sum()), 1),
        contradicting=supports.count(CONTRADICTS) / reasons if reasons else None,
        reasons=reasons,
    )


def _supports(extras: Sequence[str | None]) -> list[str]:
    return [str(json.loads(extra).get("reason_supports")) for extra in extras if extra]


def _one_sided(votes: Votes) -> int:
    """Pairs with a usable answer in exactly one of two orders that were both asked."""
    sides: dict[int, dict[int, bool]] = {}
    rows = zip(
        votes.key.tolist(), votes.first.tolist(), np.isnan(votes.preference).tolist(), strict=True
    )
    for key, first, missing in rows:
        orders = sides.setdefault(key, {})
        orders[first] = orders.get(first, False) or not missing
    return sum(len(orders) == 2 and len(set(orders.values())) == 2 for orders in sides.values())


def _stability(votes: Votes) -> float | None:
    """Mean modal share over pairs and orders that were asked more than once."""
    shares: dict[tuple[int, int], list[float]] = {}
    for key, first, choice in zip(
        votes.key.tolist(), votes.first.tolist(), votes.preference.tolist(), strict=True
    ):
        if not np.isnan(choice):
            shares.setdefault((key, first), []).append(choice)
    repeated = [values for values in shares.values() if len(values) > 1]
    if not repeated:
        return None
    return float(np.mean([max(map(values.count, values)) / len(values) for values in repeated]))


def _unusable(kinds: dict[str, int]) -> str:
    told = ", ".join(f"{number:,} {kind.replace('_', ' ')}" for kind, number in kinds.items())
    return f"; no answer: {told}" if told else ""


def human_preference(tables: Tables, question: str) -> NDArray[np.float64]:
    """Return the majority of people's votes, NaN where there is none, shape (pairs,)."""
    pairs = tables.pairs
    if not tables.has("votes"):
        return np.full(len(pairs), np.nan)
    votes = tables.votes(question=question, kind="human")
    if not len(votes):
        return np.full(len(pairs), np.nan)
    return aggregate("majority", votes, pairs).preference


def agreement_with_people(
    tables: Tables, pairs: Pairs, judge: NDArray[np.float64], question: str, *, seed: int = 0
) -> tuple[Interval, int]:
    """Compare a judge with the majority of people's votes, on pairs that both decided.

    A pair on which the judge contradicts itself between the orders counts one half.

    Args:
        tables: the data set.
        pairs: its pairs.
        judge: the judge's preference, NaN where it was not asked, shape (pairs,).
        question: what was asked of both.
        seed: of the resamples.

    Returns:
        The interval over images, and the number of pairs.
    """
    people = human_preference(tables, question)
    both = ~np.isnan(judge) & ~np.isnan(people) & (people != 0.5)
    some = pairs[both]
    found = accuracy_interval(judge[both] - 0.5, people[both], some.left, some.right, seed=seed)
    return found, int(both.sum())


@dataclass
class Consistency:
    """Reads answers, and counts on the way how often the same image wins in both orders.

    Attributes:
        same: pairs (of a rater, a sample) with the same winner in both orders.
        both: pairs that were answered in both orders.
        parse: reads one answer.
    """

    parse: Parse
    same: int = 0
    both: int = 0
    _winner: dict[tuple[object, ...], object] = field(default_factory=dict)

    def __call__(self, task: Task, reply: Reply) -> Parsed:
        """What ``parse`` reads."""
        parsed = self.parse(task, reply)
        verdict, about = parsed.verdict, task.subject
        if task.kind == "pair" and isinstance(verdict, Answer):
            first = about["first"]
            other = "right" if first == "left" else "left"
            winner = first if verdict.choice == "first" else other
            names = ("pair_id", "rater_id", "question", "sample")
            key = tuple(about.get(name) for name in names)
            if key in self._winner:
                self.both += 1
                self.same += self._winner.pop(key) == winner
            else:
                self._winner[key] = winner
        return parsed

    def __str__(self) -> str:
        return f"consistent {percent(self.same / self.both, digits=0)}" if self.both else ""


def progress_text(tally: CallCounts, consistency: Consistency, spend: Callable[[int], str]) -> str:
    """Write a line: progress, speed, cost so far and expected, refusals, consistency."""
    seconds = (tally.total - tally.finished) / tally.rate if tally.finished else 0.0
    parts = [
        f"{tally.finished:,} of {tally.total:,}",
        f"{tally.rate:.1f}/s",
        f"{seconds:.0f} s left",
    ]
    if tally.spent_uusd:
        parts.append(f"{spend(tally.spent_uusd)} so far, {spend(tally.to_come_uusd)} to come")
    if tally.refused:
        parts.append(f"{tally.refused:,} refused")
    unusable = sum(tally.rejected.values()) + tally.in_doubt
    if unusable:
        parts.append(f"{unusable:,} unusable")
    return ", ".join([*parts, *filter(None, [str(consistency)])])
