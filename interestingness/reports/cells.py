"""Format cells of a study's tables as text for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from interestingness.number_text import Kind, write_number
from interestingness.reports.charts.axes import unit
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Cell, Column, Spread, Table

NONE = "–"


def format_cell(cell: Cell, kind: Kind) -> str:
    """Format a cell for people: "73.4 ± 3.4", "80.8 [76.7, 84.5]", "–" where there is nothing."""
    value = native(cell)
    if isinstance(value, Spread):
        mean = format_cell(value.mean, kind)
        lonely = mean == NONE or math.isnan(value.sd)
        return mean if lonely else f"{mean} ± {format_cell(value.sd, kind).lstrip('+')}"
    if isinstance(value, Interval):
        estimate = format_cell(value.estimate, kind)
        if estimate == NONE or math.isnan(value.low):
            return estimate
        return f"{estimate} [{format_cell(value.low, kind)}, {format_cell(value.high, kind)}]"
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return write_number(value, kind)


def cell_text(cell: Cell, kind: Kind) -> str:
    """Format a cell of a displayed table: a missing text leaves its cell empty."""
    text = format_cell(cell, kind)
    return "" if kind == "text" and text == NONE else text


def native(cell: Any) -> Any:
    """Convert a cell from numpy's scalar types; NaN becomes None."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def heading(column: Column) -> str:
    """Return the column's title with its unit."""
    return column.title + unit(column.kind)


def visible_columns(table: Table) -> list[Column]:
    """Select the columns in which some row has a cell; all if none has."""
    filled = [
        column
        for column in table.columns
        if any(format_cell(row.get(column.name), column.kind) != NONE for row in table.rows)
    ]
    return filled or list(table.columns)


def filled(tables: Sequence[Table]) -> list[Table]:
    """Select the tables with a row; others have nothing to show."""
    return [table for table in tables if table.rows]


def groups(rows: Sequence[Sequence[str]]) -> list[tuple[str, list[Sequence[str]]]]:
    """Group rows by the name in the first column, if it repeats itself.

    A first column whose names mostly repeat the row above (the judge, the fit) is shown once for
    its rows, and its width goes to the next one.

    Args:
        rows: texts of the cells, the same number in each row.

    Returns:
        Names and rows without their first cell; one group named "" with whole rows where the first
        column does not repeat itself.
    """
    found = [(name, list(members)) for name, members in groupby(rows, key=lambda r: r[:1])]
    if len(rows) < 4 or 2 * len(found) > len(rows) or any(len(row) < 3 for row in rows):
        return [("", list(rows))]
    return [(name[0], [row[1:] for row in members]) for name, members in found]
