"""Read CSV as people save it: find its encoding and separator, and read the cells as text.

Comma, semicolon or tab; UTF-8 or UTF-16, with or without a byte-order mark; gzip; a spreadsheet's
``sep=;`` above the column names. pyarrow reads the cells; Python's csv module reads
files that pyarrow rejects or might read differently, and finds the line or cell that is wrong.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from interestingness.errors import DataError

LONGEST_CELL = 64 * 2**20
"""Characters; Python's own limit of 131,072 is less than ten thousand tags."""
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLOCK = 16 * 2**20
_BEFORE = re.compile(rb"(?:\xef\xbb\xbf)?(?P<blank>[\r\n]*)(?P<note>sep=([,;\t])(?:\r\n|\n|\r))?")
_NEWLINE = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        separator: a key of ``SEPARATORS``.
        start: bytes before the first row: a byte-order mark, blank lines, a note on the separator.
        line: the line in which the first row begins, from 1.
    """

    separator: str
    start: int
    line: int

    @property
    def decimal_comma(self) -> bool:
        """Return whether the comma can be a decimal sign: it is not the separator."""
        return self.separator != ","


def sniff(path: Path, data: bytes) -> Dialect:
    """Find the dialect of a file.

    Args:
        path: for messages.
        data: UTF-8 text, at least the whole first line.

    Raises:
        DataError: a spreadsheet, binary data, or no text.
    """
    if data[:2] in (b"PK", b"\xd0\xcf"):
        raise DataError(
            f"{path}: a spreadsheet or zip file, not a text table",
            expected="CSV or Parquet",
            todo="save the table as “CSV UTF-8”",
        )
    if b"\0" in data:
        raise DataError(
            f"{path}: binary data", expected="CSV or Parquet", todo="name the right file"
        )
    before = _BEFORE.match(data)
    assert before is not None  # every part is optional
    first = re.split(rb"[\r\n]", data[before.end() :], maxsplit=1)[0]
    if not first.strip():
        raise DataError(
            f"{path}: the file is empty",
            expected="a line of column names and at least one row",
            todo="name the right file",
        )
    outside_quotes = b"".join(first.split(b'"')[::2])
    noted = before[3].decode() if before["note"] else None
    separator = noted or max(SEPARATORS, key=lambda mark: outside_quotes.count(mark.encode()))
    lines = len(_NEWLINE.findall(before["blank"])) + (noted is not None)
    return Dialect(separator, before.end(), lines + 1)


def first_row(data: bytes, dialect: Dialect) -> list[str]:
    """Return the cells of the first row, stripped."""
    text = data[dialect.start :].decode("utf-8", "replace")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.separator)
    return [cell.strip() for cell in next(reader)]


def read_cells(
    path: Path, data: bytes, dialect: Dialect
) -> tuple[list[pa.Array], NDArray[np.int64] | None]:
    """Read all cells as text, column by column, including the first row's.

    Args:
        path: for messages.
        data: the whole file as UTF-8.
        dialect: how it is written.

    Returns:
        Columns, and the line in which each row begins, from 1; None if they were not counted (see
        ``lines_of``); rows of empty cells may then be included.

    Raises:
        DataError: text that is not UTF-8, or rows of different lengths.
    """
    columns = _by_pyarrow(data, dialect)
    if columns is not None:
        return columns, None
    rows, lines = _by_python(path, data, dialect)
    return [pa.array(column, pa.string()) for column in zip(*rows, strict=True)], lines


def lines_of(path: Path, data: bytes, dialect: Dialect) -> NDArray[np.int64]:
    """Return the line in which each non-empty row begins, from 1, including the first row."""
    return _by_python(path, data, dialect)[1]


def _by_pyarrow(data: bytes, dialect: Dialect) -> list[pa.Array] | None:
    """Read columns of text; None if rows are uneven or pyarrow and csv might disagree."""
    quoted = b'"' in data
    if quoted and not _quotes_are_plain(data, dialect):
        return None
    width = len(first_row(data[: dialect.start + 2**20], dialect))
    names = [f"f{number}" for number in range(width)]
    try:
        table = pa_csv.read_csv(
            pa.py_buffer(memoryview(data)[dialect.start :]),
            pa_csv.ReadOptions(column_names=names, block_size=_BLOCK),
            pa_csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=quoted),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid:
        return None
    return [column.combine_chunks() for column in table.columns]


def _quotes_are_plain(data: bytes, dialect: Dialect) -> bool:
    """Return whether each quote begins or ends a cell, or is doubled within a quoted cell."""
    around = np.frombuffer(b"\n" + data[dialect.start :] + b"\n", dtype=np.uint8)
    at = np.flatnonzero(around == ord('"'))
    if len(at) % 2:
        return False
    edges = np.frombuffer(f'{dialect.separator}\r\n"'.encode(), dtype=np.uint8)
    beside = np.concatenate([around[at[::2] - 1], around[at[1::2] + 1]])
    return bool(np.isin(beside, edges).all())


def _by_python(
    path: Path, data: bytes, dialect: Dialect
) -> tuple[list[list[str]], NDArray[np.int64]]:
    """Return the non-empty rows, all of one length, and the lines in which they begin."""
    csv.field_size_limit(LONGEST_CELL)
    stream = io.StringIO(_decoded(path, data, dialect), newline="")
    reader = csv.reader(stream, delimiter=dialect.separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = dialect.line
    try:
        for row in reader:
            width = len(rows[0]) if rows else len(row)
            if any(row[width:]) or 0 < len(row) < width:
                raise csv.Error(f"{len(row)} cells")
            del row[width:]  # separators at the end of a line are ignored
            if not rows or "".join(row).strip():
                rows.append(row)
                lines.append(line)
            line = dialect.line + reader.line_num
    except csv.Error as error:
        count = f"{len(rows[0])} cells in every row, " if rows else "cells "
        raise DataError(
            f"{path}: line {line} cannot be read: {error}",
            expected=f"{count}separated by {SEPARATORS[dialect.separator]}s as "
            "in the first line; a cell that contains the separator stands in double quotes",
            todo="correct the line, or save the table again as CSV",
        ) from None
    return rows, np.asarray(lines, dtype=np.int64)


def _decoded(path: Path, data: bytes, dialect: Dialect) -> str:
    try:
        return data[dialect.start :].decode("utf-8")
    except UnicodeDecodeError as error:
        at = dialect.start + error.start
        line = data.count(b"\n", 0, at) + 1
        raise DataError(
            f"{path}: line {line} is not UTF-8 (byte {data[at]:#04x})",
            expected="UTF-8",
            todo="save the table as “CSV UTF-8”",
        ) from None


def utf16_of(start: bytes) -> str | None:
    """Return the codec if text is UTF-16, by its byte-order mark or by its zero bytes; else None.

    In UTF-16, every second byte of Latin letters and separators is zero; a line of column names
    holds little else.

    Args:
        start: the first bytes of a file, some hundred.
    """
    if start[:2] in _UTF16:
        return "utf-16"
    head = start[:200]
    even, odd = head[::2], head[1::2]
    if len(head) > 5 and min(even.count(0), odd.count(0)) == 0:
        if odd.count(0) > 0.7 * len(odd):
            return "utf-16-le"
        if even.count(0) > 0.7 * len(even):
            return "utf-16-be"
    return None


def as_utf8(path: Path, data: bytes) -> bytes:
    """Convert text to UTF-8 if it is UTF-16.

    Raises:
        DataError: if it is damaged UTF-16.
    """
    codec = utf16_of(data[:200])
    if codec is None:
        return data
    try:
        return data.decode(codec).encode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: UTF-16 text that cannot be read ({error.reason})",
            expected="UTF-8 or UTF-16",
            todo="save the table as “CSV UTF-8”",
        ) from None
