"""Print a report: what is used, a table or two, the answer, and one path at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from interestingness.reports.cells import cell_text, filled, groups, heading, visible_columns
from interestingness.reports.text import plain, plural
from interestingness.studies.result import Column, StudyResult, Table

LINES = 40
"""Rows of a table that the terminal shows."""
INDENT = "  "
"""Before names of rows that stand below the name of their group."""
GAP = 2
"""Blanks between columns of the terminal."""
LEAST_TEXT = 20
"""Columns of the terminal that a folded text needs; with less it is left to the page."""

_ASCII = str.maketrans({"–": "-", "−": "-", "·": "|", "×": "x", "σ": "s", "…": "~", "→": ">"})


def print_report(result: StudyResult, *, page: Path, console: Console | None = None) -> None:
    """Print what was used, the first tables, the answer, and the path of the page as last line."""
    console = console or Console()
    print_used(result.used, console=console)
    print_findings(result, page=page, console=console)


def print_used(
    used: Sequence[tuple[str, str]], *, simulated: str = "", console: Console | None = None
) -> None:
    """Print which data, labels, model, weights and split are used.

    Args:
        used: name and text, a line each.
        simulated: the sentence of a simulation, else "".
        console: where to; None is standard output.
    """
    console = console or Console()
    grid = RichTable.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in used:
        grid.add_row(_text(name, console), _text(text, console))
    console.print(grid)
    _print_simulation(simulated, console)


def print_findings(result: StudyResult, *, page: Path, console: Console | None = None) -> None:
    """Print the first tables, the answer, and the path of the page as last line."""
    console = console or Console()
    for table in filled(result.tables[: result.printed]):
        print_table(table, console=console)
    console.print(_text(result.answer, console))
    _print_simulation(result.simulated, console)
    console.print()
    console.print(spell(str(page), console), markup=False, highlight=False, soft_wrap=True)


def _print_simulation(sentence: str, console: Console) -> None:
    if sentence:
        console.print(_text(sentence, console, style="bold yellow"))


def print_table(table: Table, *, console: Console | None = None) -> None:
    """Print a table with as many of its columns as the terminal holds; say which are left out."""
    console = console or Console()
    every = visible_columns(table)
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
    if (more := max(len(table.rows), table.total) - len(body)) > 0:
        said = f"… and {plural(more, 'more row')} in {table.file or f'{table.name}.csv'}"
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
    """Choose the columns that fit into a width, from the left, and the width of each.

    Numbers are never cut: a column of numbers fits whole or not at all. The first column may be
    folded to half the width, and long texts to the room that numbers leave.

    Args:
        columns: in order; the first is always kept.
        texts: cells of each, by name.
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
    """Give the width left over to folded texts, from the left."""
    found = []
    for column, width in kept:
        wish = max(map(cell_len, texts[column.name]), default=1)
        more = max(0, min(left, wish - width)) if column.kind == "text" else 0
        left -= more
        found.append((column, width + more))
    return found


def _text(text: str, console: Console, *, style: str = "") -> Text:
    """Make literal text: no markup, no control characters, in the terminal's encoding."""
    return Text(spell(plain(text, 4000), console), style=style)


def spell(text: str, console: Console) -> str:
    """Replace what the output cannot encode: a log in ASCII must not end a run."""
    encoding = console.encoding
    if encoding.lower().startswith("utf"):
        return text.encode("utf-8", "replace").decode("utf-8")
    return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
