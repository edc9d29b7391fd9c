"""Cells of a study's tables as text for people and as plain columns for files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pyarrow as pa

from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Cell, Column, Kind, Spread, Table

NONE = "–"

WRITTEN: dict[Kind, Callable[[float], str]] = {
    "text": lambda v: f"{v:g}",
    "count": lambda v: f"{v:,.0f}",
    "percent": lambda v: f"{100 * v:.1f}",
    "number": lambda v: f"{v:.2f}",
    "signed": lambda v: f"{v:+.2f}",
    "seconds": lambda v: f"{v:,.1f}",
    "dollars": lambda v: f"{v:,.2f}",
}


def written(cell: Cell, kind: Kind) -> str:
    """A cell for people: "73.4 ± 3.4", "80.8 [76.7, 84.5]", "–" where there is nothing."""
    if cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell)):
        return NONE
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    write = WRITTEN[kind]
    if isinstance(cell, Spread):
        if math.isnan(cell.mean):
            return NONE
        deviation = "" if math.isnan(cell.sd) else f" ± {write(cell.sd).lstrip('+')}"
        return write(cell.mean) + deviation
    if isinstance(cell, Interval):
        if math.isnan(cell.estimate):
            return NONE
        between = f" [{write(cell.low)}, {write(cell.high)}]"
        return write(cell.estimate) + ("" if math.isnan(cell.low) else between)
    return write(cell)


def heading(column: Column) -> str:
    """The column's title with its unit."""
    unit = {"percent": ", %", "seconds": ", s", "dollars": ", $"}.get(column.kind, "")
    return column.title + unit


def shown(table: Table) -> list[Column]:
    """The columns in which some row has a cell."""
    return [
        column
        for column in table.columns
        if any(written(row.get(column.name), column.kind) != NONE for row in table.rows)
    ]


def markdown(table: Table) -> str:
    """The table in Markdown, with its notes and the definitions of its columns."""
    columns = shown(table)
    right = ["---" if c.kind == "text" else "---:" for c in columns]
    lines = [f"## {table.title}", "", _line(heading(c) for c in columns), _line(right)]
    lines += [_line(written(row.get(c.name), c.kind) for c in columns) for row in table.rows]
    lines += ["", *(f"- {c.title}: {c.help}" for c in columns if c.help)]
    lines += [f"- {note}" for note in table.notes]
    return "\n".join(lines).rstrip() + "\n"


def arrow(table: Table) -> pa.Table:
    """The table for machines: intervals and spreads become columns of their own, NaN is null."""
    columns: dict[str, Sequence[object]] = {}
    for column in table.columns:
        cells = [row.get(column.name) for row in table.rows]
        columns[column.name] = [_value(cell) for cell in cells]
        if any(isinstance(cell, Interval) for cell in cells):
            columns[f"{column.name}_low"] = [_part(cell, "low") for cell in cells]
            columns[f"{column.name}_high"] = [_part(cell, "high") for cell in cells]
        if any(isinstance(cell, Spread) for cell in cells):
            columns[f"{column.name}_sd"] = [_part(cell, "sd") for cell in cells]
            columns[f"{column.name}_repeats"] = [_part(cell, "repeats") for cell in cells]
    return pa.table({name: _array(values) for name, values in columns.items()})


def _line(cells: object) -> str:
    texts = (str(c).replace("|", "\\|").replace("\n", " ") for c in cells)  # type: ignore[attr-defined]
    return "| " + " | ".join(texts) + " |"


def _value(cell: Cell) -> object:
    if isinstance(cell, Interval):
        cell = cell.estimate
    if isinstance(cell, Spread):
        cell = cell.mean
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _part(cell: Cell, name: str) -> object:
    return _value(getattr(cell, name, None))


def _array(values: Sequence[object]) -> pa.Array:
    kinds = {type(v) for v in values if v is not None}
    if str in kinds and len(kinds) > 1:
        return pa.array([None if v is None else str(v) for v in values])
    return pa.array([float(v) if kinds == {int, float} and v is not None else v for v in values])  # type: ignore[arg-type]
