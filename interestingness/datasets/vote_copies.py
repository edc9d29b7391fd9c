"""Tell copies of one vote in a user's table from several equal votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.datasets.table_rows import trial_marks
from interestingness.datasets.vote_columns import ColumnNames, column_of, sides_of, vote_id_of
from interestingness.tables.user_tables import TextTable, row_numbers

_SAID = ("choice", "first", "rater", "question", "persona", "sample")
"""What makes a vote, beside its two images."""
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
"""A date alone, which is no time of a vote."""


def without_copies(table: TextTable, mapping: ColumnNames) -> TextTable:
    """Leave out rows that say again what another row says of the same vote, with a note.

    Such rows have the same vote id or, where they have none, the same named rater and time of day,
    and nothing in them that makes a vote differs. A time at which a rater gave different votes is
    that of a session. Other equal rows are several votes, of people
    whose names are not known or of one who answered again; a note counts them.

    Raises:
        DataError: if there are no columns of the two images.
    """
    named = {
        **sides_of(table, mapping),
        **{meaning: column_of(table, meaning, mapping) for meaning in (*_SAID, "time")},
        "vote_id": vote_id_of(table),
    }
    marked = [mark.rows for mark in trial_marks(table, mapping)]
    trial = np.flatnonzero(~np.any([np.zeros(len(table), dtype=bool), *marked], axis=0))
    column = {
        meaning: table.known(name).take(pa.array(trial))
        for meaning, name in named.items()
        if name is not None
    }
    vote = [cells for meaning, cells in column.items() if meaning not in ("time", "vote_id")]
    copies = np.zeros(len(trial), dtype=bool)
    with_id = np.zeros(len(trial), dtype=bool)
    differ = np.zeros(len(trial), dtype=bool)
    if "vote_id" in column:
        with_id = _mask(column["vote_id"].is_valid())
        repeated = _repeats([*vote, column["vote_id"]])
        copies |= with_id & repeated
        of_one = [_images(column["left"], column["right"]), column["vote_id"]]
        of_one += [column[name] for name in ("question", "rater") if name in column]
        differ = with_id & ~repeated & _repeats(of_one)
    if "time" in column and "rater" in column:
        at_once = [column["rater"], column["time"]]
        known = _mask(column["rater"].is_valid()) & _mask(column["time"].is_valid())
        known &= ~_mask(pc.fill_null(pc.match_substring_regex(column["time"], _DAY), False))
        known &= _one_each(row_numbers(at_once), row_numbers([*vote, column["time"]]))
        copies |= known & ~with_id & _repeats([*vote, column["time"]])
    equal = int((_repeats(vote) & ~copies).sum())
    notes = []
    if copies.any():
        notes.append(
            f"{_rows(int(copies.sum()), 'repeats', 'repeat')} a vote (same vote id, or same rater "
            f"and time); counted once ({table.lines(trial[copies].tolist())})."
        )
    if differ.any():
        notes.append(
            f"{_rows(int(differ.sum()), 'has', 'have')} the vote id and the images of an earlier "
            f"row but another answer; each counts as a vote "
            f"({table.lines(trial[differ].tolist())})."
        )
    if equal:
        notes.append(
            f"{_rows(equal, 'says', 'say')} what another row says; each counts as a vote (a column "
            "vote_id, or rater and time, would tell copies)."
        )
    kept = table
    if copies.any():
        kept = table.take(np.setdiff1d(np.arange(len(table)), trial[copies]))
    return replace(kept, notes=(*table.notes, *notes))


def _images(left: pa.Array, right: pa.Array) -> pa.Array:
    """Return the two images of each row as one text, in either order."""
    swapped = pc.fill_null(pc.greater(left, right), False)
    one, other = pc.if_else(swapped, right, left), pc.if_else(swapped, left, right)
    return pc.binary_join_element_wise(one, other, "\n")


def _rows(count: int, one: str, many: str) -> str:
    return f"1 row {one}" if count == 1 else f"{count:,} rows {many}"


def _mask(cells: pa.Array) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = cells.to_numpy(zero_copy_only=False)
    return found


def _one_each(group: NDArray[np.int64], vote: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark rows whose group holds one vote only, perhaps several times."""
    _, group = np.unique(group, return_inverse=True)
    _, first = np.unique(vote, return_index=True)
    number = np.bincount(group[first], minlength=int(group.max(initial=-1)) + 1)
    found: NDArray[np.bool_] = number[group] == 1
    return found


def _repeats(columns: Sequence[pa.Array]) -> NDArray[np.bool_]:
    """Mark rows that equal an earlier one."""
    again = np.ones(len(columns[0]), dtype=bool)
    again[np.unique(row_numbers(columns), return_index=True)[1]] = False
    return again
