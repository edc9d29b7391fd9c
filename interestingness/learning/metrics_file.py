"""``log/metrics.csv``: metrics of the whole run, kept when an interrupted run is resumed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from typing_extensions import override

from interestingness.disk import appearing

NAME = ExperimentWriter.NAME_METRICS_FILE
Row = dict[str, Any]


class MetricsFile(CSVLogger):
    """Lightning's CSV logger, except that a resumed run keeps the file instead of deleting it."""

    _before: Sequence[Row] = ()

    def go_on(self, file: Path, step: int) -> None:
        """Keep the rows of the resumed run; call this before anything is logged.

        Args:
            file: metrics of the resumed run, in this folder or another one; it may be absent.
            step: optimiser steps before the checkpoint. Rows of later steps are dropped, because
                training repeats these steps.
        """
        self._before = [row for row in read_rows(file) if int(row["step"]) < step]

    @property
    @override
    @rank_zero_experiment
    def experiment(self) -> ExperimentWriter:
        """The writer, created at the first logged value together with the rows kept so far."""
        if not isinstance(self._experiment, _Writer):
            self._experiment = _Writer(self.log_dir, self._before)
        return self._experiment


class _Writer(ExperimentWriter):
    """Appends lines; for a new column it rewrites the whole file in one step."""

    def __init__(self, log_dir: str, before: Sequence[Row]) -> None:
        super().__init__(log_dir)
        self._file = Path(self.metrics_file_path)
        self.metrics_keys = sorted({name for row in before for name in row})
        if before:
            write_rows(self._file, before, self.metrics_keys)
        else:
            self._file.unlink(missing_ok=True)

    @override
    def _check_log_dir_exists(self) -> None:
        """Do nothing: Lightning would remove the file here."""

    @override
    def save(self) -> None:
        """Write the values logged since the last call."""
        if not self.metrics:
            return
        new = {name for row in self.metrics for name in row} - set(self.metrics_keys)
        if new or not self._file.exists():
            self.metrics_keys = sorted({*self.metrics_keys, *new})
            rows = [*read_rows(self._file), *self.metrics]
            write_rows(self._file, rows, self.metrics_keys)
        else:
            with self._file.open("a", newline="", encoding="utf-8") as stream:
                csv.DictWriter(stream, self.metrics_keys).writerows(self.metrics)
        self.metrics = []


def read_rows(file: Path) -> list[Row]:
    """The rows of a metrics file, values as text, without empty cells.

    An incomplete last line, left by a killed run, is dropped; an absent file has no rows.
    """
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    rows = csv.DictReader(whole.splitlines())
    found = [{k: v for k, v in row.items() if k and isinstance(v, str) and v} for row in rows]
    return [row for row in found if row.get("step", "").isdigit()]


def write_rows(file: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write a metrics file in one step: readers never see a part of it."""
    with appearing(file) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
