"""Read users' tables with two images in each row, and put sides in canonical order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.datasets.table_rows import (
    blank_cells,
    emptied,
    no_trials,
    prefix_of,
    trial_marks,
    without,
)
from interestingness.datasets.vote_columns import ColumnNames, sides_of
from interestingness.errors import DataError
from interestingness.schema import Pairs
from interestingness.tables.image_names import ImageNames, KeyedNames, missing_images, rows_of
from interestingness.tables.user_tables import TextTable


@dataclass(frozen=True, eq=False)
class PairRows:
    """Rows of a table with two images each.

    Attributes:
        table: the rows that are trials.
        sides: its columns of the left and the right image.
        kept: rows of the table whose images exist, shape (kept,).
        pairs: the distinct pairs, in order of first appearance.
        pair: row in ``pairs`` of each kept row, shape (kept,).
        swapped: whether the table has the images the other way round, shape (kept,).
        names: finds images as this table spells them.
        facts: counts to print, and ``notes``, remarks for the user.
        marked: columns that say which rows are no trials.
    """

    table: TextTable
    sides: Mapping[str, str]
    kept: NDArray[np.int64]
    pairs: Pairs
    pair: NDArray[np.int64]
    swapped: NDArray[np.bool_]
    names: ImageNames | KeyedNames
    facts: Mapping[str, Any] = field(default_factory=dict)
    marked: frozenset[str] = frozenset()


def read_pairs(
    table: TextTable,
    names: ImageNames | KeyedNames,
    *,
    mapping: ColumnNames,
    on_missing: str,
) -> PairRows:
    """Read the two images of each row; a pair given twice or reversed is one pair.

    Rows without any image, and those marked as practice, preview or rejected, are left out and
    counted; with ``on_missing="skip"`` also rows with one image only, or with one image twice.

    Raises:
        DataError: a missing column, absent images, or a pair of an image with itself.
    """
    sides = sides_of(table, mapping)
    notes = list(table.notes)
    if any(column.casefold() != side for side, column in sides.items()):
        notes.append(f"left is the column {sides['left']!r}, right {sides['right']!r}.")
    blank = [blank_cells(table, column, names) for column in sides.values()]
    table = emptied(table, dict(zip(sides.values(), blank, strict=True)))
    marks = trial_marks(table, mapping)
    left_out = {**no_trials(marks), "without images": blank[0] & blank[1]}
    if on_missing == "skip":
        left_out["with one image only"] = blank[0] ^ blank[1]
    table, facts = without(table, left_out)
    cells = [table.columns[column] for column in sides.values()]
    names, guessed = names.reading(*cells)
    notes += guessed
    left, right = (rows_of(names, side) for side in cells)
    absent = missing_images(names, table, sides, [left, right], on_missing)
    itself = ~absent & (left == right)
    if itself.any() and (on_missing != "skip" or (absent | itself).all()):
        name = names.image_ids[left[int(np.argmax(itself))]]
        raise DataError(
            f"{table.path}: {int(itself.sum())} of {len(table)} rows pair an image with itself, "
            f"the first {name!r} ({table.lines(itself)})",
            expected="two different images in every row",
            todo=f"remove the rows, or leave them out with {prefix_of(table)}on_missing=skip",
        )
    kept = np.flatnonzero(~absent & ~itself)
    pairs, pair, swapped = Pairs.from_rows(left[kept], right[kept], names.image_ids)
    _, first = np.unique(pair, return_index=True)
    facts["pairs"] = len(pairs)
    if absent.any():
        facts["rows_without_image"] = int(absent.sum())
    if itself.any():
        facts["rows_with_one_image_twice"] = int(itself.sum())
    counts = {
        **facts.get("rows_left_out", {}),
        "whose images are not there": facts.get("rows_without_image", 0),
        "with one image twice": facts.get("rows_with_one_image_twice", 0),
    }
    if any(counts.values()):
        said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        notes.append(f"rows left out: {said}.")
    reversed_rows = int((swapped != swapped[first][pair]).sum())
    if reversed_rows:
        facts["rows_reversed"] = reversed_rows
    if notes:
        facts["notes"] = notes
    marked = frozenset(mark.column for mark in marks)
    return PairRows(table, sides, kept, pairs, pair, swapped, names, facts, marked)
