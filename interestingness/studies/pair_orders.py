"""Pairs in both orders: who keeps the winner, who agrees on what, and where the votes are clear."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import ConfigError
from interestingness.stats.bootstrap import Interval
from interestingness.stats.position_bias import order_winners
from interestingness.studies.audit_tables import INTERVAL_NOTE, POSITION_COLUMNS, position_cells
from interestingness.studies.ballots import Ballots, agreement_of
from interestingness.studies.material_votes import judges_of
from interestingness.studies.result import (
    Cell,
    Column,
    Figure,
    HeatMap,
    IntervalChart,
    StudyResult,
    Table,
)
from interestingness.studies.study import Material, Study

Mask = NDArray[np.bool_]


class PairOrders(Study):
    """The paper's study of pairs: order consistency, consensus sets and agreement on them."""

    def __init__(self, *, threshold: float, consistent: Sequence[str]) -> None:
        """Say which pairs count.

        Args:
            threshold: least share of a judge's votes on a pair's majority side for its consensus
                set C; the other pairs are D.
            consistent: patterns of judges; S holds the pairs on which each of them has the same
                winner in both orders. Empty: S is every pair.

        Raises:
            ConfigError: for a threshold that is no share above one half.
        """
        if not 0.5 < threshold <= 1:
            raise ConfigError(
                f"study.threshold={threshold:g}",
                expected="a share above 0.5 and at most 1, e.g. 0.8 for four of five",
                todo="correct study.threshold",
            )
        self.threshold = threshold
        self.consistent = tuple(consistent)

    def run(self, material: Material) -> StudyResult:
        """Orders, consensus and agreement of people and every model.

        Raises:
            DataError: if there are no votes on the question.
        """
        judges = judges_of(material)
        kept, filters = self._kept(judges)
        sets = {judge.name: _consensus(judge, self.threshold) for judge in judges}
        tables = [_consensus_table(judges, sets, kept, self.threshold)]
        if any(judge.knows_order for judge in judges):
            tables.insert(0, _order_table(judges, sets))
        figures: list[Figure] = _order_chart(judges)
        if len(judges) > 1:
            rows = _agreement_rows(judges, sets, kept)
            tables.append(_agreement_table(rows, filters))
            figures += _agreement_map(judges, kept)
        manifest = material.tables.manifest
        return StudyResult(
            name="pair_orders",
            title="Pairs in both orders",
            answer=_answer(judges, sets, kept),
            used=[
                ("data", f"{manifest.name}: {len(material.pairs):,} pairs"),
                ("S", f"{int(kept.sum()):,} pairs{filters}"),
            ],
            tables=tables,
            figures=figures,
            notes=_notes(judges, self.consistent),
            simulated=material.simulated,
        )

    def _kept(self, judges: Sequence[Ballots]) -> tuple[Mask, str]:
        """The pairs of S, and the rule for people."""
        kept = np.ones(len(judges[0].pairs), dtype=bool)
        used = []
        for judge in judges:
            if any(fnmatchcase(judge.name, pattern) for pattern in self.consistent):
                kept &= same_winner(judge) == 1
                used.append(judge.name)
        return kept, f": the same winner in both orders of {', '.join(used)}" if used else ""


def same_winner(judge: Ballots) -> NDArray[np.float64]:
    """Per pair 1 where both orders have the same winner, 0 where not, NaN where one is missing."""
    v = judge.votes
    one, other, keys = order_winners(v.key, v.first, v.preference)
    row = judge.pairs.find(keys.astype(np.uint64))
    found = np.full(len(judge.pairs), np.nan)
    both = ~np.isnan(one) & ~np.isnan(other)
    same = (one == other) & (one != 0)
    found[row[both]] = same[both].astype(float)
    return found


def _consensus(judge: Ballots, threshold: float) -> tuple[Mask, Mask]:
    """C and D of a judge: pairs with two or more votes and a majority, clear or not."""
    voted = (judge.number > 1) & ~np.isnan(judge.side)
    clear = voted & (judge.consensus >= threshold - 1e-9)
    return clear, voted & ~clear


def _order_table(judges: Sequence[Ballots], sets: dict[str, tuple[Mask, Mask]]) -> Table:
    first = judges[0].name
    clear, dissent = sets[first]
    rows: list[dict[str, Cell]] = []
    for judge in judges:
        kept = same_winner(judge)
        bias = judge.position_bias()
        rows.append(
            {
                "judge": judge.name,
                "second_twice": bias.second_twice / bias.pairs if bias.pairs else None,
                "first_twice": bias.first_twice / bias.pairs if bias.pairs else None,
                "clear": _mean(kept, clear) if judge is not judges[0] else None,
                "dissent": _mean(kept, dissent) if judge is not judges[0] else None,
                **position_cells(judge),
                "note": "" if bias.pairs else "no pair decided in both orders",
            }
        )
    return Table(
        "orders",
        "The same pair with its images exchanged",
        [
            Column("judge", "judge"),
            *POSITION_COLUMNS[1:3],
            Column("second_twice", "second both times", "percent", "of the pairs in both orders"),
            Column("first_twice", "first both times", "percent", "of the pairs in both orders"),
            Column(
                "clear", f"same winner where {first} agree", "percent",
                f"share of pairs of C of {first} (below) with the same winner in both orders",
            ),
            Column("dissent", f"same winner where {first} differ", "percent", "the same for D"),
            POSITION_COLUMNS[0],
            *POSITION_COLUMNS[3:],
            Column("note", "note"),
        ],
        rows,
        [
            "People answer a pair once each: their two orders are answers of different people.",
            INTERVAL_NOTE,
        ],
    )  # fmt: skip


def _mean(values: NDArray[np.float64], where: Mask) -> float | None:
    known = where & ~np.isnan(values)
    return float(values[known].mean()) if known.any() else None


def _consensus_table(
    judges: Sequence[Ballots], sets: dict[str, tuple[Mask, Mask]], kept: Mask, threshold: float
) -> Table:
    rows: list[dict[str, Cell]] = []
    for judge in judges:
        clear, dissent = (mask & kept for mask in sets[judge.name])
        total = int(clear.sum() + dissent.sum())
        tied = int((kept & (judge.side == 0.5)).sum())
        several = kept & (judge.number > 1)
        rows.append(
            {
                "judge": judge.name,
                "pairs": total,
                "clear": int(clear.sum()),
                "share": clear.sum() / total if total else None,
                "tied": tied or None,
                "votes": float(judge.number[several].mean()) if several.any() else None,
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
            Column("note", "note"),
        ],
        rows,
        [
            f"C_x holds the pairs on which at least {100 * threshold:g} % of the votes of x are on "
            "one side, D_x the others. Votes in both orders count together.",
        ],
    )


def _agreement_rows(
    judges: Sequence[Ballots], sets: dict[str, tuple[Mask, Mask]], kept: Mask
) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    for i, one in enumerate(judges):
        for other in judges[i + 1 :]:
            cells: dict[str, Cell] = {"one": one.name, "other": other.name}
            places = {
                "all": kept,
                "clear_one": kept & sets[one.name][0],
                "dissent_one": kept & sets[one.name][1],
                "clear_other": kept & sets[other.name][0],
                "dissent_other": kept & sets[other.name][1],
            }
            for name, where in places.items():
                p = np.where(where, one.side, np.nan)
                found, pairs = agreement_of(p, other.side, one.pairs, seed=one.seed)
                cells[name] = found if pairs else None
                if name == "all":
                    cells["pairs"] = pairs
                    cells["note"] = "" if pairs else "no common pair"
            rows.append(cells)
    return rows


def _agreement_table(rows: list[dict[str, Cell]], filters: str) -> Table:
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
            Column("note", "note"),
        ],
        rows,
        [
            "A = share of pairs on which the majorities choose the same image; chance is 50. "
            f"Tied pairs are left out. S{filters or ': all pairs'}.",
            INTERVAL_NOTE,
        ],
    )


def _agreement_map(judges: Sequence[Ballots], kept: Mask) -> list[Figure]:
    if len(judges) < 3:
        return []
    values = np.full((len(judges), len(judges)), np.nan)
    for i, one in enumerate(judges):
        for j, other in enumerate(judges):
            p, q = np.where(kept, one.side, np.nan), other.side
            both = ~np.isnan(p) & ~np.isnan(q) & (p != 0.5) & (q != 0.5)
            if i != j and both.any():
                values[i, j] = float(((p > 0.5) == (q > 0.5))[both].mean())
    names = [judge.name for judge in judges]
    caption = "Share of the pairs of S on which the majorities choose the same image."
    return [HeatMap("agreement", "Agreement on S", caption, names, names, values)]


def _order_chart(judges: Sequence[Ballots]) -> list[Figure]:
    rows = [(judge.name, judge.second_chosen()) for judge in judges if judge.knows_order]
    if not rows:
        return []
    caption = "Share of decided votes for the image shown second, with 95 % intervals over images."
    return [
        IntervalChart("orders", "Is the second place favoured?", caption, rows, {"no bias": 0.5})
    ]


def _answer(judges: Sequence[Ballots], sets: dict[str, tuple[Mask, Mask]], kept: Mask) -> str:
    parts = []
    models = [judge for judge in judges if judge.position_bias().pairs and judge.raters == 1]
    for judge in models[:2]:
        bias = judge.position_bias()
        parts.append(
            f"{judge.name} keeps its winner in {100 * bias.position_consistency:.0f} % of "
            f"{bias.pairs:,} pairs when the images are exchanged; else it answers “second” "
            f"both times in {bias.second_twice:,} and “first” in {bias.first_twice:,}."
        )
    if len(judges) > 1:
        one, other = judges[0], judges[1]
        found = [
            agreement_of(np.where(where, one.side, np.nan), other.side, one.pairs, seed=one.seed)[0]
            for where in (kept, kept & sets[one.name][0], kept & sets[one.name][1])
        ]
        if not np.isnan(found[0].estimate):
            parts.append(
                f"{one.name} and {other.name} agree on {_percent(found[0])} of S, "
                f"{_percent(found[1])} where {one.name} agree among themselves and "
                f"{_percent(found[2])} where they differ."
            )
    if parts:
        return " ".join(parts)
    name = judges[0].name
    clear, dissent = (int((kept & mask).sum()) for mask in sets[name])
    share = 100 * clear / max(clear + dissent, 1)
    return (
        f"No model answered a pair in both orders. {name.capitalize()} agree among themselves on "
        f"{clear:,} of {clear + dissent:,} pairs with two or more votes ({share:.1f} %)."
    )


def _percent(found: Interval) -> str:
    return "–" if np.isnan(found.estimate) else f"{100 * found.estimate:.1f} %"


def _notes(judges: Sequence[Ballots], patterns: Sequence[str]) -> list[str]:
    lacking = [
        pattern
        for pattern in patterns
        if not any(fnmatchcase(judge.name, pattern) for judge in judges)
    ]
    if not lacking:
        return []
    return [f"No judge is called {', '.join(lacking)}: S is not restricted by it."]
