"""Label sources side by side: the table that decides which one to use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.source import Labels, LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.stats.bootstrap import Interval
from interestingness.studies.audit_tables import INTERVAL_NOTE, POSITION_COLUMNS, position_cells
from interestingness.studies.ballots import Ballots, agreement_of
from interestingness.studies.reason_check import check_reasons
from interestingness.studies.result import (
    Cell,
    Column,
    Figure,
    IntervalChart,
    Spread,
    StudyResult,
    Table,
)
from interestingness.studies.source_heads import SourceHeads, Training, fit_heads
from interestingness.studies.study import Material, Study
from interestingness.tables.tables import Tables

COSTS = (("dollars", "cost_uusd", 1e-6), ("seconds", "seconds", 1.0))
"""Cell, column of votes that carries it, and its unit."""


class Leaderboard(Study):
    """Every source against people: agreement, coverage, bias, price, and the student it teaches."""

    def __init__(
        self, *, reference: str, splits: int, prices: Mapping[str, float] | None = None
    ) -> None:
        """Say what judges and how often.

        Args:
            reference: name below ``references`` whose preferences are right; people as a rule.
            splits: repetitions of the student's training; 0 trains none.
            prices: dollars per 1,000 pairs by source, where the votes do not carry their cost.
        """
        self.reference = reference
        self.splits = splits
        self.prices = dict(prices or {})

    def run(self, material: Material) -> StudyResult:
        """One row for each source.

        Raises:
            ConfigError: if no reference has the name, or a price is for no source.
            LabelError: if the reference has nothing to read, or there is no source.
        """
        judge = self._judge(material)
        sources = material.sources.there
        if not sources:
            raise LabelError(
                "the data set has nothing for any of the label sources",
                expected="votes or scores for at least one",
                todo="name one: +label_source@sources.mine=scores sources.mine.column=…",
            )
        labels = {name: source.labels(material.pairs) for name, source in sources.items()}
        truth = judge.labels(material.pairs)
        students = None
        if self.splits:
            every = np.ones(len(material.pairs), dtype=bool)
            students = fit_heads(
                material, sources, {self.reference: judge}, train_on=every, test_on=every,
                training=Training(self.splits, None, "standardize", None, material.seed),
            )  # fmt: skip
        rows = [
            self._row(material, name, source, labels[name], truth) | _student_cells(students, at)
            for at, (name, source) in enumerate(sources.items())
        ]
        rows.sort(key=_worth)
        people = _ballots(material, judge, self.reference)
        ceiling = None
        if people is not None and self._of_people(material):
            ceiling = people.interval(np.where(truth.decided[people.row], people.hits, np.nan))
        return StudyResult(
            name="leaderboard",
            title="Label sources side by side",
            answer=self._answer(rows, ceiling, students),
            used=_used(material, students, self.reference),
            tables=[_table(rows, self.reference), *_counts(rows)],
            figures=_figures(rows, self.reference, ceiling),
            notes=_notes(material, self.reference),
            simulated=material.simulated,
        )

    def _judge(self, material: Material) -> LabelSource:
        there, absent = material.references.there, material.references.absent
        if self.reference in there:
            return there[self.reference]
        if self.reference in absent:
            raise LabelError(
                f"reference {self.reference!r} has nothing to read: {absent[self.reference]}",
                todo=f"choose another: study.reference={next(iter(there), '…')}",
            )
        raise ConfigError(
            f"no reference is called {self.reference!r}",
            expected=f"one of {', '.join([*there, *absent])}",
            todo="study.reference=… with one of these names",
        )

    def _row(
        self, material: Material, name: str, source: LabelSource, labels: Labels, truth: Labels
    ) -> dict[str, Cell]:
        ballots = _ballots(material, source, name)
        found, common = agreement_of(
            labels.preference, truth.preference, material.pairs, seed=material.seed
        )
        note = "" if common else f"no pair in common with {self.reference}"
        people = isinstance(source, VoteSource) and source.kind == "human" and ballots is not None
        if people and self._of_people(material):
            assert ballots is not None
            hit = np.where(labels.decided[ballots.row], ballots.hits, np.nan)
            found, common = ballots.interval(hit), int(labels.decided.sum())
            note = ""
        known = int(labels.known.sum())
        row: dict[str, Cell] = {
            "source": name,
            "agreement": found,
            "common": common,
            "coverage": known / max(len(labels), 1),
            "ties": int((labels.preference == 0.5).sum()) / known if known else None,
            "dollars": self.prices.get(name),
            "planted": source.planted,
            "note": note,
            "people": bool(people),
        }
        if ballots is not None:
            row |= self._vote_cells(material, source, ballots)
        return row

    def _of_people(self, material: Material) -> bool:
        judge = material.references.there[self.reference]
        return isinstance(judge, VoteSource) and judge.kind == "human"

    def _vote_cells(
        self, material: Material, source: LabelSource, ballots: Ballots
    ) -> dict[str, Cell]:
        """What only votes have: refusals, places, repetitions, reasons, costs."""
        stable, cells = ballots.repetition()
        tables = material.tables
        reasons = check_reasons(_rows_of(source, tables.vote_table), tables.images, material.pairs)
        found: dict[str, Cell] = {
            "refusals": ballots.refusals / len(ballots),
            "repetition": stable if cells else None,
            "reasons": reasons.share if reasons.clear else None,
            "votes": int(ballots.usable.sum()),
            "raters": ballots.raters,
            "repeated": cells or None,
            "reasons_judged": reasons.clear or None,
            **position_cells(ballots),
        }
        for name, column, unit in COSTS:
            if (cost := _per_pair(source, material.tables, column)) is not None:
                found[name] = 1000 * cost * unit
        assert isinstance(source, VoteSource)
        stated, asked = source.price_per_call, len(np.unique(ballots.row))
        if "dollars" not in found and ballots.name not in self.prices and stated and asked:
            found["dollars"] = 1000 * stated * len(ballots) / asked
        return found

    def _answer(
        self, rows: list[dict[str, Cell]], ceiling: Interval | None, students: SourceHeads | None
    ) -> str:
        """The best source by its student and by agreement, of those that one could choose."""
        taught = [r for r in rows if not np.isnan(_mean(r)) and not r["planted"]]
        parts = []
        if taught:
            best = taught[0]
            parts.append(
                f"The student of {best['source']} is the best: "
                f"{100 * _mean(best):.1f} % of held-out pairs as {self.reference}."
            )
            rest = [r for r in taught if r["source"] != self.reference]
            if best["source"] == self.reference and rest:
                parts.append(f"Next is {rest[0]['source']} with {100 * _mean(rest[0]):.1f} %.")
        truth = [r for r in rows if r["planted"] and not np.isnan(_mean(r))]
        if truth:
            parts.append(
                f"The planted truth ({truth[0]['source']}), which nobody could choose, would give "
                f"{100 * _mean(truth[0]):.1f} %."
            )
        others = [r for r in rows if r["source"] != self.reference and not r["people"]]
        compared = [r for r in others if _known(r["agreement"]) and not r["planted"]]
        if compared:
            closest = max(compared, key=lambda r: r["agreement"].estimate)  # type: ignore[union-attr]
            agreement = closest["agreement"]
            assert isinstance(agreement, Interval)
            parts.append(
                f"Closest to {self.reference} in its labels is {closest['source']}: "
                f"{100 * agreement.estimate:.1f} % [{100 * agreement.low:.1f}, "
                f"{100 * agreement.high:.1f}] of {closest['common']:,} common pairs."
            )
        if ceiling is not None and _known(ceiling):
            parts.append(
                f"One person agrees with the majority of the others in "
                f"{100 * ceiling.estimate:.1f} %."
            )
        return " ".join(parts) or " ".join(self._silence(others, ceiling, students))

    def _silence(
        self,
        others: list[dict[str, Cell]],
        ceiling: Interval | None,
        students: SourceHeads | None,
    ) -> list[str]:
        """Why there is nothing to compare."""
        said = ["Nothing can be compared."]
        if not others:
            said.append(f"There is no source beside {self.reference}.")
        elif not any(row["common"] for row in others):
            said.append(f"No source has a pair in common with {self.reference}.")
        if ceiling is not None and not _known(ceiling):
            said.append("No pair has votes of two people, so that nobody can be held against them.")
        if students is not None and all(students.no_split):
            said.append(f"No student could be trained: {students.no_split[0]}.")
        return said


def _ballots(material: Material, source: LabelSource, name: str) -> Ballots | None:
    """The votes behind a source; None for one of scores."""
    if not isinstance(source, VoteSource):
        return None
    votes = source.tables.votes(question=source.question, raters=source.raters, kind=source.kind)
    return Ballots(name, votes, material.pairs, material.seed)


def _rows_of(source: LabelSource, table: pa.Table) -> pa.Table:
    """Rows of a vote table that a source reads."""
    assert isinstance(source, VoteSource)
    votes = source.tables.votes(question=source.question, raters=source.raters, kind=source.kind)
    mask = pc.and_(
        pc.equal(table["question"], source.question),
        pc.is_in(table["rater_id"], value_set=pa.array(votes.raters, pa.string())),
    )
    if source.kind != "any":
        mask = pc.and_(mask, pc.equal(table["rater_kind"], source.kind))
    return table.filter(mask)


def _per_pair(source: LabelSource, tables: Tables, column: str) -> float | None:
    """Mean over pairs of what the source's votes add up to in a column of the vote table or of
    annotators' tables; None where no vote has a number there."""
    total, pairs = 0.0, set()
    own = tables.vote_table
    for table in (own, *tables.annotated("votes")):
        if column in table.schema.names:
            rows = _rows_of(source, table)
            rows = rows.filter(pc.is_valid(rows[column]))
            total += float(pc.sum(rows[column]).as_py() or 0)
            pairs.update(rows["pair_id"].to_pylist())
    return total / len(pairs) if pairs else None


def _student_cells(students: SourceHeads | None, at: int) -> dict[str, Cell]:
    if students is None:
        return {}
    found: dict[str, Cell] = {"student": Spread.of(students.accuracy[0, at, 0])}
    why = students.why(0, at)
    return {**found, "student_note": why} if why else found


def _mean(row: Mapping[str, Cell]) -> float:
    cell = row.get("student")
    return cell.mean if isinstance(cell, Spread) else float("nan")


def _known(cell: Cell) -> bool:
    return isinstance(cell, Interval) and not np.isnan(cell.estimate)


def _worth(row: Mapping[str, Cell]) -> tuple[float, float]:
    """Best student first; then by agreement; what is unknown last."""
    student, agreement = _mean(row), row["agreement"]
    estimate = agreement.estimate if isinstance(agreement, Interval) else float("nan")
    return (
        -student if not np.isnan(student) else 1.0,
        -estimate if not np.isnan(estimate) else 1.0,
    )


def _table(rows: list[dict[str, Cell]], reference: str) -> Table:
    people = ", ".join(str(row["source"]) for row in rows if row["people"])
    of_people = f"{people}: one person against the majority of the others, vote by vote. "
    _, consistent, _, *bias = POSITION_COLUMNS
    return Table(
        "leaderboard",
        "Label sources",
        [
            Column("source", "source"),
            Column(
                "student", "student", "percent",
                f"held-out pairs on which a linear head that learnt from the source chooses the "
                f"side of {reference}: mean ± SD over splits",
            ),
            Column(
                "agreement", f"as {reference}", "percent",
                "share of commonly decided pairs on which the labels themselves have the same side",
            ),
            Column("coverage", "coverage", "percent", "share of all pairs it says anything about"),
            Column(
                "dollars", "per 1,000 pairs", "dollars",
                "booked with the votes; else study.prices; else the source's price of a call times "
                "its answers to a pair",
            ),
            Column("ties", "ties", "percent", "share of the pairs it covers"),
            Column("refusals", "refusals", "percent", "share of its votes without an answer"),
            consistent,
            *bias,
            Column(
                "repetition", "repeats itself", "percent",
                "mean share of the commonest answer to the same pair in the same order",
            ),
            Column(
                "reasons", "reason fits choice", "percent",
                "of the reasons that clearly speak of one image, the share that speak of the "
                "chosen one; 50 is chance",
            ),
            Column(
                "seconds", "per 1,000 pairs", "seconds",
                "answering times added up, as if one call waited for the other",
            ),
            Column("note", "note"),
            Column("student_note", "student lacking"),
        ],
        rows,
        [
            f"{of_people if people else ''}{INTERVAL_NOTE}",
            "The student: standardised features, L2 chosen inside each split's training images.",
        ],
    )  # fmt: skip


def _counts(rows: list[dict[str, Cell]]) -> list[Table]:
    """How much stands behind the first table."""
    return [
        Table(
            "leaderboard_counts",
            "What that rests on",
            [
                Column("source", "source"),
                Column("common", "common pairs", "count", "decided by it and by what judges"),
                Column("votes", "votes", "count"),
                Column("raters", "raters", "count"),
                POSITION_COLUMNS[2],
                POSITION_COLUMNS[0],
                Column("repeated", "repeated", "count", "pairs × orders × raters asked again"),
                Column("reasons_judged", "clear reasons", "count"),
            ],
            rows,
        )
    ]


def _used(
    material: Material, students: SourceHeads | None, reference: str
) -> list[tuple[str, str]]:
    manifest = material.tables.manifest
    found = [
        ("data", f"{manifest.name}: {len(material.pairs):,} pairs"),
        ("judged by", reference),
    ]
    if students is not None:
        decided = students.decided[0]
        low, high = int(decided.min()), int(decided.max())
        between = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        found += [
            ("splits", f"{len(decided)}, {students.rule or 'impossible'}; {between} test pairs"),
            ("features", material.features.note),
        ]
    return found


def _figures(rows: list[dict[str, Cell]], reference: str, ceiling: Interval | None) -> list[Figure]:
    lines = {"chance": 0.5}
    if ceiling is not None and _known(ceiling):
        lines["one person"] = ceiling.estimate
    taught = [(str(r["source"]), r["student"]) for r in rows if not np.isnan(_mean(r))]
    agreed = [(str(r["source"]), r["agreement"]) for r in rows if _known(r["agreement"])]
    found: list[Figure] = []
    if len(taught) > 1:
        found.append(
            IntervalChart(
                "students",
                "What a student learns from each source",
                f"Accuracy on held-out pairs, judged by {reference}; mean ± SD over splits.",
                taught,  # type: ignore[arg-type]
                lines,
            )
        )
    if len(agreed) > 1:
        found.append(
            IntervalChart(
                "agreement",
                f"Agreement of the labels themselves with {reference}",
                "With 95 % intervals over images.",
                agreed,  # type: ignore[arg-type]
                lines,
            )
        )
    return found


def _notes(material: Material, reference: str) -> list[str]:
    found = []
    if material.sources.absent:
        found.append(f"Nothing to read for: {', '.join(sorted(material.sources.absent))}.")
    found.append(
        f"A source that is made of the same answers as {reference} agrees with it by construction."
    )
    return found
