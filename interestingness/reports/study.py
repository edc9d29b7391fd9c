"""A study's folder: every table as Markdown, CSV and Parquet, and one page."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from interestingness.reports.cells import arrow, heading, markdown, shown, written
from interestingness.studies.result import StudyResult, Table
from interestingness.studies.study import Picture, Settings


def write_study(
    folder: str | Path, result: StudyResult, *, picture: Picture, settings: Settings
) -> Path:
    """Write tables and page; each file appears whole or not at all.

    Args:
        folder: made if need be.
        result: what was found.
        picture: image id → picture, None where it cannot be read.
        settings: the config, shown at the foot of the page.

    Returns:
        The path to look at.
    """
    folder = Path(folder)
    for table in result.tables:
        flat = arrow(table)
        _appear(folder / f"{table.name}.parquet", flat)
        _appear(folder / f"{table.name}.csv", flat)
    page = folder / "tables.md"
    text = "\n".join([f"# {result.title}", "", result.answer, "", *map(markdown, result.tables)])
    temporary = page.with_name(f".{page.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(page)
    return page


def print_study(result: StudyResult, *, page: Path, console: Console | None = None) -> None:
    """Print what was used, the answer, the first table, and the path of the page."""
    console = console or Console()
    for name, text in result.used:
        console.print(Text(f"{name}: {text}"))
    if result.tables:
        console.print(_rich(result.tables[0]))
    console.print(Text(result.answer))
    if result.simulated:
        console.print(Text(result.simulated))
    print(page)


def _rich(table: Table) -> RichTable:
    columns = shown(table)
    drawn = RichTable(title=table.title, box=box.SIMPLE)
    for column in columns:
        drawn.add_column(heading(column), justify="left" if column.kind == "text" else "right")
    for row in table.rows:
        drawn.add_row(*(Text(written(row.get(c.name), c.kind)) for c in columns))
    return drawn


def _appear(path: Path, table: pa.Table) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    (pq.write_table if path.suffix == ".parquet" else pacsv.write_csv)(table, temporary)
    temporary.replace(path)
