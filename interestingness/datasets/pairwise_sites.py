"""Votes of programs that write who won over whom: image-ranker, and All Our Ideas with Photocracy.

Their columns name a winner and a loser, whose cells mean more than that in a few rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.errors import DataError
from interestingness.tables.user_tables import TextTable

_RANKER = {"winner", "loser"}
_REMOVED = "None"
"""What image-ranker writes as the winner where an image was removed from the comparisons."""
_IDEAS = ("Winner ID", "Loser ID", "Left Choice ID", "Right Choice ID")
_NAMES = (("Winner Photo Name", "Loser Photo Name"), ("Winner Text", "Loser Text"))
"""Photocracy's columns of photographs, which have no text; else the texts are the names."""


def without_removed(table: TextTable) -> TextTable:
    """Leave out the rows with which image-ranker notes that an image was removed."""
    if {name.casefold() for name in table.columns} != _RANKER:
        return table
    winner = next(name for name in table.columns if name.casefold() == "winner")
    removed = pc.fill_null(pc.equal(table.columns[winner], _REMOVED), False)
    rows = removed.to_numpy(zero_copy_only=False)
    if not rows.any() or rows.all():
        return table
    note = (
        f"{int(rows.sum())} rows with the winner {_REMOVED!r} say that image-ranker removed an "
        f"image; they are no votes ({table.lines(rows)})."
    )
    kept = table.take(np.flatnonzero(~rows))
    return replace(kept, notes=(*kept.notes, note))


def all_our_ideas(table: TextTable) -> TextTable:
    """Read the export of votes of All Our Ideas: sides on the screen, sessions, marks of validity.

    The choice on the left counts as shown first. A session is a rater: the site knows visitors no
    better. Votes that the site has marked as not valid are left out.

    Raises:
        DataError: for its export of non-votes, or for a table with no valid vote.
    """
    if "Record Type" in table and "Left Choice ID" in table:
        raise DataError(
            f"{table.path}: the export of skips of All Our Ideas, which holds no vote",
            expected="its export of votes, with the columns Winner ID and Loser ID",
            todo="name that file",
        )
    names = next((pair for pair in _NAMES if all(name in table for name in pair)), None)
    if names is None or not all(name in table for name in _IDEAS):
        return table
    notes = list(table.notes)
    if "Valid" in table:
        wrong = pc.is_in(pc.utf8_lower(table.columns["Valid"]), value_set=pa.array(["false", "f"]))
        rows = pc.fill_null(wrong, False).to_numpy(zero_copy_only=False)
        if rows.all():
            raise DataError(
                f"{table.path}: all {len(table)} votes are marked as not valid",
                expected="votes with Valid = TRUE",
                todo="name another export",
            )
        if rows.any():
            notes.append(f"{int(rows.sum())} votes that the site marks as not valid are left out.")
            table = table.take(np.flatnonzero(~rows))
    winner, loser, left, right = (table.columns[name] for name in _IDEAS)
    won_left = pc.and_(pc.equal(winner, left), pc.equal(loser, right))
    won_right = pc.and_(pc.equal(winner, right), pc.equal(loser, left))
    known = pc.fill_null(pc.or_(won_left, won_right), False)
    on_left = pc.or_(pc.fill_null(won_left, False), pc.invert(known))
    won, lost = (table.columns[name] for name in names)
    columns = {
        **table.columns,
        "left": pc.if_else(on_left, won, lost),
        "right": pc.if_else(on_left, lost, won),
        "choice": pc.if_else(on_left, "left", "right"),
        "first": pc.if_else(known, "left", pa.scalar(None, pa.string())),
    }
    for ours, theirs in (("rater", "Session ID"), ("vote_id", "Vote ID")):
        if theirs in table:
            columns[ours] = columns.pop(theirs)
    notes.append(f"{names[0]!r} is chosen over {names[1]!r}; a session of the site is a rater.")
    return replace(table, columns=columns, notes=tuple(notes))
