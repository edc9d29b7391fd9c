"""Write one table of a sweep's jobs: Markdown, CSV and Parquet, and on the terminal."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from interestingness.disk import appear
from interestingness.reports.console import print_table
from interestingness.reports.table_files import arrow, markdown
from interestingness.runs import registry
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Cell, Column, Spread, Table
from interestingness.sweeps.jobs import SweepJob, SweepStatus

STEM = "sweep"
REPEATS = ("seed", "split.seed", "split.test", "dataset.seed", "label_source.seed")
"""Options whose values repeat the same experiment."""


def tested(job: SweepJob) -> dict[str, Any]:
    """Read the cells of a job's row: accuracies, what was learnt; {} without metrics."""
    if job.results is None:
        return {}
    try:
        metrics = json.loads((job.results / registry.METRICS).read_text(encoding="utf-8"))
        evaluated = metrics["test"]["references"] if "test" in metrics else []  # a study has none
        references = {r["name"]: r for r in evaluated}
        found = {f"accuracy.{n}": accuracy(r["accuracy"]) for n, r in references.items()}
        return {
            **{name: value for name, value in found.items() if value is not None},
            **{f"accuracy.{n}.pairs": r["pairs"] for n, r in references.items()},
            "learnt": ", ".join(n for n, r in references.items() if r["learnt"]) or None,
            "simulated": metrics["simulated"] or None,
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def accuracy(estimate: Mapping[str, float | None]) -> Interval | None:
    """Read an accuracy of ``metrics.json``, in [0, 1], with its interval if it has one."""
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None:
        return None
    if low is None or high is None:
        low = high = float("nan")
    return Interval(value, low, high, 0.95, 0)


def summary(jobs: Sequence[SweepJob]) -> str:
    """Count the jobs and how they ended: "8 jobs: 7 finished, 1 failed"."""
    counts = Counter(job.status for job in jobs)
    parts = [f"{counts[status]} {status}" for status in SweepStatus if counts[status]]
    return f"{len(jobs)} job{'s' * (len(jobs) != 1)}: {', '.join(parts)}"


def failed(jobs: Sequence[SweepJob]) -> list[SweepJob]:
    """Select the jobs that failed."""
    return [job for job in jobs if job.status is SweepStatus.FAILED]


def table_of(jobs: Sequence[SweepJob], folder: Path) -> Table:
    """Build one row per job.

    Columns: job, name, one per option that differs between jobs, status, seconds, run (folder of
    the results, relative to the sweep's), error, simulated; ``accuracy.NAME`` with its interval and
    ``accuracy.NAME.pairs`` for each reference; learnt (references whose labels were learnt).

    Args:
        jobs: in order.
        folder: of the sweep.
    """
    rows = [
        {
            **job.choices,
            "job": job.number,
            "name": job.name,
            "status": str(job.status),
            "seconds": job.seconds and round(job.seconds, 3),
            "run": os.path.relpath(job.results or job.folder, folder),
            "error": job.error or None,
            **tested(job),
        }
        for job in jobs
    ]
    options = dict.fromkeys(key for job in jobs for key in job.choices)
    references = dict.fromkeys(
        key for row in rows for key, cell in row.items() if isinstance(cell, Interval)
    )
    columns = [Column("job", "job", "count"), Column("name", "name")]
    columns += [Column(name, name) for name in (*options, "status")]
    columns += [Column("seconds", "time", "seconds")]
    columns += [Column(name, name) for name in ("run", "error", "simulated")]
    for name in references:
        title = name.removeprefix("accuracy.")
        columns += [Column(name, title, "percent"), Column(f"{name}.pairs", "pairs", "count")]
    columns += [Column("learnt", "learnt", help="the reference whose labels were learnt")]
    notes = ["accuracy in % on held-out pairs, with its 95 % interval over resampled images"]
    notes += [str(row["simulated"]) for row in rows if row.get("simulated")][:1]
    return Table(STEM, f"Sweep {folder.name}: {summary(jobs)}", columns, rows, notes)


def means_of(jobs: Sequence[SweepJob]) -> Table | None:
    """Build one row per combination of options that are no repetition; None if nothing repeats.

    Columns: one per such option, jobs, and each reference's mean ± SD over seeds, splits and folds.
    """
    done = [(job, tested(job)) for job in jobs if job.results is not None]
    repeated = [key for key in REPEATS if len({job.choices.get(key) for job, _ in done}) > 1]
    groups: dict[tuple[tuple[str, str], ...], list[dict[str, Any]]] = {}
    for job, cells in done:
        kept = tuple((key, value) for key, value in job.choices.items() if key not in REPEATS)
        groups.setdefault(kept, []).append(cells)
    if not repeated or max(map(len, groups.values()), default=0) < 2:
        return None
    names = dict.fromkeys(
        name for _, cells in done for name, cell in cells.items() if isinstance(cell, Interval)
    )
    rows: list[dict[str, Cell]] = [
        {
            **dict(kept),
            "jobs": len(members),
            **{n: Spread.of([m[n].estimate for m in members if n in m]) for n in names},
        }
        for kept, members in groups.items()
    ]
    options = dict.fromkeys(key for kept in groups for key, _ in kept)
    columns = [Column(name, name) for name in options] + [Column("jobs", "jobs", "count")]
    columns += [Column(name, name.removeprefix("accuracy."), "percent") for name in names]
    note = "SD between jobs; splits share images, so it is no interval of the mean"
    return Table("sweep_means", f"Mean ± SD over {', '.join(repeated)}", columns, rows, [note])


def readable(table: Table, *left_out: str) -> Table:
    """Build the table for people; errors are listed below it."""
    hidden = {"error", "simulated", *left_out}
    columns = [c for c in table.columns if c.name not in hidden and not c.name.endswith(".pairs")]
    return replace(table, columns=columns)


def write(jobs: Sequence[SweepJob], folder: Path) -> None:
    """Write ``sweep.md``, ``.csv`` and ``.parquet``, each atomically.

    Args:
        jobs: in order.
        folder: of the sweep.
    """
    table = table_of(jobs, folder)
    page = [markdown(readable(table, "name"))]
    if (means := means_of(jobs)) is not None:
        page.append(markdown(means))
    for job in failed(jobs):
        page.append(
            f"### {job.number} {job.name} failed\n\n```\n{job.error}\n```\n\nLog: `{job.log}`"
        )
    registry.write_text(folder / f"{STEM}.md", "\n\n".join(page) + "\n")
    flat = arrow(table)
    flat = flat.rename_columns([re.sub("_(low|high)$", r".\1", name) for name in flat.column_names])
    appear(folder / f"{STEM}.csv", partial(pacsv.write_csv, flat))
    appear(folder / f"{STEM}.parquet", partial(pq.write_table, flat))


def show(jobs: Sequence[SweepJob], folder: Path) -> None:
    """Print the table with as many of its columns as the terminal holds, and what failed."""
    table = table_of(jobs, folder)
    print_table(readable(table, "name", "run"))
    for note in table.notes:
        print(note)
    if (means := means_of(jobs)) is not None:
        print_table(means)
    for job in failed(jobs):
        print(f"{job.number} {job.name} failed:\n{job.error}\n  log: {job.log}")
    print(f"{summary(jobs)}; {folder / STEM}.md", flush=True)
