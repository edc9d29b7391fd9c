"""Read tables whose cells hold Python lists as text: ``"['first', 'second', 'first']"``."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from interestingness.errors import DataError
from interestingness.tables.user_tables import TextTable, read_user_table


@dataclass(frozen=True, eq=False)
class ListTable:
    """A published table whose cells are not documented."""

    table: TextTable

    def __len__(self) -> int:
        return len(self.table)

    @property
    def path(self) -> Path:
        """Return the file, for messages."""
        return self.table.path

    @cached_property
    def _cells(self) -> dict[str, list[str | None]]:
        return {name: self.table.cells(name) for name in self.table.columns}

    def texts(self, column: str) -> list[str | None]:
        """Return a column, None for empty cells and for an absent column."""
        return self._cells.get(column, [None] * len(self))

    def number(self, at: int, column: str) -> float | None:
        """Return one cell as a number; None if it is empty or ``nan``.

        Raises:
            DataError: if it is something else.
        """
        try:
            value = float(self._cells[column][at] or "nan")
        except ValueError:
            raise self._strange(at, column, "a number or an empty cell") from None
        return None if math.isnan(value) else value

    def texts_in(self, at: int, column: str) -> list[str]:
        """Return the texts of a cell that holds a list; an empty cell or ``nan`` is an empty list.

        Raises:
            DataError: if it holds something else.
        """
        cell = self._cells[column][at]
        if cell is None or cell.lower() == "nan":
            return []
        try:
            values = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            values = None
        if not isinstance(values, list):
            raise self._strange(at, column, "a list such as ['first', 'second']")
        return [value if isinstance(value, str) else "" for value in values]

    def whole_numbers(self, column: str) -> list[str]:
        """Read a column of integer ids that spreadsheets may have saved as ``5620359.0``.

        Raises:
            DataError: if a cell is not a whole number.
        """
        digits = [(cell or "").removesuffix(".0") for cell in self._cells[column]]
        for at, text in enumerate(digits):
            if not text.isdecimal():
                raise self._strange(at, column, "a whole number")
        return [str(int(text)) for text in digits]

    def prefixes(self, ending: str) -> list[str]:
        """Return the prefixes of the columns that have this suffix, in order."""
        names = self.table.columns
        return [name.removesuffix(ending) for name in names if name.endswith(ending)]

    def _strange(self, at: int, column: str, expected: str) -> DataError:
        cell = self._cells[column][at] or ""
        shown = cell if len(cell) <= 60 else f"{cell[:60]}…"
        return DataError(
            f"{self.path}: {self.table.lines([at])}, column {column}: {shown!r}",
            expected=expected,
            todo="download the file again, or correct the cell",
        )


def read_list_table(path: Path, needed: list[str]) -> ListTable:
    """Read a user's table that must have these columns and may have others.

    Raises:
        DataError: if it cannot be read or lacks a column.
    """
    table = read_user_table(path)
    lacking = [name for name in needed if name not in table]
    if lacking:
        raise DataError(
            f"{path}: no column {', '.join(lacking)}",
            expected=f"the columns {', '.join(needed)}; it has {', '.join([*table.columns][:20])}",
            todo="download it again, or name the folder of the published files",
        )
    return ListTable(table)


def answer_of(text: str, words: tuple[str, ...]) -> str | None:
    """Return the word that a text is, ignoring case and punctuation around it; else None."""
    word = text.strip().strip(".,;:!?'\"").strip().lower()
    return word if word in words else None
