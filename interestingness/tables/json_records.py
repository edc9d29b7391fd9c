"""Read JSON records as columns of text: a list of objects, or an object in every line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interestingness.errors import DataError


def begins_json(data: bytes) -> bool:
    """Return whether a file begins as JSON does, and as no line of column names would."""
    return data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def read_records(
    path: Path, data: bytes
) -> tuple[dict[str, pa.Array], NDArray[np.int64], dict[str, str]]:
    """Read records; numbers keep the digits that they are written with.

    The records are a list, the only list in an object, an object in each line, or pandas' columns
    (``{"a": {"0": 1, "1": 2}}``).

    An object inside a record becomes columns of its own: ``{"a": {"b": 1}}`` has a column ``a.b``.
    A list of one entry is that entry.

    Args:
        path: for messages.
        data: the whole file as UTF-8.

    Returns:
        Columns, the place of each record (its line, or its number in a list, from 1), and what the
        columns hold that were left out because all their cells are lists.

    Raises:
        DataError: if it is no JSON, or holds something else than objects.
    """
    lines, records = _records(path, data)
    cells: dict[str, dict[int, str]] = {}
    lists: dict[str, str] = {}
    for row, record in enumerate(records):
        for name, value in _flat(record, ""):
            if isinstance(value, list):
                lists[name] = "lists"
            else:
                cells.setdefault(name, {})[row] = value
    columns = {
        name: pa.array([known.get(row) for row in range(len(records))], pa.string())
        for name, known in cells.items()
    }
    left_out = {name: what for name, what in lists.items() if name not in columns}
    return columns, np.asarray(lines, dtype=np.int64), left_out


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield names and cells: text, or a list that is none."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, bool):
        yield name, str(value).lower()
    elif value is not None:
        yield name, value if isinstance(value, list) else str(value)


def _records(path: Path, data: bytes) -> tuple[list[int], list[Mapping[str, Any]]]:
    try:
        whole = _parsed(data)
    except ValueError as error:
        lines = [(n, line) for n, line in enumerate(data.splitlines(), 1) if line.strip()]
        return [n for n, _ in lines], [_record(path, n, line, error) for n, line in lines]
    found = whole if isinstance(whole, list) else _rows_of(whole)
    if not all(isinstance(record, dict) for record in found):
        raise DataError(
            f"{path}: JSON, but no list of objects",
            expected="an object for each row, in a list or in a line each",
            todo="export it as JSON lines or CSV",
        )
    return list(range(1, len(found) + 1)), found


def _rows_of(whole: Any) -> list[Any]:
    """Return the rows of one object: the list in it, or pandas' columns, else the object itself."""
    if isinstance(whole, dict):
        values = list(whole.values())
        if len(values) == 1 and isinstance(values[0], list):
            return values[0]
        if values and all(isinstance(value, dict) for value in values):
            rows = list(values[0])
            if all(row.isdecimal() for row in rows) and all(list(v) == rows for v in values):
                return [{name: cells[row] for name, cells in whole.items()} for row in rows]
    return [whole]


def _record(path: Path, line: int, text: bytes, whole: ValueError) -> Mapping[str, Any]:
    try:
        record = _parsed(text)
    except ValueError as error:
        # in a file of one value over many lines, the place that stops that is the useful one
        why = whole if line == 1 else f"line {line}: {error}"
        raise _no_json(path, why) from None
    if not isinstance(record, dict):
        raise _no_json(path, f"line {line} is no object")
    return record


def _no_json(path: Path, why: object) -> DataError:
    return DataError(
        f"{path}: not JSON ({why})",
        expected="a list of objects, or an object in every line",
        todo="export it again, as JSON lines or CSV",
    )


def _parsed(data: bytes) -> Any:
    # numbers stay as written: 007 is refused by JSON, but 1.50 and 20-digit ids must not change
    try:
        return json.loads(data.decode("utf-8-sig"), parse_int=str, parse_float=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None
