"""Write tables as Markdown, CSV and Parquet; each file appears whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from interestingness.disk import appear
from interestingness.reports.cells import format_cell, heading, native, visible_columns
from interestingness.reports.text import plain
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Spread, Table

LONGEST = 2000
"""Characters of one text in Markdown; CSV and Parquet have all of it."""


def write_table_files(folder: str | Path, tables: Iterable[Table]) -> list[Path]:
    """Write ``NAME.md``, ``NAME.csv`` and ``NAME.parquet`` for each table.

    Args:
        folder: made if need be.
        tables: with different names.

    Returns:
        The paths, in the order of the tables.
    """
    made = []
    for table in tables:
        stem = Path(folder) / table.name
        flat, text = arrow(table), markdown(table).encode("utf-8", "replace")
        made.append(appear(stem.with_suffix(".md"), partial(_write_bytes, text)))
        made.append(appear(stem.with_suffix(".csv"), partial(pacsv.write_csv, flat)))
        made.append(appear(stem.with_suffix(".parquet"), partial(pq.write_table, flat)))
    return made


def _write_bytes(data: bytes, path: Path) -> None:
    path.write_bytes(data)


def markdown(table: Table) -> str:
    """Render the table in Markdown, with the definitions of its columns and its notes."""
    columns = visible_columns(table)
    lines = [
        f"## {_escaped(table.title)}",
        "",
        _line(heading(c) for c in columns),
        _line("---" if c.kind == "text" else "---:" for c in columns),
        *(_line(format_cell(row.get(c.name), c.kind) for c in columns) for row in table.rows),
        "",
        *(f"- {_escaped(c.title)}: {_escaped(c.help)}" for c in columns if c.help),
        *(f"- {_escaped(note)}" for note in table.notes),
    ]
    return "\n".join(lines).rstrip() + "\n"


def arrow(table: Table) -> pa.Table:
    """Convert the table to Arrow: intervals and spreads get their own columns, NaN is null.

    A column ``accuracy`` of intervals becomes ``accuracy``, ``accuracy_low`` and ``accuracy_high``;
    one of spreads ``accuracy``, ``accuracy_sd`` and ``accuracy_repeats``. Numbers are as they were
    computed: shares stay in [0, 1].
    """
    columns: dict[str, list[Any]] = {}
    for column in table.columns:
        cells = [native(row.get(column.name)) for row in table.rows]
        columns[column.name] = [_main(cell) for cell in cells]
        for kind, parts in ((Interval, ("low", "high")), (Spread, ("sd", "repeats"))):
            if any(isinstance(cell, kind) for cell in cells):
                for part in parts:
                    columns[f"{column.name}_{part}"] = [
                        native(getattr(cell, part)) if isinstance(cell, kind) else None
                        for cell in cells
                    ]
    return pa.table({name: _array(values) for name, values in columns.items()})


def _main(cell: Any) -> Any:
    if isinstance(cell, Interval):
        return native(cell.estimate)
    return native(cell.mean) if isinstance(cell, Spread) else cell


def _array(values: Sequence[Any]) -> pa.Array:
    """Give each column one type: text if any cell is text, else floats if any is one."""
    kinds = {type(value) for value in values if value is not None}
    if str in kinds:
        encoded = [None if v is None else str(v).encode("utf-8", "replace") for v in values]
        return pa.array([None if v is None else v.decode() for v in encoded], pa.string())
    if float in kinds:
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    if kinds == {bool, int}:
        return pa.array([None if v is None else int(v) for v in values], pa.int64())
    return pa.array(values)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |"


def _escaped(text: str) -> str:
    """Escape untrusted text, so that it cannot leave its cell or become HTML or a link."""
    kept = plain(text, LONGEST)
    for found, safe in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("](", "]\\(")):
        kept = kept.replace(found, safe)
    return kept
