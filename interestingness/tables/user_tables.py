"""Read users' tables: CSV from a spreadsheet, Parquet, JSON records; gzip'd or not.

Everything is read as text first, numbers come later (``number_cells``): an image called ``007``
must not become 7, and whether ``4,5`` is a number depends on the file's separator.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.tables.csv_text import Dialect, as_utf8, lines_of, read_cells, sniff
from interestingness.tables.json_records import begins_json, read_records

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
MISSING = ("", "na", "n/a", "nan", "null", "none", "-")
"""Cells that mark a missing value, in lower case."""
_IMPORT_ID = '{"ImportId":'
"""How the cells of Qualtrics' third line begin; the second holds the texts of the questions."""


@dataclass(frozen=True, eq=False)
class TextTable:
    """A user's table: columns of stripped text, None where a cell is empty.

    Attributes:
        path: the file, for messages.
        columns: column name to cells, all of equal length.
        locate: gives the line in which each row begins, from 1, shape (rows,); called for messages
            only, since a large file is read again for it.
        decimal_comma: whether the separator leaves the comma free to be a decimal sign.
        columns_option: option that says which column is which, where the command has one.
        decimal: the decimal sign, where the user has said it.
        decimal_option: option that says it, where the command has one.
        left_out: what the columns hold that are no text or numbers, by name.
        notes: remarks for the user on how the file was read, one sentence each.
    """

    path: Path
    columns: Mapping[str, pa.Array]
    locate: Callable[[], NDArray[np.int64]]
    decimal_comma: bool = False
    columns_option: str | None = None
    decimal: str | None = None
    decimal_option: str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def line(self) -> NDArray[np.int64]:
        """Return the line in which each row begins, from 1, shape (rows,)."""
        return self.locate()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def cells(self, name: str) -> list[str | None]:
        """Return one column as a list."""
        return self.columns[name].to_pylist()

    def known(self, name: str) -> pa.Array:
        """Return one column, None also where a cell marks a missing value (``NA``)."""
        cells = self.columns[name]
        words = [c for c in pc.unique(cells).to_pylist() if c and c.casefold() in MISSING]
        if not words:
            return cells
        return pc.if_else(pc.is_in(cells, value_set=pa.array(words, pa.string())), None, cells)

    def take(self, rows: NDArray[np.int64]) -> TextTable:
        """Select rows."""
        columns = {name: cells.take(pa.array(rows)) for name, cells in self.columns.items()}
        return replace(self, columns=columns, locate=lambda: self.line[rows])

    def find(
        self, meaning: str, aliases: Sequence[str], mapping: Mapping[str, str | None]
    ) -> str | None:
        """Return the name of the column that holds ``meaning``, or None.

        Args:
            meaning: our name of the column.
            aliases: names under which we look for it, best first.
            mapping: the user's ``dataset.columns``; what it names is taken where this file has it,
                and None says that there is no such column.

        Returns:
            A column name as the file spells it; letter case is ignored unless it is ambiguous.
        """
        wanted = mapping.get(meaning, "")
        if wanted is None:
            return None
        for name in (*([wanted] if wanted else []), *aliases):
            if name in self.columns:
                return name
            same = [column for column in self.columns if column.casefold() == name.casefold()]
            if len(same) == 1:
                return same[0]
        return None

    def need(self, meaning: str, aliases: Sequence[str], mapping: Mapping[str, str | None]) -> str:
        """Like ``find``.

        Raises:
            DataError: if there is no such column.
        """
        name = self.find(meaning, aliases, mapping)
        if name is not None:
            return name
        asked = f" (and none is called {mapping[meaning]!r})" if mapping.get(meaning) else ""
        found = ", ".join(repr(column) for column in self.columns)
        if self.left_out:
            found += f" (left out: {self.left_out_sentence()})"
        option = self.columns_option
        raise DataError(
            f"{self.path}: no column {aliases[0]!r}{asked}; found {found}" + self._hint(),
            expected=f"a column called {' or '.join(aliases)}",
            todo="rename the column"
            + (f", or say which one it is: {option}.{meaning}=…" if option else ""),
        )

    def left_out_sentence(self) -> str:
        """Return the columns that were left out, for messages: ``'pixels' holds bytes``."""
        return ", ".join(f"{name!r} holds {what}" for name, what in self.left_out.items())

    def lines(self, rows: NDArray[np.bool_] | Sequence[int], most: int = 3) -> str:
        """Return the lines of some rows in the file, for messages: ``line 2, 7, 9, …``."""
        at = np.flatnonzero(rows) if isinstance(rows, np.ndarray) else np.asarray(rows)
        text = ", ".join(str(int(self.line[row])) for row in at[:most])
        return f"line {text}" + (", …" if len(at) > most else "")

    def _hint(self) -> str:
        names = list(self.columns)
        if len(names) == 1:
            return "\n  that is one column: cells are separated by comma, semicolon or tab"
        if any(name.casefold().endswith((".jpg", ".jpeg", ".png", ".webp")) for name in names):
            return "\n  the first line seems to be data: the file needs a line of column names"
        return ""


def row_numbers(columns: Iterable[pa.Array | pa.ChunkedArray]) -> NDArray[np.int64]:
    """Number the rows; rows equal in every column share a number, shape (rows,)."""
    code, size = np.zeros(1, dtype=np.int64), 1
    for column in columns:
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        coded = whole.dictionary_encode(null_encoding="encode")
        values = max(len(coded.dictionary), 1)
        if size > 2**62 // values:
            code = np.unique(code, return_inverse=True)[1].astype(np.int64)
            size = len(code) + 1
        code = code * values + coded.indices.to_numpy(zero_copy_only=False)
        size *= values
    return code


def existing_file(path: str | Path) -> Path:
    """Return the path with ``~`` expanded.

    Raises:
        DataError: if no file is there.
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111  leaves ~nobody as it is
    if not path.is_file():
        raise DataError(
            f"{path}: {'a folder' if path.is_dir() else 'there is no such file'}",
            expected="a CSV or Parquet file",
            todo=f"correct the path (current folder: {Path.cwd()})",
        )
    return path


def read_user_table(
    path: str | Path,
    *,
    names: Sequence[str] | None = None,
    columns_option: str | None = None,
    decimal: str | None = None,
    decimal_option: str | None = None,
) -> TextTable:
    """Read CSV (comma, semicolon or tab; UTF-8 or UTF-16; gzip), Parquet, or JSON records.

    Columns without a name (an exported index), columns of lists or bytes, rows without any value,
    and Qualtrics' second and third line are left out.

    Args:
        path: the file; its type is detected from its bytes, not from its name.
        names: of the first columns, where a CSV file has no header; further columns are left
            out.
        columns_option: option that says which column is which, for messages.
        decimal: the decimal sign of its numbers, where the user has said it.
        decimal_option: option that says it, for messages.

    Raises:
        DataError: if the file is absent, empty, of another kind or encoding, or has uneven rows.
    """
    path = existing_file(path)
    data = _whole(path)
    if data[:4] == PARQUET:
        table = _read_parquet(path, data)
    elif names is None and begins_json(data):
        table = _read_json(path, data)
    else:
        table = _read_csv(path, data, names)
    if len(table) == 0:
        raise DataError(
            f"{path}: column names ({', '.join(table.columns)}) but no rows",
            expected="at least one row below the column names",
            todo="name the right file",
        )
    return replace(
        table, columns_option=columns_option, decimal=decimal, decimal_option=decimal_option
    )


def _whole(path: Path) -> bytes:
    """Return a file's bytes, unpacked; text as UTF-8."""
    data = path.read_bytes()
    if data[:2] == GZIP:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise damaged_gzip(path, error) from None
    return as_utf8(path, data)


def damaged_gzip(path: Path, error: Exception) -> DataError:
    """Return the error for a gzip file that cannot be unpacked."""
    return DataError(
        f"{path}: damaged gzip file ({error})",
        expected="a whole file",
        todo="copy or download it again",
    )


def _read_csv(path: Path, data: bytes, names: Sequence[str] | None) -> TextTable:
    dialect = sniff(path, data)
    columns, lines = read_cells(path, data, dialect)
    begin = 0 if names is not None else 1
    if names is None:
        names = [column[0].as_py().strip() for column in columns]
    elif len(columns) < len(names):
        raise DataError(
            f"{path}: line {dialect.line} has {len(columns)} cells",
            expected=", ".join(names),
            todo="correct the line, or name the right file",
        )
    names = [*names, *[""] * (len(columns) - len(names))]
    stripped = [_stripped(column[begin:]) for column in columns]
    filled = _has_a_cell(stripped)
    blank = int((~filled).sum()) if len(stripped) > 1 else 0
    questions = _lines_of_questions(stripped)
    filled[:questions] = False
    if not filled.all():
        stripped = [column.filter(pa.array(filled)) for column in stripped]

    def locate() -> NDArray[np.int64]:
        found = lines_of(path, _whole(path), dialect) if lines is None else lines
        return found[-len(stripped[0]) :]  # an empty first row is not counted

    table = _named(path, names, stripped, locate, dialect)
    notes = []
    if questions:
        notes.append(f"Qualtrics' {questions} lines of questions and import ids are left out.")
    if blank:
        notes.append(f"rows without any value left out: {blank:,}.")
    return replace(table, notes=tuple(notes))


def _lines_of_questions(columns: Sequence[pa.Array]) -> int:
    """Return how many rows at the top are Qualtrics' texts of questions and import ids."""
    for row in range(min(2, len(columns[0]))):
        if any((column[row].as_py() or "").startswith(_IMPORT_ID) for column in columns):
            return row + 1
    return 0


def _has_a_cell(columns: Sequence[pa.Array]) -> NDArray[np.bool_]:
    filled = np.zeros(len(columns[0]), dtype=bool)
    for column in columns:
        filled |= column.is_valid().to_numpy(zero_copy_only=False)
        if filled.all():
            break
    return filled


def _named(
    path: Path,
    names: Sequence[str],
    columns: Sequence[pa.Array],
    locate: Callable[[], NDArray[np.int64]],
    dialect: Dialect | None = None,
) -> TextTable:
    kept: dict[str, pa.Array] = {}
    for name, column in zip(names, columns, strict=True):
        if not name:
            continue
        if name in kept:
            raise DataError(
                f"{path}: two columns are called {name!r}",
                expected="distinct column names",
                todo="rename or remove one of them",
            )
        kept[name] = column
    if not kept:
        raise DataError(
            f"{path}: the first line holds no column names",
            expected="a line of column names",
            todo="add the line",
        )
    if len(kept) == 1 and any(mark in next(iter(kept)) for mark in "|:"):
        raise DataError(
            f"{path}: one column, {next(iter(kept))!r}",
            expected="columns separated by comma, semicolon or tab",
            todo="save the table with one of these separators",
        )
    return TextTable(path, kept, locate, dialect is not None and dialect.decimal_comma)


def _read_parquet(path: Path, data: bytes) -> TextTable:
    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({error})",
            expected="a whole Parquet file",
            todo="write the file again",
        ) from None
    columns, left_out = {}, {}
    for name in table.column_names:
        # pandas writes its index under this name.
        if name.startswith("__index_level_"):
            continue
        text = _as_text(table[name].combine_chunks())
        if text is None:
            left_out[name] = str(table[name].type)
        else:
            columns[name] = _stripped(text)
    # Parquet has no lines; rows are counted as if a header preceded them.
    lines = np.arange(table.num_rows, dtype=np.int64) + 2
    if not columns:
        raise _only_others(path, left_out)
    read = _named(path, list(columns), list(columns.values()), lambda: lines)
    return _without(read, left_out)


def _read_json(path: Path, data: bytes) -> TextTable:
    columns, lines, left_out = read_records(path, data)
    if not columns:
        raise _only_others(path, left_out)
    read = _named(path, list(columns), [_stripped(c) for c in columns.values()], lambda: lines)
    return _without(read, left_out)


def _without(table: TextTable, left_out: Mapping[str, str]) -> TextTable:
    table = replace(table, left_out=left_out)
    note = f"columns left out: {table.left_out_sentence()}."
    return replace(table, notes=(note,)) if left_out else table


def _only_others(path: Path, left_out: Mapping[str, str]) -> DataError:
    held = ", ".join(f"{name!r} holds {what}" for name, what in left_out.items())
    return DataError(
        f"{path}: no column of text or numbers" + (f": {held}" if held else ""),
        expected="columns of text or numbers",
        todo="write them as text, or name the right file",
    )


def _as_text(column: pa.Array) -> pa.Array | None:
    """Return a column as text; None if it holds lists, bytes or the like."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _stripped(column: pa.Array) -> pa.Array:
    column = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(column, ""), None, column)
