"""Tables as people have them: CSV from a spreadsheet, gzip'd CSV, Parquet.

Everything is read as text first, numbers come later: an image called ``007`` must not become 7, and
whether ``4,5`` is a number depends on the file's separator.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interestingness.errors import DataError

LONGEST_CELL = 64 * 2**20
"""Characters; Python's own limit of 131,072 is less than ten thousand tags."""

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
MISSING = ("", "na", "n/a", "nan", "null", "none", "-")
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
DECIMAL_COMMA = r"^[+-]?[0-9]+,[0-9]+$"
THOUSANDS_COMMA = r"^[+-]?[0-9]{1,3}(,[0-9]{3})+$"


@dataclass(frozen=True, eq=False)
class TextTable:
    """A user's table: columns of stripped text, None where a cell is empty.

    Attributes:
        path: the file, for messages.
        columns: column name to cells, all of equal length.
        line: where each row begins in the file, from 1, shape (rows,).
        decimal_comma: whether the separator leaves the comma free to be a decimal sign.
        columns_option: option that says which column is which, where the command has one.
    """

    path: Path
    columns: Mapping[str, pa.Array]
    line: NDArray[np.int64]
    decimal_comma: bool = False
    columns_option: str | None = "dataset.columns"

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def cells(self, name: str) -> list[str | None]:
        """One column as a list."""
        return self.columns[name].to_pylist()

    def find(self, meaning: str, aliases: Sequence[str], mapping: Mapping[str, str]) -> str | None:
        """The name of the column that holds ``meaning``, or None.

        Args:
            meaning: our name of the column.
            aliases: names under which we look for it, best first.
            mapping: the user's ``dataset.columns``; what it names is taken where this file has it.

        Returns:
            A column name as the file spells it; letter case is ignored unless it is ambiguous.
        """
        wanted = mapping.get(meaning)
        for name in (*([wanted] if wanted else []), *aliases):
            if name in self.columns:
                return name
            same = [column for column in self.columns if column.casefold() == name.casefold()]
            if len(same) == 1:
                return same[0]
        return None

    def need(self, meaning: str, aliases: Sequence[str], mapping: Mapping[str, str]) -> str:
        """Like ``find``.

        Raises:
            DataError: if there is no such column.
        """
        name = self.find(meaning, aliases, mapping)
        if name is not None:
            return name
        asked = f" (and none is called {mapping[meaning]!r})" if mapping.get(meaning) else ""
        found = ", ".join(repr(column) for column in self.columns)
        option = self.columns_option
        raise DataError(
            f"{self.path}: no column {aliases[0]!r}{asked}; found {found}" + self._hint(),
            expected=f"a column called {' or '.join(aliases)}",
            todo="rename the column"
            + (f", or say which one it is: {option}.{meaning}=…" if option else ""),
        )

    def lines(self, rows: NDArray[np.bool_] | Sequence[int], most: int = 3) -> str:
        """Where some rows stand in the file, for messages: ``line 2, 7, 9, …``."""
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


def existing_file(path: str | Path) -> Path:
    """The path with ``~`` expanded.

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


def read_text_table(path: str | Path) -> TextTable:
    """Read CSV (comma, semicolon or tab; UTF-8 with or without a mark; gzip) or Parquet.

    Columns without a name (an exported index) and rows without any value are left out.

    Raises:
        DataError: if the file is absent, empty, of another kind or encoding, or has uneven rows.
    """
    path = existing_file(path)
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{path}: damaged gzip file ({error})",
                expected="a whole file",
                todo="copy or download it again",
            ) from None
    table = _read_parquet(path, data) if data[:4] == b"PAR1" else _read_csv(path, data)
    if len(table) == 0:
        raise DataError(
            f"{path}: column names ({', '.join(table.columns)}) but no rows",
            expected="at least one row below the column names",
            todo="name the right file",
        )
    return table


def _read_csv(path: Path, data: bytes) -> TextTable:
    text = _decode(path, data).lstrip("\r\n")
    hint = re.match(r"sep=([,;\t])\r?\n", text)  # a spreadsheet's own note on the separator
    skipped = 0
    if hint:
        text, skipped = text[hint.end() :], 1
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    if not first.strip():
        raise DataError(
            f"{path}: the file is empty",
            expected="a line of column names and at least one row",
            todo="name the right file",
        )
    outside_quotes = "".join(first.split('"')[::2])
    separator = hint[1] if hint else max(SEPARATORS, key=outside_quotes.count)
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, lines, before = [], [], 0
    try:
        names = [name.strip() for name in next(reader)]
        before = reader.line_num
        for row in reader:
            if any(row[len(names) :]) or 0 < len(row) < len(names):
                raise csv.Error(f"{len(row)} cells")
            del row[len(names) :]  # separators at the end of a line mean nothing
            if "".join(row).strip():
                rows.append(row)
                lines.append(before + 1 + skipped)
            before = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{path}: line {before + 1 + skipped} cannot be read: {error}",
            expected=f"{len(names)} cells in every row, separated by {SEPARATORS[separator]}s as "
            "in the first line; a cell that contains the separator stands in double quotes",
            todo="correct the line, or save the table again as CSV",
        ) from None
    cells = list(zip(*rows, strict=True)) or [()] * len(names)
    columns = [pa.array(column, pa.string()) for column in cells]
    return _named(path, names, columns, np.asarray(lines, dtype=np.int64), separator)


def _decode(path: Path, data: bytes) -> str:
    if data[:2] in (b"PK", b"\xd0\xcf"):
        raise DataError(
            f"{path}: a spreadsheet or zip file, not a text table",
            expected="CSV or Parquet",
            todo="save the table as “CSV UTF-8”",
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(
            f"{path}: UTF-16 text",
            expected="UTF-8",
            todo="save the table as “CSV UTF-8”",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line} is not UTF-8 (byte {data[error.start]:#04x})",
            expected="UTF-8",
            todo="save the table as “CSV UTF-8”",
        ) from None
    if "\0" in text:
        raise DataError(
            f"{path}: binary data", expected="CSV or Parquet", todo="name the right file"
        )
    return text


def _named(
    path: Path,
    names: Sequence[str],
    columns: Sequence[pa.Array],
    lines: NDArray[np.int64],
    separator: str,
) -> TextTable:
    kept = {}
    for name, column in zip(names, columns, strict=True):
        if not name:
            continue
        if name in kept:
            raise DataError(
                f"{path}: two columns are called {name!r}",
                expected="distinct column names",
                todo="rename or remove one of them",
            )
        kept[name] = _stripped(column)
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
    return TextTable(path, kept, lines, decimal_comma=separator != ",")


def _read_parquet(path: Path, data: bytes) -> TextTable:
    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({error})",
            expected="a whole Parquet file",
            todo="write the file again",
        ) from None
    columns = {}
    for name in table.column_names:
        # pandas writes its index under such a name.
        if not name.startswith("__index_level_"):
            columns[name] = _stripped(_as_text(path, name, table[name].combine_chunks()))
    # Parquet has no lines; rows are counted as if a line of names stood above them.
    lines = np.arange(table.num_rows, dtype=np.int64) + 2
    return _named(path, list(columns), list(columns.values()), lines, ",")


def _as_text(path: Path, name: str, column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            f"{path}: column {name!r} holds {column.type}",
            expected="columns of text or numbers",
            todo="remove the column, or write it as text",
        ) from None


def _stripped(column: pa.Array) -> pa.Array:
    column = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(column, ""), None, column)


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column read as numbers.

    Attributes:
        values: NaN where a cell is empty or says that the value is missing, shape (rows,).
        strange: cells that are neither a number nor missing, shape (rows,).
        missing: empty cells and words such as ``NA``, shape (rows,).
    """

    values: NDArray[np.float64]
    strange: NDArray[np.bool_]
    missing: NDArray[np.bool_]


def numbers(table: TextTable, name: str) -> Numbers:
    """One column as numbers, with what does not read as one.

    In a file separated by semicolons or tabs ``4,5`` is four and a half, unless every such cell
    looks like thousands (``1,250``): then nobody can tell, and the cells count as strange.
    """
    column = table.columns[name]
    missing = column.is_null().to_numpy(zero_copy_only=False)
    words = pc.is_in(pc.utf8_lower(column), value_set=pa.array(MISSING))
    missing |= words.to_numpy(zero_copy_only=False)
    if table.decimal_comma:
        comma = _matches(column, DECIMAL_COMMA)
        if comma.any() and not (comma <= _matches(column, THOUSANDS_COMMA)).all():
            replaced = pc.replace_substring(column, ",", ".")
            column = pc.if_else(pa.array(comma), replaced, column)
    good = _matches(column, NUMBER)
    values = np.full(len(column), np.nan)
    values[good] = column.filter(pa.array(good)).cast(pa.float64()).to_numpy()
    good &= ~np.isinf(values)  # 1e999
    return Numbers(values, ~good & ~missing, missing)


def _matches(column: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    return found.to_numpy(zero_copy_only=False)
