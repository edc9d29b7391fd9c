"""``open_run``: the tables and numbers of a finished run or study."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from interestingness.errors import DataError
from interestingness.library.loading import load
from interestingness.library.run_tables import read_run_table
from interestingness.library.scorer import LoadedScorer
from interestingness.runs.registry import METRICS


class Run(Mapping[str, pa.Table]):
    """Tables of a run by name, read when they are asked for.

    ``run["predictions"]`` is an Arrow table; ``run["predictions"].to_pandas()`` a DataFrame where
    pandas is installed.

    Attributes:
        folder: of the run.
        metrics: what ``metrics.json`` holds.
    """

    def __init__(self, folder: Path, metrics: Mapping[str, Any]) -> None:
        """Find the tables."""
        self.folder, self.metrics = folder, metrics
        self._files = {file.stem: file for file in sorted(folder.rglob("*.parquet"))}

    def __getitem__(self, name: str) -> pa.Table:
        """Read one table.

        Raises:
            KeyError: if the run has no table of this name.
            DataError: for a damaged file.
        """
        if name not in self._files:
            raise KeyError(f"{name}: {self.folder} has {', '.join(self._files) or 'no table'}")
        return read_run_table(self._files[name])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the tables' names."""
        return iter(self._files)

    def __len__(self) -> int:
        """Return the number of tables."""
        return len(self._files)

    def __repr__(self) -> str:
        """Name the folder and the tables."""
        return f"<run {self.folder}: {', '.join(self._files) or 'no table'}>"

    def scorer(self, **options: Any) -> LoadedScorer:
        """Load its scorer; options as for ``interestingness.load``."""
        return load(self.folder, **options)


def open_run(folder: str | os.PathLike[str]) -> Run:
    """Open a run of training, or of a study.

    Args:
        folder: what the command printed: "runs/my_run".

    Raises:
        DataError: if it is no finished run.

    Example:
        >>> run = open_run("runs/my_run")  # doctest: +SKIP
        >>> list(run)  # doctest: +SKIP
        ['image_scores', 'predictions']
    """
    path = Path(folder).expanduser()
    try:
        metrics = json.loads((path / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path / METRICS}: cannot be read ({type(error).__name__})",
            expected="the folder of a finished run",
            todo="name the folder that the command printed, such as runs/my_run",
        ) from None
    return Run(path, metrics)
