"""Leave out rows of users' tables that say nothing about images: blank ones, practice, previews."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.datasets.vote_columns import ColumnNames, plain
from interestingness.errors import DataError
from interestingness.tables.image_names import ImageNames, KeyedNames
from interestingness.tables.user_tables import MISSING, TextTable

_PHASES = frozenset(
    ["practice", "practise", "tutorial", "warmup", "warm-up", "demo", "instructions"]
)
_YES = frozenset(("true", "1", "yes", "y"))
_NO_TRIALS: dict[str, tuple[str, frozenset[str]]] = {
    **dict.fromkeys(("practice", "ispractice"), ("practice", _YES | _PHASES)),
    **dict.fromkeys(
        (
            "phase",
            "block",
            "blocktype",
            "stage",
            "part",
            "trialpart",
            "task",
            "condition",
            "testpart",
            "trialphase",
            "blockname",
            "section",
            "trialtype",
            "tasktype",
        ),
        ("practice", _PHASES),
    ),
    "assignmentstatus": ("rejected by the requester", frozenset(("rejected",))),
    "distributionchannel": ("previews of the survey", frozenset(("preview",))),
    "status": ("previews of the survey", frozenset(("survey preview", "survey test"))),
}
"""Columns and cells, in lower case, that mark rows that are no trials; and what such rows are."""
_OF_PROLIFIC = ("rejected or returned", frozenset(("rejected", "returned")))
"""What ``Status`` marks beside Prolific's ``Participant id``."""


class Mark(NamedTuple):
    """A column with cells that mark rows that are no trials.

    Attributes:
        column: its name.
        what: what such rows are.
        rows: those rows, shape (rows,).
    """

    column: str
    what: str
    rows: NDArray[np.bool_]


def trial_marks(table: TextTable, mapping: ColumnNames) -> list[Mark]:
    """Find the columns that mark practice, previews and rejected work.

    ``dataset.columns.practice`` names a column that marks practice, or is None where no column
    does.
    """
    marks: list[tuple[str, str, frozenset[str] | None]] = []
    of_prolific = any(plain(column) == "participantid" for column in table.columns)
    for column in table.columns:
        if of_prolific and plain(column) == "status":
            marks.append((column, *_OF_PROLIFIC))
        elif plain(column) in _NO_TRIALS:
            marks.append((column, *_NO_TRIALS[plain(column)]))
        elif re.fullmatch(r"practi[cs]e.*\.thisN", column):  # PsychoPy's loop of that name
            marks.append((column, "practice", None))
    if "practice" in mapping:
        marks = [mark for mark in marks if mark[1] != "practice"]
        named = mapping["practice"]
        if named is not None and named in table:
            marks.append((named, "practice", _YES | _PHASES))
    found = []
    for column, what, cells in marks:
        marked = table.columns[column].is_valid()
        if cells is not None:
            marked = pc.is_in(
                pc.utf8_lower(table.columns[column]), value_set=pa.array(sorted(cells))
            )
        rows = pc.fill_null(marked, False).to_numpy(zero_copy_only=False)
        if rows.any() and not rows.all():
            found.append(Mark(column, what, rows))
    return found


def no_trials(marks: Iterable[Mark]) -> dict[str, NDArray[np.bool_]]:
    """Return the rows that any column marks, by what they are."""
    rows: dict[str, NDArray[np.bool_]] = {}
    for mark in marks:
        rows[mark.what] = rows[mark.what] | mark.rows if mark.what in rows else mark.rows
    return rows


def blank_cells(table: TextTable, column: str, names: ImageNames | KeyedNames) -> NDArray[np.bool_]:
    """Return which cells of a column of images are empty or say ``NA``, shape (rows,).

    An image may be called NA: then its name is one.
    """
    cells = table.columns[column]
    empty = cells.is_null()
    words = [c for c in pc.unique(cells).to_pylist() if c is not None and c.casefold() in MISSING]
    if words:
        unknown = [c for c, row in zip(words, names.rows(words), strict=True) if row < 0]
        empty = pc.or_(empty, pc.is_in(cells, value_set=pa.array(unknown, pa.string())))
    blank: NDArray[np.bool_] = empty.to_numpy(zero_copy_only=False)
    return blank


def emptied(table: TextTable, cells: Mapping[str, NDArray[np.bool_]]) -> TextTable:
    """Empty some cells, given by column."""
    columns = dict(table.columns)
    for column, mask in cells.items():
        if mask.any():
            columns[column] = pc.if_else(pa.array(mask), None, columns[column])
    return replace(table, columns=columns)


def without(
    table: TextTable, rows: Mapping[str, NDArray[np.bool_]]
) -> tuple[TextTable, dict[str, Any]]:
    """Leave out rows.

    Args:
        table: the user's table.
        rows: which rows are left out, by what they are, each of shape (rows,).

    Returns:
        The other rows, and counts to print.

    Raises:
        DataError: if none is left.
    """
    facts: dict[str, Any] = {"rows": len(table)}
    counts = {what: int(mask.sum()) for what, mask in rows.items() if mask.any()}
    if not counts:
        return table, facts
    out = np.any(list(rows.values()), axis=0)
    if out.all():
        said = ", ".join(f"{count} {what}" for what, count in counts.items())
        raise DataError(
            f"{table.path}: no row is left of {len(table)}: {said}",
            expected="rows that name images",
            todo="name the right columns, or the right file",
        )
    return table.take(np.flatnonzero(~out)), {**facts, "rows_left_out": counts}


def prefix_of(table: TextTable) -> str:
    """Return what the options about this table begin with, where there are any: ``dataset.``."""
    return (table.columns_option or "").removesuffix("columns")
