"""Compare label sources side by side, to decide which one to use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.errors import LabelError
from interestingness.evaluation.powered import VALID, powered_accuracy
from interestingness.labels.source import Labels, LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.stats.bootstrap import Interval
from interestingness.stats.paired_splits import corrected_paired_t
from interestingness.studies.leaders import Verdict, leaders
from interestingness.studies.panel import (
    PEOPLE,
    Ballots,
    Weighed,
    agreement_of,
    closer,
    split_by_voter,
    weigh,
)
from interestingness.studies.reason_check import check_reasons
from interestingness.studies.result import (
    Cell,
    Column,
    Figure,
    Spread,
    StudyResult,
    Table,
)
from interestingness.studies.source_heads import SourceHeads, Training, fit_heads
from interestingness.studies.study import Material, Study
from interestingness.studies.table_columns import (
    DISCRIMINATION,
    INTERVAL_NOTE,
    NOTE,
    POSITION,
    REASONS,
    REPEATED,
    REPETITION,
    VOTES,
    describe_range,
    has_estimate,
    interval_charts,
    paired_verdict,
    percent_text,
    position_cells,
)
from interestingness.tables.tables import Tables

COSTS = (("dollars", "cost_uusd", 1e-6), ("seconds", "seconds", 1.0))
"""Cell, column of votes that carries it, and its unit."""


class Leaderboard(Study):
    """Compare every source with people: agreement, coverage, bias, price, trained student."""

    def __init__(
        self,
        *,
        reference: str,
        splits: int,
        prices: Mapping[str, float] | None = None,
        judge: str | None = None,
    ) -> None:
        """Keep the settings.

        Args:
            reference: name below ``references`` that sources are held against; usually people.
            splits: repetitions of the student's training; 0 trains none.
            prices: dollars per 1,000 pairs by source, where the votes do not carry their cost.
            judge: source whose labels on all pairs sharpen the agreement of the others with few
                votes of the reference.
        """
        self.reference = reference
        self.splits = splits
        self.prices = dict(prices or {})
        self.judge = judge

    def run(self, material: Material) -> StudyResult:
        """Make a row for each source.

        Raises:
            ConfigError: if no reference or source has the name, or a price is for no source.
            LabelError: if the reference has nothing to read, or there is no source.
        """
        reference = material.references.named(self.reference, "study.reference")
        sources = material.need_sources()
        if self.judge is not None:
            material.sources.named(self.judge, "study.judge")
        truth = material.labels(reference)
        students = None
        if self.splits:
            every = np.ones(len(material.pairs), dtype=bool)
            students = fit_heads(
                material, sources, {self.reference: reference}, train_on=every, test_on=every,
                training=Training(self.splits, None, "standardize", None, material.seed),
            )  # fmt: skip
        weighed = _weigh(material)
        rows = [
            self._row(material, name, source, truth, weighed) | _student_cells(students, at)
            for at, (name, source) in enumerate(sources.items())
        ]
        rows.sort(key=_worth)
        one_person = None
        if _of_people(reference):
            people = _ballots(material, reference, self.reference)
            one_person = people.interval(np.where(truth.decided[people.row], people.hits, np.nan))
        return StudyResult(
            name="leaderboard",
            title="Label sources side by side",
            answer=self._answer(rows, one_person, students, material),
            used=_used(material, students, self.reference),
            tables=[_table(rows, self.reference), *_counts(rows, self.reference)],
            figures=_figures(rows, self.reference, one_person),
            notes=_notes(material, self.reference),
            simulated=material.simulated,
        )

    def _row(
        self,
        material: Material,
        name: str,
        source: LabelSource,
        truth: Labels,
        weighed: Mapping[str, Weighed],
    ) -> dict[str, Cell]:
        labels = material.labels(source)
        people = _of_people(source)
        known = int(labels.known.sum())
        row: dict[str, Cell] = {
            "source": name,
            "coverage": known / max(len(labels), 1),
            "ties": int((labels.preference == 0.5).sum()) / known if known else None,
            "dollars": self.prices.get(name),
            "planted": source.planted,
            "people": people,
        }
        if isinstance(source, VoteSource):
            ballots = _ballots(material, source, name)
            row |= self._vote_cells(material, source, ballots)
            one = weighed.get(_voter(source, ballots))
            row["discrimination"] = None if one is None or one.unknown else one.a
        if people and _of_people(material.references.there[self.reference]):
            ballots = _ballots(material, source, name)
            hit = np.where(labels.decided[ballots.row], ballots.hits, np.nan)
            return row | {
                "agreement": ballots.interval(hit), "common": int(labels.decided.sum()), "note": ""
            }  # fmt: skip
        found, common = agreement_of(labels.preference, truth.preference, material.pairs)
        note = "" if common else f"no pair in common with {self.reference}"
        return (
            row
            | {"agreement": found, "common": common, "note": note}
            | self._powered(material, name, labels, truth)
        )

    def _powered(
        self, material: Material, name: str, labels: Labels, truth: Labels
    ) -> dict[str, Cell]:
        """Estimate the agreement with the judge's labels too, or say why not."""
        if self.judge is None or self.judge == name or not (labels.decided & truth.decided).any():
            return {}
        judge = material.labels(material.sources.there[self.judge])
        side = np.where(labels.decided, labels.preference - 0.5, np.nan)
        rows = np.flatnonzero(labels.decided)
        try:
            found = powered_accuracy(
                side, truth, judge, self.judge, material.pairs, rows, seed=material.seed
            )
        except LabelError as error:
            return {"note": f"not with {self.judge}: {error.found}"}
        return {
            "powered": found.interval,
            "power": found.power,
            "powered_labelled": found.labelled,
            "powered_pairs": found.pairs,
        }

    def _vote_cells(
        self, material: Material, source: VoteSource, ballots: Ballots
    ) -> dict[str, Cell]:
        """Make the cells that only votes have: refusals, places, repetitions, reasons, costs."""
        stable, cells = ballots.repetition()
        tables = material.tables
        reasons = check_reasons(_rows_of(source, tables.vote_table), tables.images, material.pairs)
        found: dict[str, Cell] = {
            "refusals": ballots.refusals / len(ballots),
            "both_bad": ballots.bad_share,
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
        stated, asked = source.price_per_call, len(np.unique(ballots.row))
        if "dollars" not in found and ballots.name not in self.prices and stated and asked:
            found["dollars"] = 1000 * stated * len(ballots) / asked
        return found

    def _answer(
        self,
        rows: list[dict[str, Cell]],
        one_person: Interval | None,
        students: SourceHeads | None,
        material: Material,
    ) -> str:
        """Name the best source by its student and by agreement, of those that one could choose."""
        taught = [r for r in rows if not np.isnan(_mean(r)) and not r["planted"]]
        parts = []
        if taught and students is not None:
            parts.append(_best_student(taught, students, "student"))
            rest = [r for r in taught if r["source"] != self.reference]
            if taught[0]["source"] == self.reference and len(rest) > 1:
                parts.append(_best_student(rest, students, "student of another source"))
        truth = [r for r in rows if r["planted"] and not np.isnan(_mean(r))]
        if truth:
            parts.append(
                f"The planted truth ({truth[0]['source']}), which nobody could choose, would give "
                f"{percent_text(_mean(truth[0]))}."
            )
        others = [r for r in rows if r["source"] != self.reference and not r["people"]]
        compared = [r for r in others if has_estimate(r["agreement"]) and not r["planted"]]
        if compared:
            sources = material.need_sources()
            sides = [material.labels(sources[str(r["source"])]).preference for r in compared]
            held = material.labels(material.references.there[self.reference]).preference
            found = leaders(
                [r["agreement"].estimate for r in compared],  # type: ignore[union-attr]
                lambda i, j: closer(sides[i], sides[j], held, material.pairs),
            )
            parts.append(
                found.told(
                    f"agreement of labels with {self.reference}",
                    [str(r["source"]) for r in compared],
                    [f"{percent_text(r['agreement'])} of {r['common']:,} pairs" for r in compared],  # type: ignore[arg-type]
                    "over images",
                )
            )
        if one_person is not None and has_estimate(one_person):
            parts.append(
                f"One person agrees with the majority of the others in {percent_text(one_person)}."
            )
        if students is not None and all(students.no_split):
            parts.append(f"No student could be trained: {students.no_split[0]}.")
        return " ".join(parts) or f"No source has anything in common with {self.reference}."


def _best_student(rows: list[dict[str, Cell]], students: SourceHeads, of: str) -> str:
    """Name the best student, or say that a paired test over splits names none."""
    names = [str(row["source"]) for row in rows]
    reached = {name: students.accuracy[0, students.sources.index(name), 0] for name in names}

    def verdict(i: int, j: int) -> Verdict:
        one, other = reached[names[i]], reached[names[j]]
        return paired_verdict(
            corrected_paired_t(one, other, test_per_train=students.test_per_train)
        )

    found = leaders([_mean(row) for row in rows], verdict)
    values = [percent_text(row["student"]) for row in rows]  # type: ignore[arg-type]
    return found.told(f"accuracy of a {of}", names, values, "over splits")


def _weigh(material: Material) -> dict[str, Weighed]:
    """Weigh people together and each model, from all votes on the question; empty without any."""
    tables = material.tables
    if not tables.has("votes"):
        return {}
    rows = tables.vote_table.filter(pc.equal(tables.vote_table["question"], material.question))
    everyone = Ballots.read(rows, material.pairs)
    if not len(everyone):
        return {}
    _, kinds = split_by_voter(rows, everyone)
    names = zip(everyone.votes.raters, kinds, strict=True)
    return weigh(everyone, [PEOPLE if kind == "human" else name for name, kind in names])


def _voter(source: VoteSource, ballots: Ballots) -> str:
    """Name who is behind a source: people, or its one model; "" where it mixes several."""
    if source.kind == "human":
        return PEOPLE
    who = np.unique(ballots.votes.rater)
    return ballots.votes.raters[int(who[0])] if len(who) == 1 else ""


def _of_people(source: LabelSource) -> bool:
    return isinstance(source, VoteSource) and source.kind == "human"


def _ballots(material: Material, source: LabelSource, name: str) -> Ballots:
    """Return the votes behind a source of votes."""
    assert isinstance(source, VoteSource)
    votes = source.tables.votes(question=source.question, raters=source.raters, kind=source.kind)
    return Ballots(name, votes, material.pairs)


def _rows_of(source: VoteSource, table: pa.Table) -> pa.Table:
    """Select the rows of a vote table that a source reads."""
    votes = source.tables.votes(question=source.question, raters=source.raters, kind=source.kind)
    mask = pc.and_(
        pc.equal(table["question"], source.question),
        pc.is_in(table["rater_id"], value_set=pa.array(votes.raters, pa.string())),
    )
    if source.kind != "any":
        mask = pc.and_(mask, pc.equal(table["rater_kind"], source.kind))
    return table.filter(mask)


def _per_pair(source: VoteSource, tables: Tables, column: str) -> float | None:
    """Average over pairs the sum over a source's votes of a column of the vote table or of
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


def _worth(row: Mapping[str, Cell]) -> tuple[float, float]:
    """Sort by student, the best first, then by agreement; unknown ones last."""
    student, agreement = _mean(row), row["agreement"]
    estimate = agreement.estimate if isinstance(agreement, Interval) else float("nan")
    return (
        -student if not np.isnan(student) else 1.0,
        -estimate if not np.isnan(estimate) else 1.0,
    )


def _table(rows: list[dict[str, Cell]], reference: str) -> Table:
    people = ", ".join(str(row["source"]) for row in rows if row["people"])
    of_people = f"{people}: one person against the majority of the others, vote by vote. "
    _, consistent, _, *bias = POSITION.values()
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
            Column(
                "powered", f"as {reference}, with judge", "percent",
                f"the same by the labels of few pairs and the judge's of all (prediction-powered), "
                f"{VALID}",
            ),
            Column("coverage", "coverage", "percent", "share of all pairs it says anything about"),
            Column(
                "dollars", "per 1,000 pairs", "dollars",
                "booked with the votes; else study.prices; else the source's price of a call times "
                "its answers to a pair",
            ),
            Column("ties", "ties", "percent", "share of the pairs it covers"),
            Column("both_bad", "both bad", "percent", "share of its answers that prefer neither"),
            Column("refusals", "refusals", "percent", "share of its votes without an answer"),
            consistent,
            *bias,
            DISCRIMINATION,
            REPETITION,
            REASONS,
            Column(
                "seconds", "per 1,000 pairs", "seconds",
                "answering times added up, as if one call waited for the other",
            ),
            NOTE,
            Column("student_note", "student lacking"),
        ],
        rows,
        [
            f"{of_people if people else ''}{INTERVAL_NOTE}",
            "The student: standardised features, L2 chosen inside each split's training images.",
        ],
    )  # fmt: skip


def _counts(rows: list[dict[str, Cell]], reference: str) -> list[Table]:
    """Tabulate the counts behind the first table."""
    return [
        Table(
            "leaderboard_counts",
            "What that rests on",
            [
                Column("source", "source"),
                Column("common", "common pairs", "count", "decided by it and by the reference"),
                Column("powered_labelled", f"{reference} with judge", "count"),
                Column("powered_pairs", "judged pairs", "count"),
                Column("power", "λ", "number", "how much the judge counts, 0 to 1"),
                VOTES,
                Column("raters", "raters", "count"),
                POSITION["both_orders"],
                POSITION["second"],
                REPEATED,
                Column("reasons_judged", "clear reasons", "count"),
            ],
            rows,
        )
    ]


def _used(
    material: Material, students: SourceHeads | None, reference: str
) -> list[tuple[str, str]]:
    found = [material.data_used, ("reference", reference)]
    if students is not None:
        decided = students.decided[0]
        between = describe_range(decided)
        found += [
            ("splits", f"{len(decided)}, {students.rule or 'impossible'}; {between} test pairs"),
            ("features", material.features.note),
        ]
    return found


def _figures(
    rows: list[dict[str, Cell]], reference: str, one_person: Interval | None
) -> list[Figure]:
    lines = {"chance": 0.5} | ({} if one_person is None else {"one person": one_person.estimate})
    return [
        *interval_charts(
            "students",
            "What a student learns from each source",
            f"Accuracy on held-out pairs, against {reference}; mean ± SD over splits.",
            [(str(row["source"]), row.get("student")) for row in rows],
            lines,
            fewest=2,
        ),
        *interval_charts(
            "agreement",
            f"Agreement of the labels themselves with {reference}",
            "With 95 % intervals over images.",
            [(str(row["source"]), row["agreement"]) for row in rows],
            lines,
            fewest=2,
        ),
    ]


def _notes(material: Material, reference: str) -> list[str]:
    found = []
    if material.sources.absent:
        found.append(f"Nothing to read for: {', '.join(sorted(material.sources.absent))}.")
    found.append(
        f"A source that is made of the same answers as {reference} agrees with it by construction."
    )
    return found
