"""What a run says on the terminal: what it uses at the start, a table and one path at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from interestingness.evaluation.results import Estimate, Evaluation, ReferenceResult
from interestingness.reports.description import RunDescription, number, percent, roles
from interestingness.reports.text import plural

NARROW = 66
"""Below this many columns only pairs and accuracy stand beside the name."""

_ASCII = str.maketrans({"–": "-", "−": "-", "·": "|", "×": "x", "σ": "s", "…": "~", "→": ">"})


def describe_run(description: RunDescription, *, console: Console | None = None) -> None:
    """Print which data, labels, model, weights and split a run uses.

    Args:
        description: one line each.
        console: where to; None is standard output.
    """
    console = console or Console()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in description.lines():
        grid.add_row(name, Text(spell(text, console)))
    console.print(grid)
    _simulation(description.simulated, console)
    console.print()


def print_results(
    evaluation: Evaluation,
    *,
    simulated: str = "",
    page: str | Path | None = None,
    console: Console | None = None,
) -> None:
    """Print the table that ends a run, and the path of its page as the last line.

    Args:
        evaluation: what was measured on the test pairs.
        simulated: sentence that goes with every number if raters are simulated, else "".
        page: what to open next; printed whole, however long.
        console: where to; None is standard output.
    """
    console = console or Console()
    console.print()
    judged = [r for r in evaluation.references if r.judged]
    if judged:
        console.print(_table(judged, evaluation, console))
    said = [r for r in judged if r.yes_or_no is not None]
    if said:
        console.print()
        console.print(_yes_or_no(said, console))
    lines = [_sentence(evaluation, judged)]
    if any(r.accuracy.low is not None for r in judged):
        lines.append(
            "pairs: those on which the reference prefers one side; accuracy and ceiling in %, "
            "intervals of 95 % over resampled images"
        )
    if any(r.ceiling for r in judged):
        lines.append("ceiling: one human rater against the majority of the others")
    if said:
        lines.append(
            "yes: a score above 0, or the reference's own; precision of the model's yes, recall of "
            "the reference's; all in %, over test images"
        )
    if unscored := evaluation.unscored_images:
        lines.append(
            f"{plural(unscored, 'test image')} {'has' if unscored == 1 else 'have'} no score; "
            "pairs with such are left out"
        )
    for line in filter(None, lines):
        console.print(Text(spell(line, console), style="dim"))
    for result in evaluation.references:
        if not result.judged:
            console.print(Text(spell(f"{result.name} cannot judge: {result.reason}", console)))
    _simulation(simulated, console)
    if page is not None:
        console.print()
        console.print(spell(str(page), console), markup=False, highlight=False, soft_wrap=True)


def print_table(
    title: str, rows: Sequence[Mapping[str, Any]], *, console: Console | None = None
) -> None:
    """Print rows of plain values below the names of their columns.

    Args:
        title: a few words above the table.
        rows: mappings with the same keys; numbers are shown to three digits, NaN as "–".
        console: where to; None is standard output.
    """
    console = console or Console()
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), title=spell(title, console))
    for i, name in enumerate(rows[0] if rows else ()):
        table.add_column(name.replace("_", " "), justify="right" if i else "left")
    for row in rows:
        table.add_row(*(Text(spell(_cell(value), console)) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return number(None if value != value else value, 3)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(judged: list[ReferenceResult], evaluation: Evaluation, console: Console) -> Table:
    names = [f"{r.name} (learnt)" if r.learnt else r.name for r in judged]
    columns = {
        "pairs": [f"{r.pairs:,}" for r in judged],
        "images": [f"{r.images:,}" for r in judged],
        "accuracy": [_estimate(r.accuracy) for r in judged],
        "Spearman": [number(r.spearman) for r in judged],
        "chance": [percent(r.chance, 0) for r in judged],
        "ceiling": [percent(r.ceiling.accuracy if r.ceiling else None) for r in judged],
    }
    if not any(r.ceiling for r in judged):
        del columns["ceiling"]
    if console.width < NARROW:
        columns = {k: v for k, v in columns.items() if k in ("pairs", "accuracy")}
    bold = [r.name == evaluation.main for r in judged]
    return _numbers("reference", names, columns, bold, console)


def _yes_or_no(said: list[ReferenceResult], console: Console) -> Table:
    """Single images, said yes or no to by the sign of their score."""
    found = [r.yes_or_no for r in said if r.yes_or_no is not None]
    columns = {
        "images": [f"{f.images:,}" for f in found],
        "yes": [percent(f.yes) for f in found],
        "accuracy": [_estimate(f.accuracy) for f in found],
        "precision": [percent(f.precision) for f in found],
        "recall": [percent(f.recall) for f in found],
    }
    if console.width < NARROW:
        columns = {k: v for k, v in columns.items() if k in ("images", "accuracy")}
    return _numbers("yes or no", [r.name for r in said], columns, [False] * len(said), console)


def _numbers(
    first: str,
    names: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    bold: Sequence[bool],
    console: Console,
) -> Table:
    """Names and, to the right, columns of numbers that are never cut."""
    numbers = sum(max(map(len, (title, *cells))) + 2 for title, cells in columns.items())
    roomy = max(map(len, names)) + numbers <= console.width
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0) if roomy else 0, pad_edge=False, show_edge=False
    )
    table.add_column(first, overflow="fold")
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for strong, *cells in zip(bold, names, *columns.values(), strict=True):
        style = "bold" if strong else ""
        table.add_row(*(Text(spell(cell, console)) for cell in cells), style=style)
    return table


def _estimate(accuracy: Estimate) -> str:
    if accuracy.low is None or accuracy.high is None:
        return percent(accuracy.value)
    low, high = percent(accuracy.low), percent(accuracy.high)
    return f"{percent(accuracy.value)} [{low}, {high}]"


def _sentence(evaluation: Evaluation, judged: list[ReferenceResult]) -> str:
    tested = f"{plural(evaluation.pairs, 'test pair')} of {plural(evaluation.images, 'image')}"
    if not judged:
        return f"{tested}; no reference can judge them"
    return "; ".join(filter(None, [tested, roles(evaluation)]))


def _simulation(sentence: str, console: Console) -> None:
    if sentence:
        console.print(Text(spell(sentence, console), style="bold yellow"))


def spell(text: str, console: Console) -> str:
    """The text in what the output can encode: a log in ASCII must not end a run."""
    encoding = console.encoding
    if encoding.lower().startswith("utf"):
        return text.encode("utf-8", "replace").decode("utf-8")
    return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
