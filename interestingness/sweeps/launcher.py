"""Hydra's side of a sweep: from overrides to commands, from ended processes to job returns."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, filter_overrides, setup_globals
from hydra.experimental.callback import Callback
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from typing_extensions import override

from interestingness.disk import disk_error
from interestingness.errors import InterestingnessError
from interestingness.runs.environment import finding_us
from interestingness.sweeps import jobs, names, table
from interestingness.sweeps.jobs import JobOutcome, SweepJob, SweepStatus
from interestingness.sweeps.live import Live

DOORS = {"train": "train", "evaluate": "evaluate", "study": "evaluate"}
"""Config → command that composes it."""
BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
# What the sweep itself is told; a job must not sweep in its turn.
SWEEP_ONLY = (
    "hydra.mode",
    "hydra.sweep.",
    "hydra.sweeper",
    "hydra.launcher",
    "hydra/sweeper",
    "hydra/launcher",
    "hydra.run.dir",
)

Command = Callable[[Sequence[str]], Sequence[str]]


class JobFailed(InterestingnessError):
    """A job of a sweep failed."""


class Sweep:
    """All jobs of one multirun, over as many batches as the sweeper makes."""

    def __init__(
        self,
        context: HydraContext,
        config: DictConfig,
        *,
        at_once: int,
        timeout_s: float | None,
        command: Command | None = None,
    ) -> None:
        """Keep what launching needs, and ask Hydra to be told of the sweep's end.

        Args:
            context: Hydra's.
            config: of the sweep, ``hydra`` included.
            at_once: processes at a time.
            timeout_s: seconds that a job may take; None for no limit.
            command: from a job's overrides to its program and arguments; None trains.
        """
        if at_once < 1:
            raise InterestingnessError(
                f"hydra.launcher.jobs={at_once}", expected="one process at a time or more"
            )
        self.config = config
        self.at_once, self.timeout_s = at_once, timeout_s
        self.folder = Path(str(config.hydra.sweep.dir))
        self.command = command or job_command(config)
        self.outcomes: list[JobOutcome] = []
        context.callbacks.callbacks.append(_End(self))

    def launch(self, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Run one batch of jobs to their ends.

        Args:
            overrides: of each job.
            first: number of the first job.

        Returns:
            One per job, in order; the value is the accuracy against the main reference (for
            sweepers that maximise something), None if there is none.

        Raises:
            SystemExit: 130 if Ctrl-C or SIGTERM ended it, after the table was written; 2 if the
                sweep's folder cannot be written.
        """
        try:
            return self._launch(overrides, first)
        except OSError as error:
            if (told := disk_error(error, [self.folder])) is None:
                raise
            print(f"error: {told}", file=sys.stderr)
            raise SystemExit(told.exit_code) from None

    def _launch(self, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        from rich.console import Console

        setup_globals()
        console = Console()
        self.folder.mkdir(parents=True, exist_ok=True)
        batch = self._outcomes(overrides, first)
        if not self.outcomes:
            console.print(f"jobs log to {self.folder}", highlight=False, soft_wrap=True)
        self.outcomes += batch
        with Live(console, self.outcomes, self.at_once) as live:

            def ended(outcome: JobOutcome) -> None:
                with contextlib.suppress(OSError):  # others still run; at the end it is an error
                    table.write(self._rows(), self.folder)
                live.ended(table.row_of(outcome))

            interrupted = jobs.run(
                batch,
                at_once=self.at_once,
                timeout_s=self.timeout_s,
                environment=environment(self.folder.name, self.at_once),
                ended=ended,
                tick=live.tick,
            )
        table.write(self._rows(), self.folder)
        if interrupted:
            table.show(self._rows(), console, self.folder)
            raise SystemExit(130)
        return [self._return(job, outcome) for job, outcome in zip(overrides, batch, strict=True)]

    def conclude(self) -> None:
        """Print the table of all batches.

        Raises:
            SystemExit: 1 if any job failed.
        """
        from rich.console import Console

        rows = self._rows()
        table.show(rows, Console(), self.folder)
        if table.failures(rows):
            raise SystemExit(1)

    def _rows(self) -> list[table.Row]:
        return [table.row_of(outcome) for outcome in self.outcomes]

    def _outcomes(self, overrides: Sequence[Sequence[str]], first: int) -> list[JobOutcome]:
        found = []
        command_line = list(self.config.hydra.overrides.task)
        for i, job in enumerate(overrides, start=first):
            choice = names.choices(filter_overrides(job), command_line)
            name = names.short_name(choice)
            folder = self.folder / f"{i:03d}_{name}"
            arguments = [
                *(o for o in job if not o.lstrip("+~").startswith(SWEEP_ONLY)),
                "hydra.mode=RUN",
                f"hydra.run.dir={quoted(str(folder))}",
                f"hydra.job.num={i}",
                f"hydra.job.id={i}",
            ]
            found.append(
                JobOutcome(SweepJob(i, name, choice, tuple(self.command(arguments)), folder))
            )
        return found

    def _return(self, overrides: Sequence[str], outcome: JobOutcome) -> JobReturn:
        made = JobReturn(overrides=list(overrides), working_dir=str(Path.cwd()))
        # The basic sweeper stops at the first job that failed; others have their own rules.
        tolerant = str(OmegaConf.select(self.config, "hydra.sweeper._target_")) == BASIC_SWEEPER
        if outcome.status is SweepStatus.FAILED and not tolerant:
            made.status = JobStatus.FAILED
            made.return_value = JobFailed(outcome.error, todo=f"see {outcome.job.log}")
        else:
            made.status = JobStatus.COMPLETED
            made.return_value = table.row_of(outcome).headline
        return made


class _End(Callback):
    """The one place that every sweeper passes when all batches are done."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep

    @override
    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        self.sweep.conclude()


def job_command(config: DictConfig) -> Command:
    """How a job is started: this interpreter, this package, this sweep's configuration folders."""
    name = str(config.hydra.job.config_name)
    before = [sys.executable, "-m", "interestingness", "_job", DOORS.get(name, "train")]
    if name not in DOORS:
        before += ["--config-name", name]
    for source in config.hydra.runtime.config_sources:
        if source.schema == "file" and source.provider in {"main", "command-line"}:
            flag = "--config-path" if source.provider == "main" else "--config-dir"
            before += [flag, str(source.path)]
    if "skip_finished" in config:
        before.append("skip_finished=true")
    before += [o for o in config.hydra.overrides.hydra if not o.startswith(SWEEP_ONLY)]
    return lambda arguments: [*before, *arguments]


def environment(sweep: str, at_once: int) -> dict[str, str]:
    """Environment of the jobs: this one, and what a user may set to have it otherwise."""
    found = dict(os.environ)
    found.setdefault("WANDB_RUN_GROUP", sweep)
    found["PYTHONUNBUFFERED"] = "1"
    if at_once > 1:
        # Processes that each take every core slow each other down.
        found.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // at_once)))
    return finding_us(found)


def quoted(value: str) -> str:
    """A value that Hydra's grammar reads back as this very text."""
    escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value)
    return f"'{escaped}'"
