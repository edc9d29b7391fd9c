"""Read large users' tables in chunks: chosen columns, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.number_text import percent
from interestingness.tables.csv_text import Dialect, first_row, sniff, utf16_of
from interestingness.tables.number_cells import as_numbers
from interestingness.tables.user_tables import GZIP, MISSING, existing_file

CHUNK = 4 << 20
"""Bytes read at a time."""
MAX_BAD_SHARE = 0.01
_HEADER = 1 << 20
"""Bytes that the line of column names may take."""


@dataclass
class TableStream:
    """A CSV file that can be read from its beginning any number of times.

    Attributes:
        path: the file, gzip'd or not.
        header: its columns.
        dialect: how it is written.
        counts: what was odd in the last reading: rows skipped, cells that are not UTF-8.
    """

    path: Path
    header: tuple[str, ...]
    dialect: Dialect
    counts: Counter[str] = field(default_factory=Counter)

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, pa.Array]]:
        """Yield chunks of rows: text by column, None for empty cells and absent columns.

        Rows with too few or too many cells are left out and counted; text that is not UTF-8 is read
        with replacement characters and counted.

        Raises:
            DataError: if the file cannot be read, or more than 1 % of its rows are left out.
        """
        self.counts.clear()
        here = {name: f"f{self.header.index(name)}" for name in columns if name in self.header}
        rows = -1  # the header is the first row
        try:
            with _opened(self.path) as stream, self._reader(stream, list(here.values())) as reader:
                for batch in reader:
                    batch = batch.slice(1) if rows < 0 and batch.num_rows else batch
                    rows = max(rows, 0) + batch.num_rows
                    nothing = pa.nulls(batch.num_rows, pa.string())
                    yield {
                        name: self._text(batch[here[name]]) if name in here else nothing
                        for name in columns
                    }
        except (pa.ArrowInvalid, OSError, EOFError) as error:
            raise DataError(
                f"{self.path}: cannot be read as CSV ({str(error).splitlines()[0]})",
                expected="cells separated as in the first line, those that contain a separator in "
                "double quotes",
                todo="download the file again",
            ) from None
        if self.counts["rows_skipped"] > MAX_BAD_SHARE * max(rows, 1):
            raise DataError(
                f"{self.path}: {self.counts['rows_skipped']} rows have not "
                f"{len(self.header)} cells, as the header has; {rows} rows do",
                expected=f"at most {percent(MAX_BAD_SHARE, digits=0)} of such rows",
                todo="download the file again",
            )

    def _reader(self, stream: Any, columns: list[str]) -> pa_csv.CSVStreamingReader:
        stream.read(self.dialect.start)
        names = [f"f{number}" for number in range(len(self.header))]
        return pa_csv.open_csv(
            stream,
            pa_csv.ReadOptions(block_size=CHUNK, column_names=names),
            pa_csv.ParseOptions(
                delimiter=self.dialect.separator,
                newlines_in_values=True,
                invalid_row_handler=self._skip,
            ),
            pa_csv.ConvertOptions(
                include_columns=columns, column_types=dict.fromkeys(names, pa.binary())
            ),
        )

    def _skip(self, row: pa_csv.InvalidRow) -> str:
        self.counts["rows_skipped"] += 1
        return "skip"

    def _text(self, column: pa.Array) -> pa.Array:
        try:
            text = column.cast(pa.string())
        except pa.ArrowInvalid:
            decoded = [
                None if c is None else c.decode("utf-8", "replace") for c in column.to_pylist()
            ]
            self.counts["cells_not_utf8"] += sum("\ufffd" in c for c in decoded if c is not None)
            text = pa.array(decoded, pa.string())
        text = pc.utf8_trim_whitespace(text)
        missing = pc.is_in(pc.utf8_lower(text), value_set=pa.array(MISSING))
        return pc.if_else(missing, None, text)

    def numbers(self, column: pa.Array) -> tuple[NDArray[np.float64], int]:
        """Return a chunk's column, NaN where there is no number, and the count of other texts."""
        read = as_numbers(column, decimal_comma=self.dialect.decimal_comma)
        return np.where(np.isfinite(read.values), read.values, np.nan), int(read.strange.sum())


def open_table_stream(path: str | Path, needed: Sequence[str]) -> TableStream:
    """Read and check a file's header.

    Args:
        path: CSV, written in any way that ``read_user_table`` reads.
        needed: columns that must be there.

    Raises:
        DataError: no such file, not CSV, a column missing or twice.
    """
    path = existing_file(path)
    try:
        with _opened(path) as stream:
            start = stream.read(_HEADER)
    except (OSError, EOFError, UnicodeError) as error:
        raise DataError(
            f"{path}: not a CSV file ({error})",
            expected="text with a line of column names",
            todo="download the file again",
        ) from None
    dialect = sniff(path, start)
    header = tuple(first_row(start, dialect))
    lacking = [name for name in needed if name not in header]
    if lacking or len(set(header)) < len(header):
        raise DataError(
            f"{path}: no column {', '.join(lacking)}" if lacking else f"{path}: a column twice",
            expected=f"the columns {', '.join(needed)}; it has {', '.join(header[:20])}",
            todo="name the right file, or download it again",
        )
    return TableStream(path, header, dialect)


def _opened(path: Path) -> pa.NativeFile:
    """Open the file's text as UTF-8."""
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP
    compression = "gzip" if packed else None
    with pa.input_stream(path, compression=compression) as stream:
        codec = utf16_of(stream.read(200))
    stream = pa.input_stream(path, compression=compression)
    return pa.transcoding_input_stream(stream, codec, "utf-8") if codec else stream
