"""Hydra's side of a sweep: from overrides to commands, from ended processes to job returns."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, filter_overrides, setup_globals
from hydra.experimental.callback import Callback
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf
from typing_extensions import override

from interestingness.disk import disk_error
from interestingness.errors import InterestingnessError
from interestingness.number_text import percent
from interestingness.progress import ProgressLine
from interestingness.runs import registry
from interestingness.runs.job import job_command, job_environment, run_folder
from interestingness.sweeps import jobs, names
from interestingness.sweeps.jobs import SweepJob, SweepStatus

BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


class JobFailed(InterestingnessError):
    """A job of a sweep failed."""


class Sweep(Callback):
    """All jobs of one multirun, over as many batches as the sweeper makes."""

    def __init__(
        self, context: HydraContext, config: DictConfig, *, at_once: int, timeout_s: float | None
    ) -> None:
        """Keep what launching needs, and register a callback for the end of the sweep.

        Args:
            context: Hydra's.
            config: of the sweep, ``hydra`` included.
            at_once: processes at a time.
            timeout_s: seconds that a job may take; None for no limit.
        """
        if at_once < 1:
            raise InterestingnessError(
                f"hydra.launcher.jobs={at_once}", expected="one process at a time or more"
            )
        self.config, self.at_once, self.timeout_s = config, at_once, timeout_s
        self.folder = Path(str(config.hydra.sweep.dir))
        self.jobs: list[SweepJob] = []
        self._line = ProgressLine()
        context.callbacks.callbacks.append(self)

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
        from interestingness.sweeps import table

        setup_globals()
        batch = [self.job(given, number) for number, given in enumerate(overrides, start=first)]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self.jobs:
                print(f"jobs log to {self.folder}", flush=True)
            self.jobs += batch
            interrupted = jobs.run(
                batch,
                at_once=self.at_once,
                timeout_s=self.timeout_s,
                environment=job_environment(
                    {"WANDB_RUN_GROUP": self.folder.name, **os.environ}, processes=self.at_once
                ),
                ended=self.ended,
                going=self.going,
            )
            table.write(self.jobs, self.folder)
        except OSError as error:
            if (told := disk_error(error, [self.folder])) is None:
                raise
            print(f"error: {told}", file=sys.stderr)
            raise SystemExit(told.exit_code) from None
        if interrupted:
            table.show(self.jobs, self.folder)
            raise SystemExit(130)
        return [self._return(given, job) for given, job in zip(overrides, batch, strict=True)]

    def job(self, overrides: Sequence[str], number: int) -> SweepJob:
        """Make a job of the sweep, with its own folder; finished ones are skipped by default."""
        choices = names.choices(filter_overrides(overrides), list(self.config.hydra.overrides.task))
        name = names.short_name(choices)
        folder = self.folder / f"{number:03d}_{name}"
        given = [*(["skip_finished=true"] if "skip_finished" in self.config else []), *overrides]
        command = [
            *job_command(self.config.hydra, given),
            run_folder(folder),
            f"hydra.job.num={number}",
            f"hydra.job.id={number}",
        ]
        return SweepJob(number, name, choices, command, folder)

    def ended(self, job: SweepJob) -> None:
        """Write the table and print a line on what ended and what remains."""
        from interestingness.sweeps import table

        self._line.close()
        with contextlib.suppress(OSError):  # others still run; at the end it is an error
            table.write(self.jobs, self.folder)
        open_ = {SweepStatus.WAITING, SweepStatus.RUNNING}
        left = sum(other.status in open_ for other in self.jobs)
        line = f"[{len(self.jobs) - left}/{len(self.jobs)}] {job.number} {job.name}  {job.status}"
        if (accuracy := result(job)) is not None:
            line += f"  {percent(accuracy)}"
        if job.error:
            line += f"  {job.error.splitlines()[0]}"
        took = [j.seconds for j in self.jobs if j.status is SweepStatus.FINISHED and j.seconds]
        if left and took:
            line += f"; about {sum(took) / len(took) * left / self.at_once:.0f} s left"
        print(line, flush=True)

    def going(self, running: Sequence[SweepJob]) -> None:
        """Show how far the running jobs are, by the last lines of their logs."""
        if not self._line.due():
            return
        said = [(job, jobs.last_lines(job.log, most=1).strip()) for job in running]
        self._line.write("; ".join(f"{job.number} {job.name}: {line}" for job, line in said))

    @override
    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table of all batches: the one place that every sweeper passes at its end.

        Raises:
            SystemExit: 1 if any job failed.
        """
        from interestingness.sweeps import table

        table.show(self.jobs, self.folder)
        if table.failed(self.jobs):
            raise SystemExit(1)

    def _return(self, overrides: Sequence[str], job: SweepJob) -> JobReturn:
        made = JobReturn(overrides=list(overrides), working_dir=str(Path.cwd()))
        # The basic sweeper stops at the first job that failed; others have their own rules.
        tolerant = str(OmegaConf.select(self.config, "hydra.sweeper._target_")) == BASIC_SWEEPER
        if job.status is SweepStatus.FAILED and not tolerant:
            made.status = JobStatus.FAILED
            made.return_value = JobFailed(job.error, todo=f"see {job.log}")
        else:
            made.status = JobStatus.COMPLETED
            made.return_value = result(job)
        return made


def result(job: SweepJob) -> float | None:
    """Return a job's accuracy against its main reference; None if it has none."""
    try:
        accuracy = registry.result(job.results)["accuracy"] if job.results else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if accuracy is None else float(accuracy)
