"""Study pairs in both orders: consistency of winners, agreement, consensus sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from interestingness.labels.aggregation import check_threshold
from interestingness.number_text import percent
from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval
from interestingness.studies.agreement import agreement_map
from interestingness.studies.panel import Ballots, Mask, agreement_of, read_ballots
from interestingness.studies.result import Cell, Column, Figure, IntervalChart, StudyResult, Table
from interestingness.studies.study import Material, Study
from interestingness.studies.table_columns import (
    INTERVAL_NOTE,
    NOTE,
    POSITION,
    percent_text,
    position_cells,
)


@dataclass(frozen=True, eq=False)
class PairSets:
    """Voters, and the sets of pairs on which agreement is computed.

    Attributes:
        voters: people together, then each model.
        kept: S, shape (pairs,).
        rule: how S was chosen, for people; "" if it is every pair.
        clear: consensus set C of each voter within S, by name, shape (pairs,).
        dissent: the other voted pairs, D, likewise.
    """

    voters: Sequence[Ballots]
    kept: Mask
    rule: str
    clear: dict[str, Mask]
    dissent: dict[str, Mask]

    @classmethod
    def of(cls, voters: Sequence[Ballots], consistent: Sequence[str], threshold: float) -> PairSets:
        """Make the sets of pairs by the settings of ``PairOrders``."""
        steady = [v for v in voters if any(fnmatchcase(v.name, p) for p in consistent)]
        kept = np.ones(len(voters[0].pairs), dtype=bool)
        for voter in steady:
            kept &= voter.same_winner == 1
        names = ", ".join(voter.name for voter in steady)
        divided = {voter.name: voter.divide(threshold) for voter in voters}
        return cls(
            voters,
            kept,
            f": the same winner in both orders of {names}" if steady else "",
            {name: kept & clear for name, (clear, _) in divided.items()},
            {name: kept & dissent for name, (_, dissent) in divided.items()},
        )

    def agreement(self, one: Ballots, other: Ballots, where: Mask) -> tuple[Interval | None, int]:
        """Compute agreement of two majorities on some pairs, and how many pairs both decide."""
        side = np.where(where, one.side, np.nan)
        found, pairs = agreement_of(side, other.side, one.pairs)
        return (found if pairs else None), pairs


class PairOrders(Study):
    """The paper's study of pairs: order consistency, consensus sets and agreement on them."""

    def __init__(self, *, threshold: float, consistent: Sequence[str]) -> None:
        """Keep the settings.

        Args:
            threshold: least share of the votes on a pair's majority side for a consensus set C; the
                other pairs are D.
            consistent: patterns of names of models; S holds the pairs on which each of them has the
                same winner in both orders. Empty: S is every pair.

        Raises:
            ConfigError: for a threshold outside (0.5, 1].
        """
        check_threshold(threshold, where="study")
        self.threshold = threshold
        self.consistent = tuple(consistent)

    def run(self, material: Material) -> StudyResult:
        """Compute order consistency, consensus and agreement of people and every model.

        Raises:
            DataError: if there are no votes on the question.
        """
        sets = PairSets.of(read_ballots(material), self.consistent, self.threshold)
        tables = [_consensus_table(sets, self.threshold)]
        figures: list[Figure] = _order_chart(sets.voters)
        if any(voter.knows_order for voter in sets.voters):
            tables.insert(0, _order_table(sets.voters, self.threshold))
        if len(sets.voters) > 1:
            tables.append(_agreement_table(sets))
        if len(sets.voters) > 2:
            sides = {v.name: np.where(sets.kept, v.side, np.nan) for v in sets.voters}
            figures.append(agreement_map(sides, title="Agreement on S"))
        return StudyResult(
            name="pair_orders",
            title="Pairs in both orders",
            answer=_answer(sets),
            used=[material.data_used, ("S", f"{int(sets.kept.sum()):,} pairs{sets.rule}")],
            tables=tables,
            figures=figures,
            notes=_notes(sets.voters, self.consistent),
            simulated=material.simulated,
        )


def _order_table(voters: Sequence[Ballots], threshold: float) -> Table:
    first = voters[0].name
    clear, dissent = voters[0].divide(threshold)
    rows: list[dict[str, Cell]] = []
    for voter in voters:
        bias = voter.position_bias()
        others = voter is not voters[0]
        rows.append(
            {
                "judge": voter.name,
                "second_twice": bias.second_twice / bias.pairs if bias.pairs else None,
                "first_twice": bias.first_twice / bias.pairs if bias.pairs else None,
                "clear": _mean(voter.same_winner, clear) if others else None,
                "dissent": _mean(voter.same_winner, dissent) if others else None,
                **position_cells(voter),
                "note": "" if bias.pairs else "no pair decided in both orders",
            }
        )
    second, consistent, both_orders, *bias_columns = POSITION.values()
    return Table(
        "orders",
        "The same pair with its images exchanged",
        [
            Column("judge", "votes of"),
            consistent,
            both_orders,
            Column("second_twice", "second both times", "percent", "of the pairs in both orders"),
            Column("first_twice", "first both times", "percent", "of the pairs in both orders"),
            Column("clear", f"same winner where {first} agree", "percent",
                   f"share of pairs of C of {first} (below) with the same winner in both orders"),
            Column("dissent", f"same winner where {first} differ", "percent", "the same for D"),
            second,
            *bias_columns,
            NOTE,
        ],
        rows,
        [
            "People answer a pair once each: their two orders are answers of different people.",
            INTERVAL_NOTE,
        ],
    )  # fmt: skip


def _mean(values: Array, where: Mask) -> float | None:
    known = where & ~np.isnan(values)
    return float(values[known].mean()) if known.any() else None


def _consensus_table(sets: PairSets, threshold: float) -> Table:
    rows: list[dict[str, Cell]] = []
    for voter in sets.voters:
        clear = int(sets.clear[voter.name].sum())
        total = clear + int(sets.dissent[voter.name].sum())
        several = sets.kept & (voter.number > 1)
        rows.append(
            {
                "judge": voter.name,
                "pairs": total,
                "clear": clear,
                "share": clear / total if total else None,
                "tied": int((sets.kept & (voter.side == 0.5)).sum()) or None,
                "votes": float(voter.number[several].mean()) if several.any() else None,
                "note": "" if total else "no pair with two or more votes",
            }
        )
    return Table(
        "consensus_sets",
        "Consensus sets",
        [
            Column("judge", "x"),
            Column("share", "|C_x| of S", "percent"),
            Column("clear", "|C_x|", "count"),
            Column("pairs", "pairs", "count", "of S with two or more votes of x"),
            Column("votes", "votes a pair", "number"),
            Column("tied", "tied", "count", "among the pairs of D_x"),
            NOTE,
        ],
        rows,
        [
            f"C_x holds the pairs on which at least {100 * threshold:g} % of the votes of x are on "
            "one side, D_x the others. Votes in both orders count together.",
        ],
    )


def _agreement_table(sets: PairSets) -> Table:
    rows: list[dict[str, Cell]] = []
    for i, one in enumerate(sets.voters):
        for other in sets.voters[i + 1 :]:
            every, pairs = sets.agreement(one, other, sets.kept)
            rows.append(
                {
                    "one": one.name,
                    "other": other.name,
                    "pairs": pairs,
                    "all": every,
                    "clear_one": sets.agreement(one, other, sets.clear[one.name])[0],
                    "dissent_one": sets.agreement(one, other, sets.dissent[one.name])[0],
                    "clear_other": sets.agreement(one, other, sets.clear[other.name])[0],
                    "dissent_other": sets.agreement(one, other, sets.dissent[other.name])[0],
                    "note": "" if pairs else "no common pair",
                }
            )
    return Table(
        "agreement",
        "Agreement A on S, C_x and D_x",
        [
            Column("one", "M"),
            Column("other", "N"),
            Column("pairs", "pairs", "count", "of S with a majority side of both"),
            Column("all", "A on S", "percent"),
            Column("clear_one", "on C_M", "percent"),
            Column("dissent_one", "on D_M", "percent"),
            Column("clear_other", "on C_N", "percent"),
            Column("dissent_other", "on D_N", "percent"),
            NOTE,
        ],
        rows,
        [
            "A = share of pairs on which the majorities choose the same image; chance is 50. "
            f"Tied pairs are left out. S{sets.rule or ': all pairs'}.",
            INTERVAL_NOTE,
        ],
    )


def _order_chart(voters: Sequence[Ballots]) -> list[Figure]:
    rows = [(voter.name, voter.second_chosen()) for voter in voters if voter.knows_order]
    if not rows:
        return []
    caption = "Share of decided votes for the image shown second, with 95 % intervals over images."
    return [
        IntervalChart("orders", "Is the second place favoured?", caption, rows, {"no bias": 0.5})
    ]


def _answer(sets: PairSets) -> str:
    voters, parts = sets.voters, []
    models = [voter for voter in voters if voter.position_bias().pairs and voter.raters == 1]
    for model in models[:2]:
        bias = model.position_bias()
        parts.append(
            f"{model.name} keeps its winner in {percent(bias.position_consistency, digits=0)} of "
            f"{bias.pairs:,} pairs when the images are exchanged; else it answers “second” "
            f"both times in {bias.second_twice:,} and “first” in {bias.first_twice:,}."
        )
    name = voters[0].name
    if len(voters) > 1:
        places = (sets.kept, sets.clear[name], sets.dissent[name])
        all_, clear, dissent = (sets.agreement(voters[0], voters[1], p)[0] for p in places)
        if all_ is not None:
            parts.append(
                f"{name} and {voters[1].name} agree on {percent_text(all_)} of S, "
                f"{percent_text(clear)} where {name} agree among themselves and "
                f"{percent_text(dissent)} where they differ."
            )
    if parts:
        return " ".join(parts)
    agreed = int(sets.clear[name].sum())
    total = agreed + int(sets.dissent[name].sum())
    return (
        f"No model answered a pair in both orders. {name.capitalize()} agree among themselves on "
        f"{agreed:,} of {total:,} pairs with two or more votes "
        f"({percent(agreed / max(total, 1))})."
    )


def _notes(voters: Sequence[Ballots], patterns: Sequence[str]) -> list[str]:
    lacking = [p for p in patterns if not any(fnmatchcase(voter.name, p) for voter in voters)]
    return [f"No model is called {', '.join(lacking)}: S is not restricted by it."] * bool(lacking)
