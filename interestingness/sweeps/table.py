"""One table over the jobs of a sweep: Markdown, CSV and Parquet, and rich on a terminal."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interestingness.disk import appearing
from interestingness.runs import registry
from interestingness.sweeps import names
from interestingness.sweeps.jobs import JobOutcome, SweepStatus

if TYPE_CHECKING:
    from rich.console import Console

STEM = "sweep"
STATUS_WIDTH = 20
"""Of the columns status and seconds on a terminal."""
ESTIMATE_WIDTH = 9
"""Of ``*61.2 ±3``, and of ±16 in small tests."""


@dataclass(frozen=True)
class Accuracy:
    """A reference's verdict on one job: accuracy with its 95 % interval, in [0, 1]."""

    value: float
    low: float | None = None
    high: float | None = None
    pairs: int | None = None
    learnt: bool = False


@dataclass(frozen=True)
class Row:
    """One job in the table."""

    outcome: JobOutcome
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)
    main: str | None = None
    simulated: str = ""

    @property
    def headline(self) -> float | None:
        """Accuracy against the main reference, else against the first."""
        found = self.accuracies.get(self.main or "") or next(iter(self.accuracies.values()), None)
        return None if found is None else found.value


def row_of(outcome: JobOutcome) -> Row:
    """Read a job's results; a file that is not as expected leaves the cells empty."""
    if outcome.results is None:
        return Row(outcome)
    try:
        metrics = json.loads((outcome.results / registry.METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Row(outcome)
    if not isinstance(metrics, dict):
        return Row(outcome)
    record = registry.read(outcome.results) or {}
    simulated = metrics.get("simulated") or record.get("simulated") or ""
    tested = metrics.get("test")
    tested = tested if isinstance(tested, Mapping) else metrics
    main = tested.get("main")
    return Row(
        outcome,
        dict(_accuracies(tested.get("references"))),
        main if isinstance(main, str) else None,
        simulated if isinstance(simulated, str) else "SIMULATION",
    )


def _accuracies(references: Any) -> list[tuple[str, Accuracy]]:
    if isinstance(references, Mapping):
        references = [{"name": k, **v} for k, v in references.items() if isinstance(v, Mapping)]
    found = []
    for entry in references if isinstance(references, list) else []:
        estimate = entry.get("accuracy") if isinstance(entry, Mapping) else None
        if not isinstance(estimate, Mapping):
            estimate = {"value": estimate}
        if (value := _number(estimate.get("value"))) is None:
            continue
        pairs = entry.get("pairs")
        found.append(
            (
                str(entry.get("name")),
                Accuracy(
                    value,
                    _number(estimate.get("low")),
                    _number(estimate.get("high")),
                    pairs if isinstance(pairs, int) else None,
                    bool(entry.get("learnt")),
                ),
            )
        )
    return found


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and value == value else None


def reference_names(rows: Sequence[Row]) -> list[str]:
    """Every reference that judged any job, in order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.accuracies))


def simulation(rows: Sequence[Row]) -> str:
    """The sentence that goes with simulated data if any job used them, else ""."""
    return next((row.simulated for row in rows if row.simulated), "")


def summary(rows: Sequence[Row]) -> str:
    """How many jobs there are and how they ended: "8 jobs: 7 finished, 1 failed"."""
    counts = Counter(row.outcome.status for row in rows)
    parts = [f"{counts[status]} {status}" for status in SweepStatus if counts[status]]
    return f"{len(rows)} job{'s' * (len(rows) != 1)}: {', '.join(parts)}"


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write the table; every file appears whole, so that a reader may look at any time.

    Args:
        rows: one per job.
        folder: of the sweep.
    """
    registry.write_text(folder / f"{STEM}.md", markdown(rows, folder))
    registry.write_text(folder / f"{STEM}.csv", csv_text(rows, folder))
    _write_parquet(rows, folder)


def markdown(rows: Sequence[Row], folder: Path) -> str:
    """The table as a page: accuracies with intervals, and how to look into what failed."""
    judges = reference_names(rows)
    head = ["job", "status", "s", *judges]
    lines = [f"# Sweep {folder.name}", ""]
    if sentence := simulation(rows):
        lines += [f"**{sentence}**", ""]
    lines += [
        f"{summary(rows)}. Accuracy in % on held-out pairs, with its 95 % interval over images;"
    ]
    lines += ["`*` marks the reference that the model learnt from.", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        job, cells = row.outcome.job, [_long(row.accuracies.get(name)) for name in judges]
        where = os.path.relpath(row.outcome.results or job.folder, folder)
        first = f"[{job.number} {job.name}](<{where}>)"
        lines.append(
            "| " + " | ".join([first, row.outcome.status, _seconds(row.outcome), *cells]) + " |"
        )
    for outcome in failures(rows):
        lines += ["", f"## {outcome.job.number} {outcome.job.name}: {outcome.status}", ""]
        lines += ["```", outcome.error, "```", f"Log: `{outcome.job.log}`"]
    return "\n".join(lines) + "\n"


def failures(rows: Sequence[Row]) -> list[JobOutcome]:
    """Outcomes of jobs that failed."""
    return [row.outcome for row in rows if row.outcome.status is SweepStatus.FAILED]


def records(rows: Sequence[Row], folder: Path) -> dict[str, list[Any]]:
    """The table as columns of plain values, one row per job.

    Columns: job, name, one per option that differs between jobs, status, seconds, run (folder of
    the results, relative to the sweep's), error, simulated; per reference ``accuracy.NAME`` with
    ``.low``, ``.high`` and ``.pairs``. None where there is nothing.
    """
    options = list(dict.fromkeys(key for row in rows for key in row.outcome.job.choices))
    outcomes = [row.outcome for row in rows]
    columns: dict[str, list[Any]] = {
        "job": [o.job.number for o in outcomes],
        "name": [o.job.name for o in outcomes],
        **{key: [o.job.choices.get(key) for o in outcomes] for key in options},
        "status": [str(o.status) for o in outcomes],
        "seconds": [None if o.seconds is None else round(o.seconds, 3) for o in outcomes],
        "run": [os.path.relpath(o.results or o.job.folder, folder) for o in outcomes],
        "error": [o.error or None for o in outcomes],
        "simulated": [row.simulated or None for row in rows],
    }
    for name in reference_names(rows):
        found = [row.accuracies.get(name) for row in rows]
        columns[f"accuracy.{name}"] = [a and a.value for a in found]
        for part in ("low", "high", "pairs"):
            columns[f"accuracy.{name}.{part}"] = [a and getattr(a, part) for a in found]
    return columns


def csv_text(rows: Sequence[Row], folder: Path) -> str:
    """``records`` as CSV."""
    columns = records(rows, folder)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _write_parquet(rows: Sequence[Row], folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"job": pa.int64(), "seconds": pa.float64()}

    def kind(name: str) -> Any:
        # A column that is empty so far has a type all the same.
        if name.startswith("accuracy."):
            return pa.int64() if name.endswith(".pairs") else pa.float64()
        return kinds.get(name, pa.string())

    columns = records(rows, folder)
    table = pa.table({name: pa.array(values, kind(name)) for name, values in columns.items()})
    with appearing(folder / f"{STEM}.parquet") as part:
        pq.write_table(table, part)


def show(rows: Sequence[Row], console: Console, folder: Path) -> None:
    """Print the table, in as many blocks of references as the terminal's width needs."""
    from rich.markup import escape
    from rich.table import Table

    if sentence := simulation(rows):
        console.print(sentence, style="bold", highlight=False)
    judges = reference_names(rows)
    head = ", ".join(rows[0].outcome.job.choices) if rows else ""
    labels = [_label(row.outcome) for row in rows]
    job_width = min(max(map(len, [head, *labels]), default=0), console.width // 3)
    rest = console.width - job_width - 2
    for i, block in enumerate(_blocks(judges, first=rest - STATUS_WIDTH, later=rest)):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
        table.add_column(escape(head), vertical="bottom", no_wrap=True, max_width=job_width)
        if i == 0:
            table.add_column("status", vertical="bottom", no_wrap=True)
            table.add_column("s", vertical="bottom", justify="right", no_wrap=True)
        for name in block:
            title = escape("\n".join(name.split("_")))
            table.add_column(title, vertical="bottom", justify="right")
        for row, label in zip(rows, labels, strict=True):
            cells = [row.outcome.status, _seconds(row.outcome)] if i == 0 else []
            cells += [_short(row.accuracies.get(name)) for name in block]
            table.add_row(escape(label), *cells)
        console.print(table)
    if judges:
        console.print(
            "accuracy in % on held-out pairs ± half its 95 % interval; * what was learnt",
            highlight=False,
        )
    for outcome in failures(rows):
        console.print(f"{outcome.job.number} {outcome.job.name} failed:", style="bold red")
        console.print(escape(outcome.error), highlight=False, soft_wrap=True)
        console.print(f"  log: {outcome.job.log}", highlight=False, soft_wrap=True)
    console.print(f"{summary(rows)}; {folder / STEM}.md", highlight=False, soft_wrap=True)


def _label(outcome: JobOutcome) -> str:
    """The job in the printed table, where the option's name stands in the head."""
    return f"{outcome.job.number} {names.label(outcome.job.choices)}".strip()


def _blocks(names: Sequence[str], *, first: int, later: int) -> list[list[str]]:
    """Split references so that each block's columns fit; one block even if there are none."""
    blocks: list[list[str]] = [[]]
    left = first
    for name in names:
        needs = max(ESTIMATE_WIDTH, *(len(part) for part in name.split("_"))) + 2
        if blocks[-1] and needs > left:
            blocks.append([])
            left = later
        blocks[-1].append(name)
        left -= needs
    return blocks


def percent(value: float) -> str:
    """As in a run's own table: 61.2."""
    return f"{100 * value:.1f}"


def _short(found: Accuracy | None) -> str:
    if found is None:
        return "–"
    text = ("*" if found.learnt else "") + percent(found.value)
    if found.low is None or found.high is None:
        return text
    return f"{text} ±{50 * (found.high - found.low):.0f}"


def _long(found: Accuracy | None) -> str:
    if found is None:
        return "–"
    text = percent(found.value) + ("\\*" if found.learnt else "")
    if found.low is None or found.high is None:
        return text
    return f"{text} [{percent(found.low)}, {percent(found.high)}]"


def _seconds(outcome: JobOutcome) -> str:
    return "–" if outcome.seconds is None else f"{outcome.seconds:.0f}"
