"""What a table of a judge's votes says about the judge: its liking for a place above all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.annotators.support import CONTRADICTS, SUPPORTS
from interestingness.labels.order_term import OrderTerm
from interestingness.stats.position_bias import PositionBias, position_bias
from interestingness.tables.tables import Votes


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
        low, high: ends of its 95 % interval.
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
                f" times ({bias.position_consistency:.1%}), whatever is first {bias.first_twice:,},"
                f" whatever is second {bias.second_twice:,}"
            )
            place = "second" if bias.bias_index > 0 else "first"
            verdict = f"it likes the {place} place" if bias.p_value < 0.05 else "no bias is shown"
            said.append(f"  exact test    p = {bias.p_value:.2g} for no bias; {verdict}")
        if np.isfinite(self.b):
            interval = f" [{self.low:.2f}, {self.high:.2f}]" if np.isfinite(self.low) else ""
            said.append(
                f"  order term b  {self.b:+.2f}{interval} logits for the image shown first"
                " (taken out of labels)"
            )
        if self.one_sided:
            said.append(f"  one-sided     {self.one_sided:,} pairs are refused in one order only")
        if self.stability is not None:
            said.append(f"  repetitions   {self.stability:.1%} give the most frequent answer")
        if self.reasons:
            said.append(
                f"  reasons       {self.contradicting:.1%} of the {self.reasons:,} that name an"
                " image speak for the one that was not chosen"
            )
        if 0 < self.probabilities < 1:
            said.append(f"  probabilities for {self.probabilities:.1%} of the votes")
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
