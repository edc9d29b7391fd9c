"""Record each image's outcome on disk: a line as it happens, a table at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from interestingness.datasets.download.outcome import DownloadOutcome
from interestingness.errors import DataError

TABLE = "downloads.parquet"
JOURNAL = ".downloads.jsonl"
_TYPES = {"bytes": pa.int64(), "width": pa.int32(), "height": pa.int32(), "status": pa.int32()}
_TYPES |= {"attempts": pa.int32(), "final": pa.bool_()}
SCHEMA = pa.schema([(f.name, _TYPES.get(f.name, pa.string())) for f in fields(DownloadOutcome)])
"""Columns of ``downloads.parquet``: the attributes of an outcome."""


def read_outcomes(folder: Path) -> dict[str, DownloadOutcome]:
    """Read outcomes of earlier runs by image id, including the journal of a killed run.

    Raises:
        DataError: if the table is damaged or another program's.
    """
    found: dict[str, DownloadOutcome] = {}
    table = folder / TABLE
    if table.is_file():
        try:
            rows = pq.read_table(table, schema=SCHEMA).to_pylist()
        except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
            raise DataError(
                f"{table}: cannot be read ({error})",
                expected="the table that `interestingness download` writes",
                todo="move it away: files that are there are then used as they are",
            ) from None
        found |= {row["image_id"]: DownloadOutcome(**row) for row in rows}
    journal = folder / JOURNAL
    if journal.is_file():
        with journal.open(encoding="utf-8") as stream:
            for line in stream:
                outcome = _parsed(line)
                if outcome is not None:
                    found[outcome.image_id] = outcome
    return found


def _parsed(line: str) -> DownloadOutcome | None:
    """Parse a line of the journal; None for a line that a kill cut short."""
    try:
        values: Mapping[str, Any] = json.loads(line)
        return DownloadOutcome(**values)
    except (ValueError, TypeError):
        return None


class Journal:
    """Appends outcomes; each line is flushed at once."""

    def __init__(self, folder: Path) -> None:
        """Open it to append after an earlier run's lines."""
        path = folder / JOURNAL
        torn = path.is_file() and path.stat().st_size and not path.read_bytes().endswith(b"\n")
        self._stream: TextIO = path.open("a", encoding="utf-8")
        if torn:
            self._stream.write("\n")

    def add(self, outcome: DownloadOutcome) -> None:
        """Write one line."""
        self._stream.write(json.dumps(asdict(outcome)) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def write_outcomes(folder: Path, outcomes: Iterable[DownloadOutcome]) -> Path:
    """Write the table atomically, then remove the journal."""
    path, unfinished = folder / TABLE, folder / f".{TABLE}.part"
    rows = [asdict(outcome) for outcome in outcomes]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), unfinished)
    unfinished.replace(path)
    (folder / JOURNAL).unlink(missing_ok=True)
    return path
