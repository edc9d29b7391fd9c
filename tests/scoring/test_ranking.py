"""The contact sheet's table: its shares are rounded, and a column without a value is not shown."""

from __future__ import annotations

import numpy as np

from interestingness.reports.cells import format_cell, visible_columns
from interestingness.scoring.ranking import Ranking, ReferenceScores
from interestingness.studies.result import Table


def highest(images: int, *, reference: ReferenceScores | None = None, logits: bool = True) -> Table:
    ranking = Ranking(
        [f"{i}.jpg" for i in range(images)],
        np.arange(images, dtype=np.float64),
        np.full(images, -1),
        {},
        logits,
        reference,
    )
    return ranking.sheet(used=(), shown=3, file="scores.csv").tables[0]


def names(table: Table) -> set[str]:
    return {column.name for column in visible_columns(table)}


def shown(table: Table, name: str) -> list[str]:
    return [format_cell(row[name], "percent") for row in table.rows]


def test_a_comparison_that_was_not_made_has_no_column() -> None:
    optional = {"reference_percentile", "beats_median"}
    reference = ReferenceScores("mine", np.array([0.5, 2.0]))
    assert names(highest(3)) & optional == {"beats_median"}
    assert names(highest(3, reference=reference, logits=False)) & optional == {
        "reference_percentile"
    }


def test_shares_are_rounded() -> None:
    assert shown(highest(19), "percentile")[:2] == ["97.4", "92.1"]  # 18.5 and 17.5 of 19
    assert shown(highest(19), "percentile")[-2] == "7.9"


def test_only_what_is_above_all_is_100_percent() -> None:
    assert shown(highest(2000), "percentile")[:2] == ["99.9", "99.9"]
    assert shown(highest(30), "beats_median")[0] == "99.9"
    reference = ReferenceScores("mine", np.array([0.5, 2.0]))
    assert shown(highest(4, reference=reference), "reference_percentile")[0] == "100.0"
