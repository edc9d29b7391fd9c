"""Columns that several tables of studies share, and tables built field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from interestingness.number_text import percent, percent_interval, write_number
from interestingness.stats.bootstrap import Interval
from interestingness.stats.paired_splits import PairedDifference
from interestingness.studies.leaders import Verdict
from interestingness.studies.panel import Ballots
from interestingness.studies.result import Cell, Column, Figure, IntervalChart, Spread, Table

Item = TypeVar("Item")
INTERVAL_NOTE = "Brackets: 95 % intervals from resampled images."
SPLITS_NOTE = "Mean ± SD over splits."
NOTE = Column("note", "note")
VOTES = Column("votes", "votes", "count")
PAIRS = Column("pairs", "pairs", "count")
COMMON = Column("pairs", "common pairs", "count")
REFUSALS = Column("refusals", "refusals", "count", "votes without a usable answer")
REPETITION = Column(
    "repetition", "repeats itself", "percent",
    "mean share of the commonest answer when a rater sees a pair in one order again; a coin gives "
    "75 for two answers, 69 for five",
)  # fmt: skip
REPEATED = Column("repeated", "repeated", "count", "pairs × orders × raters asked again")
DISCRIMINATION = Column(
    "discrimination", "discrimination a", "signed",
    "how closely votes follow what all raters have in common, in logits for one SD of the pairs' "
    "margins: 0 for a coin and for who always takes one place, below 0 for who contradicts the "
    "others; it measures agreement, not quality",
)  # fmt: skip
REASONS = Column(
    "reasons", "reason fits choice", "percent",
    "of the reasons that clearly speak of one image, the share that speak of the chosen one; 50 is "
    "chance",
)  # fmt: skip
POSITION: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column("second", "second chosen", "percent",
               "share of the decided votes of known order that go to the image shown second; 50 "
               "without a preference for a place"),
        Column("consistent", "same in both orders", "percent",
               "of the pairs decided in both orders, the share with the same winner"),
        Column("both_orders", "pairs in both orders", "count"),
        Column("bias_index", "bias index", "signed",
               "(second twice − first twice) / pairs in both orders; above 0 favours the second "
               "place"),
        Column("bias_p", "p", "text", "exact two-sided McNemar test that the bias index is 0"),
        Column("order_term", "order term b", "signed",
               "what the image shown first gains, in logits (interval from the likelihood); below "
               "0 favours the second place"),
    )
}  # fmt: skip
"""Which place is favoured; the cells are those of ``position_cells``."""


@dataclass(frozen=True)
class Field(Generic[Item]):
    """A column, and the function that makes its cell from a row's item."""

    column: Column
    cell: Callable[[Item], Cell]


def table_of(
    name: str,
    title: str,
    items: Sequence[Item],
    fields: Sequence[Field[Item]],
    notes: Sequence[str] = (),
) -> Table:
    """Build a table with a row for each item.

    Args:
        name, title, notes: see ``Table``.
        items: what the rows are about, in order.
        fields: the columns, in order.
    """
    rows = [{field.column.name: field.cell(item) for field in fields} for item in items]
    return Table(name, title, [field.column for field in fields], rows, notes)


def write_p(p: float) -> str:
    """Format a p-value; "" where there is none."""
    return "" if isnan(p) else "< .001" if p < 0.001 else f"{p:.3f}"[1:] if p < 1 else "1"


def paired_interval(found: PairedDifference) -> Interval | None:
    """Make the cell of a difference over splits; None without a split that has both."""
    if found.splits == 0:
        return None
    return Interval(found.mean, found.low, found.high, 0.95, found.splits)


def paired_verdict(found: PairedDifference) -> Verdict:
    """Tell how the lower of two stands to the higher by their difference over splits."""
    return "untested" if found.splits < 2 else "below" if found.p < 0.05 else "close"


def paired_test_note(test_per_train: float) -> str:
    """Write the formula of ``corrected_paired_t`` with the ratio that was used."""
    return (
        "Test: d are the differences of two heads' accuracies on the J splits, "
        "t = mean(d) / √((1/J + n_test/n_train)·var(d)) with J − 1 degrees of freedom (Nadeau and "
        "Bengio 2003: training sets of repeated splits overlap); "
        f"n_test/n_train = {test_per_train:.2f} pairs."
    )


def percent_text(cell: Interval | Spread | float | None) -> str:
    """Format a share in percent: "80.8 %", "80.8 % [76.7, 84.5]", "80.8 ± 1.2 % over …"."""
    if cell is None:
        return "–"
    if isinstance(cell, Spread):
        if cell.repeats < 2:
            return f"{percent(cell.mean)} on 1 split"
        mean, sd = write_number(cell.mean, "percent"), percent(cell.sd)
        return f"{mean} ± {sd} over {cell.repeats} splits"
    if isinstance(cell, Interval):
        return percent_interval(cell.estimate, cell.low, cell.high)
    return percent(cell)


def describe_range(numbers: NDArray[np.int64]) -> str:
    """Format the least and the largest count: "24", or "24 to 1,030"."""
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def interval_charts(
    name: str,
    title: str,
    caption: str,
    rows: Iterable[tuple[str, Cell]],
    lines: Mapping[str, float],
    *,
    fewest: int = 1,
) -> list[Figure]:
    """Draw a chart of the rows that have an estimate; none where there are too few.

    Args:
        name, title, caption: see ``IntervalChart``.
        rows: labels and cells; cells without an estimate are left out.
        lines: what to compare with, by label; NaN is left out.
        fewest: rows of a chart.
    """
    known = [(label, cell) for label, cell in rows if has_estimate(cell)]
    if len(known) < fewest:
        return []
    drawn = {label: value for label, value in lines.items() if not isnan(value)}
    return [IntervalChart(name, title, caption, known, drawn)]  # type: ignore[arg-type]


def has_estimate(cell: Cell) -> bool:
    """Check whether a cell is an interval or a spread with a number in it."""
    if isinstance(cell, Interval):
        return not isnan(cell.estimate)
    return isinstance(cell, Spread) and cell.repeats > 0


def position_cells(ballots: Ballots) -> dict[str, Cell]:
    """Make the cells of ``POSITION``; empty where no vote records what was shown first."""
    if not ballots.knows_order:
        return {}
    bias = ballots.position_bias()
    cells: dict[str, Cell] = {
        "second": ballots.second_chosen(),
        "both_orders": bias.pairs,
        "order_term": ballots.order_term(),
    }
    if bias.pairs:
        cells |= {
            "consistent": bias.position_consistency,
            "bias_index": bias.bias_index,
            "bias_p": write_p(bias.p_value),
        }
    return cells


def vote_cells(ballots: Ballots) -> dict[str, Cell]:
    """Make the cells of ``VOTES``, ``REFUSALS``, ``REPETITION`` and ``REPEATED``."""
    stable, cells = ballots.repetition()
    return {
        "votes": int(ballots.usable.sum()),
        "refusals": ballots.refusals or None,
        "repetition": stable if cells else None,
        "repeated": cells or None,
    }
