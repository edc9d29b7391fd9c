"""The Parquet tables of a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from interestingness.errors import DataError


def read_run_table(file: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table of a run.

    Args:
        file: below the run's folder.
        columns: those that are needed; None reads all.

    Raises:
        DataError: for a damaged file, or one that lacks a column.
    """
    try:
        table = pq.read_table(file, partitioning=None)
        return table if columns is None else table.select(list(columns))
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(
            f"{file}: cannot be read ({str(error).splitlines()[0]})",
            expected="a table that a run wrote"
            + (f", with {', '.join(columns or ())}" * bool(columns)),
            todo="take it from a copy of the run, or run again",
        ) from None
