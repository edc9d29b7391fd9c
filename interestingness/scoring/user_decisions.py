"""Read a user's decisions about images, which always win over scores and stars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interestingness.datasets.star_ratings import MOST, REJECTED
from interestingness.errors import DataError
from interestingness.scoring.culling import UserChoice
from interestingness.tables.image_names import COLUMNS, ImageNames, rows_of
from interestingness.tables.user_tables import TextTable, read_user_table

DECISION = ("decision", "keep", "stars", "rating")
"""Names of the column of decisions, best first."""
_WORDS = {
    **dict.fromkeys(("keep", "kept", "pick", "yes", "true"), "keep"),
    **dict.fromkeys(("reject", "rejected", "drop", "no", "false"), "reject"),
}
LISTED = 5


@dataclass(frozen=True, eq=False)
class Overrides:
    """Decisions of a file.

    Attributes:
        rows: of the images, distinct, shape (decisions,).
        values: "keep", "reject", or stars from −1 to 5 (0 takes stars away), one for each.
        unknown: names in the file that are no image here.
    """

    rows: NDArray[np.int64]
    values: Sequence[str | int]
    unknown: tuple[str, ...]

    def over(self, stars: NDArray[np.int8]) -> UserChoice:
        """Put the decisions over the stars that the photographs carry, shape (images,)."""
        stars, decided = stars.copy(), np.zeros(len(stars), dtype=np.int8)
        for row, value in zip(self.rows.tolist(), self.values, strict=True):
            if isinstance(value, int):
                stars[row] = value
            else:
                decided[row] = 1 if value == "keep" else -1
        return UserChoice(stars, decided)

    def unknown_sentence(self) -> str:
        """Tell the names that are no image here."""
        names = ", ".join(repr(name) for name in self.unknown[:LISTED])
        more = ", …" if len(self.unknown) > LISTED else ""
        return f"{len(self.unknown):,} decisions name no image here, or several: {names}{more}"


def read_overrides(file: str | Path, names: ImageNames) -> Overrides:
    """Read a table of images and decisions.

    Args:
        file: CSV or Parquet with a column ``image`` and a column ``decision``: keep, reject, or
            stars from −1 (rejected) to 5; rows with an empty cell there decide nothing.
        names: the images.

    Raises:
        DataError: for a missing column, a value that is none of these, two different decisions
            about one image, or a table that names no image at all.
    """
    table = read_user_table(file)
    column = table.need("image", COLUMNS, {})
    chosen = table.need("decision", DECISION, {})
    at = rows_of(names, table.columns[column])  # spellings are not guessed: a decision is final
    found: dict[int, str | int] = {}
    unknown: dict[str, None] = {}
    cells = zip(table.cells(column), at.tolist(), table.cells(chosen), strict=True)
    for line, (name, row, cell) in enumerate(cells):
        if cell is None:
            continue
        value = _value(cell, table, line)
        if row < 0:
            unknown[name or ""] = None
        elif found.setdefault(row, value) != value:
            raise DataError(
                f"{table.path}: {names.image_ids[row]!r} is decided upon twice, {found[row]} and "
                f"{value} ({table.lines([line])})",
                expected="one decision about each image",
                todo="remove one of the rows",
            )
    if not found:
        raise DataError(
            f"{table.path}: none of its {len(table):,} rows decides about an image here",
            expected=f"names such as {names.image_ids[0]!r}",
            todo="check that the file belongs to these photographs",
        )
    rows = np.array(list(found), dtype=np.int64)
    return Overrides(rows, list(found.values()), tuple(unknown))


def _value(cell: str, table: TextTable, line: int) -> str | int:
    word = cell.casefold()
    if word in _WORDS:
        return _WORDS[word]
    try:
        stars = float(word)
    except ValueError:
        stars = np.nan
    if not (REJECTED <= stars <= MOST and stars.is_integer()):
        raise DataError(
            f"{table.path}: {cell!r} is no decision ({table.lines([line])})",
            expected=f"keep, reject, or stars from {REJECTED} to {MOST}",
            todo="correct the row",
        )
    return int(stars)
