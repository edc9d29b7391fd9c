"""One table over the jobs of a sweep: Markdown, CSV and Parquet, and on the terminal."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from interestingness.disk import appear
from interestingness.reports.study import print_study_table
from interestingness.reports.table_files import markdown
from interestingness.runs import registry
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Column, Table
from interestingness.sweeps.jobs import SweepJob, SweepStatus
from interestingness.sweeps.names import last_part

STEM = "sweep"


def tested(job: SweepJob) -> dict[str, Any]:
    """What a job's metrics say of its test pairs; {} where there are none that can be read."""
    if job.results is None:
        return {}
    try:
        metrics = json.loads((job.results / registry.METRICS).read_text(encoding="utf-8"))
        found = metrics["test"]
        accuracies = {r["name"]: accuracy(r["accuracy"]) for r in found["references"]}
        return {
            "simulated": metrics["simulated"],
            "main": found["main"],
            "accuracies": {name: a for name, a in accuracies.items() if a is not None},
            "pairs": {r["name"]: r["pairs"] for r in found["references"]},
            "learnt": ", ".join(r["name"] for r in found["references"] if r["learnt"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def accuracy(estimate: Mapping[str, float | None]) -> Interval | None:
    """An accuracy of ``metrics.json``, in [0, 1], with its interval if it has one."""
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None:
        return None
    if low is None or high is None:
        low = high = float("nan")
    return Interval(value, low, high, 0.95, 0)


def headline(job: SweepJob) -> float | None:
    """Accuracy against the main reference, else against the first; None if there is none."""
    found = tested(job)
    accuracies = found.get("accuracies", {})
    best = accuracies.get(found.get("main")) or next(iter(accuracies.values()), None)
    return None if best is None else float(best.estimate)


def summary(jobs: Sequence[SweepJob]) -> str:
    """How many jobs there are and how they ended: "8 jobs: 7 finished, 1 failed"."""
    counts = Counter(job.status for job in jobs)
    parts = [f"{counts[status]} {status}" for status in SweepStatus if counts[status]]
    return f"{len(jobs)} job{'s' * (len(jobs) != 1)}: {', '.join(parts)}"


def failed(jobs: Sequence[SweepJob]) -> list[SweepJob]:
    """Those that failed."""
    return [job for job in jobs if job.status is SweepStatus.FAILED]


def readable(jobs: Sequence[SweepJob], folder: Path) -> Table:
    """The table for people.

    Args:
        jobs: in order.
        folder: of the sweep.
    """
    found = [tested(job) for job in jobs]
    references = dict.fromkeys(name for result in found for name in result.get("accuracies", {}))
    options = ", ".join(jobs[0].choices) if jobs else ""
    simulated = next((str(r["simulated"]) for r in found if r.get("simulated")), None)
    return Table(
        STEM,
        f"Sweep {folder.name}: {summary(jobs)}",
        [
            Column("job", options or "job"),
            Column("status", "status"),
            Column("seconds", "s", "count"),
            *(Column(name, name, "percent") for name in references),
            Column("learnt", "learnt", help="the reference whose labels were learnt"),
            Column("run", "run"),
        ],
        [
            {
                "job": f"{job.number} {', '.join(map(last_part, job.choices.values()))}".strip(),
                "status": str(job.status),
                "seconds": None if job.seconds is None else round(job.seconds),
                **result.get("accuracies", {}),
                "learnt": result.get("learnt"),
                "run": os.path.relpath(job.results or job.folder, folder),
            }
            for job, result in zip(jobs, found, strict=True)
        ],
        [
            "accuracy in % on held-out pairs, with its 95 % interval over resampled images",
            *filter(None, [simulated]),
        ],
    )


def records(jobs: Sequence[SweepJob], folder: Path) -> pa.Table:
    """The table for machines, one row per job.

    Columns: job, name, one per option that differs between jobs, status, seconds, run (folder of
    the results, relative to the sweep's), error, simulated; per reference ``accuracy.NAME`` with
    ``.low``, ``.high`` and ``.pairs``. Null where there is nothing.
    """
    found = [tested(job) for job in jobs]
    options = list(dict.fromkeys(key for job in jobs for key in job.choices))
    where = [os.path.relpath(job.results or job.folder, folder) for job in jobs]
    text, real, count = pa.string(), pa.float64(), pa.int64()
    columns: dict[str, pa.Array] = {
        "job": pa.array([job.number for job in jobs], count),
        "name": pa.array([job.name for job in jobs], text),
        **{key: pa.array([job.choices.get(key) for job in jobs], text) for key in options},
        "status": pa.array([str(job.status) for job in jobs], text),
        "seconds": pa.array([job.seconds and round(job.seconds, 3) for job in jobs], real),
        "run": pa.array(where, text),
        "error": pa.array([job.error or None for job in jobs], text),
        "simulated": pa.array([result.get("simulated") or None for result in found], text),
    }
    for name in dict.fromkeys(name for r in found for name in r.get("accuracies", {})):
        cells = [result.get("accuracies", {}).get(name) for result in found]
        pairs = [
            result["pairs"][name] if cell else None
            for result, cell in zip(found, cells, strict=True)
        ]
        for end, part in (("", "estimate"), (".low", "low"), (".high", "high")):
            values = [cell and getattr(cell, part) for cell in cells]
            columns[f"accuracy.{name}{end}"] = pa.array(values, real, from_pandas=True)
        columns[f"accuracy.{name}.pairs"] = pa.array(pairs, count)
    return pa.table(columns)


def write(jobs: Sequence[SweepJob], folder: Path) -> None:
    """Write ``sweep.md``, ``.csv`` and ``.parquet``; each appears whole, to be read at any time.

    Args:
        jobs: in order.
        folder: of the sweep.
    """
    page = [markdown(readable(jobs, folder))]
    for job in failed(jobs):
        page += [
            f"### {job.number} {job.name} failed",
            f"```\n{job.error}\n```",
            f"Log: `{job.log}`",
        ]
    registry.write_text(folder / f"{STEM}.md", "\n\n".join(page) + "\n")
    flat = records(jobs, folder)
    appear(folder / f"{STEM}.csv", partial(pacsv.write_csv, flat))
    appear(folder / f"{STEM}.parquet", partial(pq.write_table, flat))


def show(jobs: Sequence[SweepJob], folder: Path) -> None:
    """Print the table with as many of its columns as the terminal holds, and what failed."""
    table = readable(jobs, folder)
    columns = [column for column in table.columns if column.name != "run"]
    print_study_table(replace(table, columns=columns))
    for note in table.notes:
        print(note)
    for job in failed(jobs):
        print(f"{job.number} {job.name} failed:\n{job.error}\n  log: {job.log}")
    print(f"{summary(jobs)}; {folder / STEM}.md", flush=True)
