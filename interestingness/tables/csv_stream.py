"""CSV files that are too large to be read at once: chunks of chosen columns, as text."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.tables.csv_tables import MISSING, NUMBER, existing_file

CHUNK = 4 << 20
"""Bytes read at a time."""
MAX_BAD_SHARE = 0.01


@dataclass
class CsvStream:
    """A CSV file to read from its beginning as often as one likes.

    Attributes:
        path: the file, gzip'd or not.
        header: its columns.
        counts: what was odd in the last reading: rows skipped, cells that are no UTF-8.
    """

    path: Path
    header: tuple[str, ...]
    counts: Counter[str] = field(default_factory=Counter)

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, pa.Array]]:
        """Chunks of rows: text by column, None for empty cells and columns that are not there.

        Rows with too few or too many cells are left out and counted; text that is no UTF-8 is read
        with replacement characters and counted.

        Raises:
            DataError: if the file cannot be read, or more than 1 % of its rows are left out.
        """
        self.counts.clear()
        here = [name for name in columns if name in self.header]
        rows = 0
        try:
            with pa.csv.open_csv(
                self.path,
                pa.csv.ReadOptions(block_size=CHUNK),
                pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=self._skip),
                pa.csv.ConvertOptions(
                    include_columns=here, column_types=dict.fromkeys(self.header, pa.binary())
                ),
            ) as reader:
                for batch in reader:
                    rows += batch.num_rows
                    # the reader's columns are named by the raw header, a mark before it included
                    yield self._texts(dict(zip(here, batch.columns, strict=True)), columns, batch)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(
                f"{self.path}: cannot be read as CSV ({str(error).splitlines()[0]})",
                expected="cells separated by commas, those that contain one in double quotes",
                todo="download the file again",
            ) from None
        if self.counts["rows_skipped"] > MAX_BAD_SHARE * max(rows, 1):
            raise DataError(
                f"{self.path}: {self.counts['rows_skipped']} rows have not "
                f"{len(self.header)} cells, as the header has; {rows} rows do",
                expected=f"at most {MAX_BAD_SHARE:.0%} of such rows",
                todo="download the file again",
            )

    def _skip(self, row: pa.csv.InvalidRow) -> str:
        self.counts["rows_skipped"] += 1
        return "skip"

    def _texts(
        self, read: Mapping[str, pa.Array], columns: Sequence[str], batch: pa.RecordBatch
    ) -> dict[str, pa.Array]:
        nothing = pa.nulls(batch.num_rows, pa.string())
        return {name: self._text(read[name]) if name in read else nothing for name in columns}

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


def open_stream(path: str | Path, needed: Sequence[str]) -> CsvStream:
    """Look at a file's header.

    Raises:
        DataError: no such file, no CSV, a column missing or twice.
    """
    path = existing_file(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            line = stream.readline(1 << 20)
        header = tuple(next(csv.reader(io.StringIO(line.decode("utf-8-sig"))), []))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: not a CSV file ({error})",
            expected="UTF-8 text with a line of column names",
            todo="download the file again",
        ) from None
    lacking = [name for name in needed if name not in header]
    if lacking or len(set(header)) < len(header):
        raise DataError(
            f"{path}: no column {', '.join(lacking)}" if lacking else f"{path}: a column twice",
            expected=f"the columns {', '.join(needed)}; it has {', '.join(header[:20])}",
            todo="name the right file, or download it again",
        )
    return CsvStream(path, header)


def floats(column: pa.Array) -> tuple[NDArray[np.float64], int]:
    """Numbers of a column of texts, NaN for none, and how many texts were there that are none."""
    good = pc.fill_null(pc.match_substring_regex(column, NUMBER), False)
    mask = good.to_numpy(zero_copy_only=False)
    values = np.full(len(column), np.nan)
    values[mask] = column.filter(good).cast(pa.float64()).to_numpy(zero_copy_only=False)
    values[np.isinf(values)] = np.nan
    return values, int(len(column) - column.null_count - mask.sum())
