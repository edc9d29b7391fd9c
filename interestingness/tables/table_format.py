"""The format of our own tables on disk: columns, checks, reading and writing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from interestingness.disk import appearing
from interestingness.errors import DataError
from interestingness.schema import DEFAULT_QUESTION, FORMAT_VERSION

SIDES = ("left", "right")
BOTH_BAD = "both_bad"
"""An answer that prefers neither image and calls neither good; a tie says that they are alike."""


@dataclass(frozen=True)
class ColumnFormat:
    """One column: its type, whether it must be there, and which values it may hold."""

    type: pa.DataType
    required: bool = True
    nullable: bool = False
    default: Any = None
    values: tuple[str, ...] | None = None
    range: tuple[float, float] | None = None


_text = pa.string()
SPECS: dict[str, dict[str, ColumnFormat]] = {
    "images": {
        "image_id": ColumnFormat(_text),
        "path": ColumnFormat(_text, required=False, nullable=True),
        "sha256": ColumnFormat(_text, required=False, nullable=True),
    },
    "pairs": {
        "pair_id": ColumnFormat(_text),
        "left": ColumnFormat(_text),
        "right": ColumnFormat(_text),
    },
    "votes": {
        "pair_id": ColumnFormat(_text),
        "rater_id": ColumnFormat(_text),
        "choice": ColumnFormat(_text, nullable=True, values=(*SIDES, "tie", BOTH_BAD)),
        "first": ColumnFormat(_text, required=False, nullable=True, values=SIDES),
        "question": ColumnFormat(_text, required=False, default=DEFAULT_QUESTION),
        "rater_kind": ColumnFormat(
            _text, required=False, default="human", values=("human", "model")
        ),
        "probability": ColumnFormat(pa.float64(), required=False, nullable=True, range=(0.0, 1.0)),
        "reason": ColumnFormat(_text, required=False, nullable=True),
        "persona": ColumnFormat(_text, required=False, nullable=True),
        "sample": ColumnFormat(pa.int32(), required=False, default=0),
        "time": ColumnFormat(pa.timestamp("us", tz="UTC"), required=False, nullable=True),
        "provenance": ColumnFormat(_text, required=False, nullable=True),
    },
    "judgments": {
        "image_id": ColumnFormat(_text),
        "rater_id": ColumnFormat(_text),
        "answer": ColumnFormat(pa.bool_(), nullable=True),
        "question": ColumnFormat(_text, required=False, default=DEFAULT_QUESTION),
        "rater_kind": ColumnFormat(
            _text, required=False, default="human", values=("human", "model")
        ),
        "reason": ColumnFormat(_text, required=False, nullable=True),
        "persona": ColumnFormat(_text, required=False, nullable=True),
        "sample": ColumnFormat(pa.int32(), required=False, default=0),
        "time": ColumnFormat(pa.timestamp("us", tz="UTC"), required=False, nullable=True),
        "provenance": ColumnFormat(_text, required=False, nullable=True),
    },
    "ratings": {
        "image_id": ColumnFormat(_text),
        "rater_id": ColumnFormat(_text),
        "rating": ColumnFormat(pa.float64()),
        "question": ColumnFormat(_text, required=False, default=DEFAULT_QUESTION),
        "sample": ColumnFormat(pa.int32(), required=False, default=0),
    },
    "texts": {
        "image_id": ColumnFormat(_text, required=False, nullable=True),
        "kind": ColumnFormat(_text),
        "text": ColumnFormat(_text, nullable=True),
        "rater_id": ColumnFormat(_text),
        "question": ColumnFormat(_text, required=False, default=DEFAULT_QUESTION),
        "rater_kind": ColumnFormat(
            _text, required=False, default="model", values=("human", "model")
        ),
        "sample": ColumnFormat(pa.int32(), required=False, default=0),
        "time": ColumnFormat(pa.timestamp("us", tz="UTC"), required=False, nullable=True),
        "provenance": ColumnFormat(_text, required=False, nullable=True),
    },
    "scores": {
        "image_id": ColumnFormat(_text),
        "name": ColumnFormat(_text),
        "score": ColumnFormat(pa.float64(), nullable=True),
        "provenance": ColumnFormat(_text, required=False, nullable=True),
    },
}
"""Columns by table. A table may carry further columns; they are kept and never checked."""


def check_table(kind: str, table: pa.Table, *, where: str) -> pa.Table:
    """Cast to the schema, fill in defaults and check every value.

    Args:
        kind: a key of ``SPECS``.
        table: what was read.
        where: file name for messages.

    Raises:
        DataError: missing column, wrong type, value out of range, null where none may be.
    """
    columns, names = [], []
    spec = SPECS[kind]
    for name, column in spec.items():
        if name not in table.column_names:
            if column.required:
                raise DataError(
                    f"{where}: column {name!r} is missing; found {', '.join(table.column_names)}",
                    expected=f"columns {', '.join(k for k, c in spec.items() if c.required)}",
                    todo="rename or add the column; docs/data_format.md lists them all",
                )
            values = pa.array([column.default] * table.num_rows, type=column.type)
        else:
            values = _cast(table[name], column.type, where, name)
            if column.default is not None and values.null_count:
                values = pc.fill_null(values, column.default)
        _check_values(values, name, column, where)
        columns.append(values)
        names.append(name)
    for name in table.column_names:
        if name not in spec:
            columns.append(table[name])
            names.append(name)
    return pa.table(dict(zip(names, columns, strict=True)))


def _cast(values: pa.ChunkedArray, kind: pa.DataType, where: str, name: str) -> pa.ChunkedArray:
    try:
        both = pa.types.is_timestamp(kind) and pa.types.is_timestamp(values.type)
        if both and not values.type.tz:
            values = pc.assume_timezone(values, "UTC")
        return values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{where}: column {name!r} holds {values.type}, which does not read as {kind}: {error}",
            expected=f"values of type {kind}",
            todo="correct the column",
        ) from None


def _check_values(
    values: pa.Array | pa.ChunkedArray, name: str, column: ColumnFormat, where: str
) -> None:
    if values.null_count and not column.nullable:
        raise DataError(
            f"{where}: column {name!r} has {values.null_count} empty cells",
            expected="a value in every row",
            todo="fill them or remove the rows",
        )
    if column.values is not None:
        present = [v for v in pc.unique(values).to_pylist() if v is not None]
        strange = sorted(set(present) - set(column.values))
        if strange:
            raise DataError(
                f"{where}: column {name!r} holds {strange[:3]}",
                expected=f"one of {', '.join(column.values)}{' or empty' * column.nullable}",
                todo="correct the values",
            )
    if column.range is not None:
        low, high = column.range
        given = pc.drop_null(values).to_numpy(zero_copy_only=False) if len(values) else np.empty(0)
        given = given[~np.isnan(given)] if column.nullable else given
        if len(given) and not ((given >= low) & (given <= high)).all():
            raise DataError(
                f"{where}: column {name!r} has values outside [{low:g}, {high:g}]",
                expected=f"numbers in [{low:g}, {high:g}] or empty",
                todo="correct the values",
            )


def read_table(kind: str, path: str | Path) -> pa.Table:
    """Read a Parquet table of ours and check it.

    Raises:
        DataError: absent, not Parquet, another format version, or failing ``check_table``.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"{path}: there is no {kind} table",
            expected=f"a Parquet file of {kind}",
            todo="prepare the data set again, or name another one",
        )
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet ({error})",
            expected="a whole Parquet file",
            todo="remove the file and prepare the data set again",
        ) from None
    metadata = table.schema.metadata or {}
    version = int(metadata.get(b"interestingness.format_version", FORMAT_VERSION))
    if version != FORMAT_VERSION:
        raise DataError(
            f"{path}: format version {version}",
            expected=f"version {FORMAT_VERSION}",
            todo="prepare the data set again with this version",
        )
    return check_table(kind, table, where=str(path))


def write_table(
    kind: str, table: pa.Table, path: str | Path, *, about: Mapping[str, str] | None = None
) -> None:
    """Check a table, then write it as Parquet atomically.

    Args:
        kind: a key of ``SPECS``.
        table: what to write.
        path: of the Parquet file.
        about: where the table comes from; goes into the file's metadata as ``interestingness.…``.

    Raises:
        DataError: like ``check_table``.
    """
    path = Path(path)
    table = check_table(kind, table, where=str(path))
    told = {f"interestingness.{k}".encode(): v.encode() for k, v in (about or {}).items()}
    table = table.replace_schema_metadata({**_metadata(kind), **told})
    with appearing(path) as part:
        pq.write_table(table, part, compression="zstd")


def write_batches(kind: str, batches: Iterable[pa.Table], path: str | Path) -> int:
    """Write a table in batches, without holding it in memory; the file is written atomically.

    Args:
        kind: a key of ``SPECS``.
        batches: parts with the same columns; at least one.
        path: of the Parquet file.

    Returns:
        Number of rows.

    Raises:
        DataError: like ``check_table``.
    """
    path, rows = Path(path), 0
    writer = None
    with appearing(path) as part:
        try:
            for batch in batches:
                table = check_table(kind, batch, where=str(path))
                if writer is None:
                    schema = table.schema.with_metadata(_metadata(kind))
                    writer = pq.ParquetWriter(part, schema, compression="zstd")
                writer.write_table(table.cast(schema))
                rows += table.num_rows
        finally:
            if writer is not None:
                writer.close()
    return rows


def _metadata(kind: str) -> dict[bytes, bytes]:
    return {
        b"interestingness.format_version": str(FORMAT_VERSION).encode(),
        b"interestingness.table": kind.encode(),
    }


def table_fingerprint(table: pa.Table) -> str:
    """Hash column names and values; equal tables have equal hashes, however they were written."""
    digest = hashlib.sha256()
    table = table.combine_chunks()
    for name in sorted(table.column_names):
        digest.update(name.encode())
        sink = pa.BufferOutputStream()
        column = pa.table({name: _without_hidden_values(table[name])})
        with pa.ipc.new_stream(sink, column.schema) as writer:
            writer.write_table(column)
        digest.update(sink.getvalue())
    return digest.hexdigest()


def _without_hidden_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    # bytes under a null are not part of the table
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    zero = {"string": "", "double": 0.0, "int64": 0, "int32": 0, "bool": False}
    if column.null_count == 0 or str(column.type) not in zero:
        return column
    filled = pc.fill_null(column, zero[str(column.type)])
    return pa.chunked_array(
        pa.StructArray.from_arrays([a, b], ["value", "present"])
        for a, b in zip(filled.chunks, pc.is_valid(column).chunks, strict=True)
    )
