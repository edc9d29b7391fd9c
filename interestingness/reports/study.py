"""A study's folder: every table as Markdown, CSV and Parquet, and one page; and its print-out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from interestingness.reports.cells import cell_text, groups, heading, shown
from interestingness.reports.console import spell
from interestingness.reports.study_page import render_study
from interestingness.reports.table_files import write_table_files
from interestingness.reports.templating import write_html
from interestingness.reports.text import plain, plural
from interestingness.studies.result import Column, StudyResult, Table
from interestingness.studies.study import Picture, Settings

PAGE = "page.html"
LINES = 40
"""Rows of a table that the terminal shows."""
INDENT = "  "
"""Before names of rows that stand below the name of their group."""
GAP = 2
"""Blanks between columns of the terminal."""
LEAST_TEXT = 20
"""Columns of the terminal that a folded text needs; with less it is left to the page."""


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
        The page.
    """
    folder = Path(folder)
    write_table_files(folder, result.tables)
    return write_html(folder / PAGE, render_study(result, picture=picture, settings=settings))


def print_study(result: StudyResult, *, page: Path, console: Console | None = None) -> None:
    """Print what was used, the first table, the answer, and the path of the page as last line."""
    console = console or Console()
    grid = RichTable.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in result.used:
        grid.add_row(_text(name, console), _text(text, console))
    console.print(grid)
    if result.tables:
        print_study_table(result.tables[0], console=console)
    console.print(_text(result.answer, console))
    if result.simulated:
        console.print(_text(result.simulated, console, style="bold yellow"))
    console.print()
    console.print(spell(str(page), console), markup=False, highlight=False, soft_wrap=True)


def print_study_table(table: Table, *, console: Console | None = None) -> None:
    """Print a table with as many of its columns as the terminal holds; say which are left out."""
    console = console or Console()
    every = shown(table)
    parts = groups([[cell_text(r.get(c.name), c.kind) for c in every] for r in table.rows[:LINES]])
    body = [row for _, rows in parts for row in rows]
    if body and len(body[0]) < len(every):
        body = [(f"{INDENT}{row[0]}", *row[1:]) for row in body]
    columns = every[-len(body[0]) :] if body else every
    texts = {c.name: [row[i] for row in body] for i, c in enumerate(columns)}
    names = [name for name, _ in parts]
    kept = fitting(columns, texts, console.width, names=names)
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for i, (column, width) in enumerate(kept):
        drawn.add_column(
            _text(heading(column), console),
            justify="left" if i == 0 or column.kind == "text" else "right",
            overflow="fold",
            width=width,
        )
    lines = zip(*(texts[c.name] for c, _ in kept), strict=True)
    for name, rows in parts:
        if name:
            drawn.add_row(_text(name, console, style="bold"))
        for _ in rows:
            drawn.add_row(*(_text(cell, console) for cell in next(lines)))
    console.print()
    console.print(_text(table.title, console, style="bold"))
    console.print(drawn)
    if (more := len(table.rows) - LINES) > 0:
        said = f"… and {plural(more, 'more row')} in {table.name}.csv"
        console.print(_text(said, console, style="dim"))
    if left_out := [c.title for c in columns if c not in [column for column, _ in kept]]:
        said = f"not shown here: {', '.join(left_out)}"
        console.print(_text(said, console, style="dim"))
    console.print()


def fitting(
    columns: Sequence[Column],
    texts: Mapping[str, Sequence[str]],
    width: int,
    *,
    names: Sequence[str] = (),
) -> list[tuple[Column, int]]:
    """The columns that fit into a width, taken from the left, and how wide each is.

    Numbers are never cut: a column of numbers fits whole or not at all. The first column may be
    folded to half the width, and long texts to the room that numbers leave.

    Args:
        columns: in order; the first is always kept.
        texts: what stands in each, by name.
        width: of the terminal, in characters.
        names: of groups of rows, which stand in the first column.
    """
    wishes = {
        c.name: max(map(cell_len, [*heading(c).split(), *texts[c.name]]), default=1)
        for c in columns
    }
    first = columns[0].name if columns else ""
    if columns:
        wishes[first] = max([wishes[first], *map(cell_len, names)])
    prose = {c.name for c in columns if c.kind == "text" and wishes[c.name] > LEAST_TEXT} - {first}
    kept: dict[str, int] = {}
    left = width
    for column in sorted(columns, key=lambda c: c.name in prose):
        needs = min(wishes[column.name], LEAST_TEXT if column.name in prose else width)
        if not kept:
            needs = min(needs, width // 2)
        if not kept or needs <= left:
            kept[column.name] = needs
            left -= needs + GAP
    return _widened([(c, kept[c.name]) for c in columns if c.name in kept], texts, left + GAP)


def _widened(
    kept: list[tuple[Column, int]], texts: Mapping[str, Sequence[str]], left: int
) -> list[tuple[Column, int]]:
    """The same with what is left over given to texts that are folded, from the left."""
    found = []
    for column, width in kept:
        wish = max(map(cell_len, texts[column.name]), default=1)
        more = max(0, min(left, wish - width)) if column.kind == "text" else 0
        left -= more
        found.append((column, width + more))
    return found


def _text(text: str, console: Console, *, style: str = "") -> Text:
    """Text as it is: no markup, no control characters, in what the terminal can show."""
    return Text(spell(plain(text, 4000), console), style=style)
