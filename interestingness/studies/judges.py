"""Compare several judges of pairs with each other, with people, and as a panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.errors import ConfigError, DataError
from interestingness.labels.aggregation import aggregate
from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval
from interestingness.studies.agreement import agreement_map, agreement_table
from interestingness.studies.leaders import leaders
from interestingness.studies.panel import (
    PEOPLE,
    Ballots,
    agreement_of,
    annotate_command,
    closer,
    question_rows,
    read_ballots,
)
from interestingness.studies.reason_check import check_reasons
from interestingness.studies.result import (
    Cell,
    Column,
    Figure,
    Gallery,
    Shown,
    ShownPair,
    StudyResult,
    Table,
)
from interestingness.studies.study import Material, Study
from interestingness.studies.table_columns import (
    INTERVAL_NOTE,
    NOTE,
    POSITION,
    REASONS,
    REFUSALS,
    REPETITION,
    VOTES,
    interval_charts,
    percent_text,
    position_cells,
    vote_cells,
)

RULES = ("majority", "order_consistent", "order_corrected")
PANEL = "panel of models"
CLEAR = 0.8
"""Share of people on one side from which a pair counts as clear."""


class Judges(Study):
    """Compare every model that voted, by three rules, with people; show where all differ."""

    def __init__(self, *, shown: int, least_decided: float = 0.5) -> None:
        """Keep the settings.

        Args:
            shown: pairs of the gallery.
            least_decided: share of all pairs that a judge must decide to be named the closest, in
                [0, 1].

        Raises:
            ConfigError: for a share outside [0, 1].
        """
        if not 0 <= least_decided <= 1:
            raise ConfigError(
                f"study.least_decided={least_decided}",
                expected="a share from 0 to 1",
                todo="change study.least_decided",
            )
        self.shown, self.least_decided = shown, least_decided

    def run(self, material: Material) -> StudyResult:
        """Tabulate judges and their agreement; show pairs that divide people and models.

        Raises:
            DataError: if no model has voted.
        """
        voters = read_ballots(material)
        models = [voter for voter in voters if voter.name != PEOPLE]
        people = next((voter for voter in voters if voter.name == PEOPLE), None)
        if not models:
            raise DataError(
                f"{material.tables.manifest.name}: no votes of models",
                expected="votes of at least one model",
                todo=f"{annotate_command(material, 'annotator=gpt4o')} obtains them",
            )
        decided: dict[tuple[str, str], Array] = {}
        rows = [_row(judge, people, material, decided) for judge in models]
        if people is not None and len(models) > 1:
            rows.append(_panel_row(models, people, decided))
        figures = _chart(rows, people)
        tables = [_table(rows, people)]
        sides = {voter.name: voter.side for voter in voters}
        if len(voters) > 1:
            tables.append(
                agreement_table(
                    sides, material.pairs, title="Agreement",
                    notes=["Several votes on a pair count by their majority.", INTERVAL_NOTE],
                )
            )  # fmt: skip
        if len(voters) > 2:
            figures.insert(0, agreement_map(sides, title="Agreement"))
        return StudyResult(
            name="judges",
            title="Judges side by side",
            answer=_answer(rows, people, self.least_decided, decided),
            used=[
                material.data_used,
                ("votes of", ", ".join(voter.name for voter in voters)),
            ],
            tables=tables,
            figures=figures,
            galleries=[] if people is None else _gallery(models, people, material, self.shown),
            notes=[] if people is not None else ["No votes of people to hold the judges against."],
            simulated=material.simulated,
        )


def _row(
    judge: Ballots,
    people: Ballots | None,
    material: Material,
    decided: dict[tuple[str, str], Array],
) -> dict[str, Cell]:
    table = question_rows(material)
    reasons = check_reasons(
        table.filter(pc.equal(table["rater_id"], judge.name)),
        material.tables.images,
        material.pairs,
    )
    row: dict[str, Cell] = {
        "judge": judge.name,
        **vote_cells(judge),
        "reasons": reasons.share if reasons.clear else None,
        **position_cells(judge),
    }
    for rule in RULES:
        if rule != "majority" and not judge.knows_order:
            continue
        own = decided[judge.name, rule] = aggregate(rule, judge.votes, judge.pairs).preference
        row[f"{rule}_kept"] = float((~np.isnan(own) & (own != 0.5)).mean())
        if people is not None:
            found, pairs = agreement_of(own, people.side, judge.pairs)
            row[rule] = found if pairs else None
            row[f"{rule}_common"] = pairs
    if people is not None and row.get("majority") is None:
        row["note"] = "no pair in common with people"
    return row


def _panel_row(
    models: Sequence[Ballots], people: Ballots, decided: dict[tuple[str, str], Array]
) -> dict[str, Cell]:
    """Make the row of the panel: the side that most models choose, one vote each."""
    sides = np.stack([judge.side for judge in models])
    known = ~np.isnan(sides)
    lead = np.where(known, sides - 0.5, 0.0).sum(axis=0)
    own = np.where(known.any(axis=0), 0.5 + 0.5 * np.sign(lead), np.nan)
    decided[PANEL, "majority"] = own
    found, pairs = agreement_of(own, people.side, people.pairs)
    return {
        "judge": PANEL,
        "majority": found if pairs else None,
        "majority_common": pairs,
        "majority_kept": float((~np.isnan(own) & (own != 0.5)).mean()),
        "note": "the side that most models choose",
    }


def _table(rows: list[dict[str, Cell]], people: Ballots | None) -> Table:
    others = "people" if people is not None else "…"
    return Table(
        "judges",
        "Judges",
        [
            Column("judge", "judge"),
            Column("majority_kept", "decided", "percent", "share of all pairs"),
            Column("majority", f"majority: as {others}", "percent", "share of commonly decided "
                   "pairs with the same side; chance is 50"),
            Column("order_consistent", "order-consistent", "percent", "the same, on pairs with one "
                   "winner in both orders only: the paper's rule"),
            Column("order_corrected", "order-corrected", "percent", "the same, with the judge's "
                   "preference for a place taken out"),
            Column("order_consistent_kept", "decided: order-consistent", "percent"),
            Column("order_corrected_kept", "decided: order-corrected", "percent"),
            REASONS,
            *POSITION.values(),
            REPETITION,
            VOTES,
            REFUSALS,
            NOTE,
        ],
        rows,
        [INTERVAL_NOTE],
    )  # fmt: skip


def _chart(rows: list[dict[str, Cell]], people: Ballots | None) -> list[Figure]:
    if people is None:
        return []
    hit = np.where(people.side[people.row] != 0.5, people.hits, np.nan)
    return interval_charts(
        "judges",
        "Agreement with people",
        "Majority of each judge against the majority of people, 95 % intervals over images.",
        [(str(row["judge"]), row.get("majority")) for row in rows],
        {"chance": 0.5, "one person": people.interval(hit).estimate},
        fewest=2,
    )


def _gallery(
    models: Sequence[Ballots], people: Ballots, material: Material, shown: int
) -> list[Gallery]:
    """Show pairs on which people are clear and all models that decide choose the other side."""
    sides = np.stack([judge.side for judge in models])
    against = np.where(np.isnan(sides) | (sides == 0.5), np.nan, sides != people.side)
    voices = (~np.isnan(against)).sum(axis=0)
    lost = voices > 0
    lost[lost] = np.nanmin(against[:, lost], axis=0) == 1
    clear = people.divide(CLEAR)[0] & lost
    order = np.lexsort((-voices, -people.consensus))
    rows = [int(i) for i in order if clear[i]][:shown]
    if not rows:
        return []
    table = question_rows(material)
    pairs = [_shown_pair(row, people, models, table) for row in rows]
    title = "People are clear, and no model agrees"
    note = f"{int(clear.sum()):,} pairs on which people agree and every deciding model differs."
    return [Gallery(title, note, pairs=pairs)]


def _shown_pair(row: int, people: Ballots, models: Sequence[Ballots], table: pa.Table) -> ShownPair:
    pair = people.pairs.pair(row)
    side = "left" if people.side[row] == 1 else "right"
    number = int(people.number[row])
    votes = round(people.consensus[row] * number)
    against = [judge.name for judge in models if judge.side[row] == 1 - people.side[row]]
    rows = table.filter(pc.equal(table["pair_id"], pair.pair_id)).to_pylist()
    reasons = []
    for who, choice in (("human", side), ("model", "right" if side == "left" else "left")):
        said = [r for r in rows if r["rater_kind"] == who and r["choice"] == choice and r["reason"]]
        reasons += [(r["rater_id"], r["reason"]) for r in said[:1]]
    return ShownPair(
        Shown(pair.left),
        Shown(pair.right),
        f"people {votes} of {number} {side}; other side: {', '.join(against)}",
        tuple(reasons),
    )


def _answer(
    rows: list[dict[str, Cell]],
    people: Ballots | None,
    least: float,
    decided: Mapping[tuple[str, str], Array],
) -> str:
    """Name the judge and rule closest to people, of those that decide enough pairs."""
    if people is None:
        return f"{len(rows)} models voted; there are no people to hold them against."
    compared = [
        (row, rule) for row in rows for rule in RULES if isinstance(row.get(rule), Interval)
    ]
    if not compared:
        return "No model has a pair in common with people."
    enough = [(row, rule) for row, rule in compared if row[f"{rule}_kept"] >= least]  # type: ignore[operator]
    if not enough:
        return f"No model decides {100 * least:g} % of the pairs, too few to name the closest."
    sides = [decided[str(row["judge"]), rule] for row, rule in enough]
    found = leaders(
        [row[rule].estimate for row, rule in enough],  # type: ignore[union-attr]
        lambda i, j: closer(sides[i], sides[j], people.side, people.pairs),
    )
    said = found.told(
        "agreement with people",
        [f"{row['judge']} by the rule “{rule.replace('_', '-')}”" for row, rule in enough],
        [f"{percent_text(row[rule])} of {row[f'{rule}_common']:,} pairs" for row, rule in enough],  # type: ignore[arg-type]
        "over images",
    )
    return f"{said} Only judges that decide at least {100 * least:g} % of all pairs are compared."
