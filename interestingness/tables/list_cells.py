"""CSV files whose cells hold Python lists as text: ``"['first', 'second', 'first']"``."""

from __future__ import annotations

import ast
import csv
import math
from dataclasses import dataclass
from pathlib import Path

from interestingness.errors import DataError


@dataclass(frozen=True)
class Rows:
    """A CSV file as texts.

    Attributes:
        path: where it lies.
        header: names of columns.
        rows: cells of each row, as many as the header has.
    """

    path: Path
    header: tuple[str, ...]
    rows: list[list[str]]

    def text(self, at: int, column: str) -> str:
        """One cell."""
        return self.rows[at][self.header.index(column)]

    def texts(self, column: str) -> list[str | None]:
        """A column, None for empty cells and for a column that is not there."""
        if column not in self.header:
            return [None] * len(self.rows)
        return [self.text(at, column).strip() or None for at in range(len(self.rows))]

    def number(self, at: int, column: str) -> float | None:
        """One cell as a number; None if it is empty or says nan."""
        text = self.text(at, column).strip()
        try:
            value = float(text) if text else math.nan
        except ValueError:
            raise self.strange(at, column, "a number or an empty cell") from None
        return None if math.isnan(value) else value

    def prefixes(self, ending: str) -> list[str]:
        """Beginnings of the columns that end so, in order."""
        return [name.removesuffix(ending) for name in self.header if name.endswith(ending)]

    def strange(self, at: int, column: str, expected: str) -> DataError:
        """The error that names a cell."""
        cell = self.text(at, column)
        shown = cell if len(cell) <= 60 else f"{cell[:60]}…"
        return DataError(
            f"{self.path}: row {at + 1}, column {column}: {shown!r}",
            expected=expected,
            todo="download the file again, or correct the cell",
        )


def read_rows(path: Path, needed: list[str]) -> Rows:
    """A CSV file with these columns and any others.

    Raises:
        DataError: if it is no UTF-8 CSV, lacks a column, has none twice, or a row is cut short.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = [line for line in csv.reader(stream, strict=True) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: not a CSV file ({error})",
            expected="UTF-8 text, cells separated by commas",
            todo="download it again",
        ) from None
    header = tuple(name.strip() for name in lines[0]) if lines else ()
    lacking = [name for name in needed if name not in header]
    if lacking or len(set(header)) < len(header):
        found = ", ".join(header[:20]) or "nothing"
        raise DataError(
            f"{path}: no column {', '.join(lacking)}"
            if lacking
            else f"{path}: a column occurs twice",
            expected=f"the columns {', '.join(needed)}; it has {found}",
            todo="download it again, or name the folder of the published files",
        )
    for at, line in enumerate(lines[1:]):
        if len(line) != len(header):
            raise DataError(
                f"{path}: row {at + 1} has {len(line)} cells",
                expected=f"{len(header)}, as the header",
                todo="download it again",
            )
    if len(lines) < 2:
        raise DataError(f"{path}: no rows", expected="one for each item", todo="download it again")
    return Rows(path, header, lines[1:])


def list_cell(rows: Rows, at: int, column: str) -> list[str]:
    """The texts of a cell that holds a list; an empty cell, or ``nan``, is an empty list.

    Raises:
        DataError: if it holds something else.
    """
    cell = rows.text(at, column).strip()
    if not cell or cell.lower() == "nan":
        return []
    try:
        values = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        values = None
    if not isinstance(values, list):
        raise rows.strange(at, column, "a list such as ['first', 'second']")
    return [value if isinstance(value, str) else "" for value in values]


def answer_of(text: str, words: tuple[str, ...]) -> str | None:
    """The word that a text is, whatever its case and the marks around it; None if it is none."""
    word = text.strip().strip(".,;:!?'\"").strip().lower()
    return word if word in words else None


def whole_number(rows: Rows, at: int, column: str) -> str:
    """An id that spreadsheets may have turned into ``5620359.0``.

    Raises:
        DataError: if it is no whole number.
    """
    text = rows.text(at, column).strip()
    digits = text.removesuffix(".0")
    if not digits.isdecimal():
        raise rows.strange(at, column, "a whole number")
    return str(int(digits))
