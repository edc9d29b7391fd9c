"""Jobs as processes: started, watched, timed out, stopped. Knows nothing of Hydra or of tables."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from interestingness.runs import registry

LOG = "job.log"
GRACE_S = 10.0
"""Seconds that a job has for its own goodbye before it is killed."""

_POLL_S = 0.05
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class SweepStatus(StrEnum):
    """How far a job has come."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    SKIPPED = "skipped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self not in {SweepStatus.WAITING, SweepStatus.RUNNING}


@dataclass(frozen=True)
class SweepJob:
    """One process of a sweep.

    Attributes:
        number: place in the sweep, from 0.
        name: short, from what differs between jobs.
        choices: what differs between jobs, by option.
        command: program and arguments.
        folder: the job's run folder.
    """

    number: int
    name: str
    choices: Mapping[str, str]
    command: tuple[str, ...]
    folder: Path

    @property
    def log(self) -> Path:
        """Where the job's output goes."""
        return self.folder / LOG


@dataclass
class JobOutcome:
    """What became of a job.

    Attributes:
        error: last lines of a failed job, or "".
        results: folder with the metrics: the job's own, or that of the finished run it repeats.
        seconds: wall time of the process; None before it ran.
    """

    job: SweepJob
    status: SweepStatus = SweepStatus.WAITING
    error: str = ""
    results: Path | None = None
    seconds: float | None = None


@dataclass
class _Running:
    outcome: JobOutcome
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)


def run(
    outcomes: Sequence[JobOutcome],
    *,
    at_once: int,
    timeout_s: float | None,
    environment: Mapping[str, str],
    ended: Callable[[JobOutcome], None],
    tick: Callable[[], None] = lambda: None,
) -> bool:
    """Run waiting jobs to their ends; one that fails or is killed does not stop the others.

    Args:
        outcomes: one for each job; changed in place.
        at_once: processes at a time.
        timeout_s: seconds after which a job is stopped and counts as failed; None for no limit.
        environment: of the processes; each has its name in ``WANDB_JOB_NAME`` besides.
        ended: called after each job that ended.
        tick: called some times a second.

    Returns:
        Whether Ctrl-C or SIGTERM ended it: children are stopped then, and all jobs without an end
        are "interrupted".
    """
    waiting = [o for o in outcomes if o.status is SweepStatus.WAITING]
    running: list[_Running] = []
    with _interruptions() as interrupted:
        while (waiting or running) and not interrupted:
            while waiting and len(running) < at_once:
                outcome = waiting.pop(0)
                if (begun := _start(outcome, environment)) is not None:
                    running.append(begun)
                else:
                    ended(outcome)
            for entry in list(running):
                if _over(entry, timeout_s):
                    running.remove(entry)
                    ended(entry.outcome)
            tick()
            time.sleep(_POLL_S)
        _stop([entry.process for entry in running], interrupted)
    for entry in running:
        entry.outcome.seconds = time.monotonic() - entry.began
        _give_up(entry.outcome, SweepStatus.INTERRUPTED, "interrupted")
    for outcome in waiting:
        outcome.status, outcome.error = SweepStatus.INTERRUPTED, "never started"
    return bool(interrupted)


def seconds_left(outcomes: Sequence[JobOutcome], at_once: int) -> float | None:
    """Estimate from the jobs that finished so far; None while none has."""
    took = [
        o.seconds for o in outcomes if o.status is SweepStatus.FINISHED and o.seconds is not None
    ]
    if not took:
        return None
    mean = sum(took) / len(took)
    left = [max(0.0, mean - (o.seconds or 0.0)) for o in outcomes if not o.status.ended]
    return sum(left) / max(1, min(at_once, len(left)))


def last_lines(log: Path, *, most: int = 6) -> str:
    """The end of a log: from the last line that begins with "error:", else the last lines."""
    try:
        raw = log.read_bytes()[-20_000:].decode(errors="replace")
    except OSError:
        return ""
    # A progress bar writes many states of one line, parted by carriage returns.
    lines = [_ANSI.sub("", line.rstrip("\r").rsplit("\r", 1)[-1]) for line in raw.split("\n")]
    lines = [line.rstrip() for line in lines if line.strip()]
    begins = [i for i, line in enumerate(lines) if line.startswith("error:")]
    return "\n".join(lines[begins[-1] :][:most] if begins else lines[-most:])


def _start(outcome: JobOutcome, environment: Mapping[str, str]) -> _Running | None:
    job = outcome.job
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
        with job.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the sweep alone, which then decides; and the
            # ranks that a job starts can be stopped with it.
            process = subprocess.Popen(
                job.command,
                stdin=subprocess.PIPE,  # its end tells the job that we are gone
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment, "WANDB_JOB_NAME": job.name},
                start_new_session=True,
            )
    except OSError as error:
        outcome.status, outcome.error = SweepStatus.FAILED, str(error)
        return None
    outcome.status = SweepStatus.RUNNING
    return _Running(outcome, process)


def _over(entry: _Running, timeout_s: float | None) -> bool:
    """Whether the job has ended, by itself or by its time limit; if so its outcome is filled in."""
    outcome, seconds = entry.outcome, time.monotonic() - entry.began
    outcome.seconds = seconds
    if entry.process.poll() is None:
        if timeout_s is None or seconds < timeout_s:
            return False
        _stop([entry.process], [])
        _give_up(outcome, SweepStatus.FAILED, f"stopped after timeout_s={timeout_s:g} seconds")
        return True
    _let_go(entry.process)
    _conclude(outcome, entry.process.returncode)
    if outcome.status is SweepStatus.FAILED:
        # A killed rank 0 leaves its other ranks behind.
        _signal(entry.process, signal.SIGKILL)
    return True


def _conclude(outcome: JobOutcome, code: int) -> None:
    folder = outcome.job.folder
    record = registry.read(folder) or {}
    if code == 0 and record.get("status") == "skipped":
        outcome.status, outcome.results = SweepStatus.SKIPPED, Path(str(record.get("of")))
        return
    if code == 0 and (folder / registry.METRICS).is_file():
        outcome.status, outcome.results = SweepStatus.FINISHED, folder
        return
    tail = last_lines(outcome.job.log) or str(record.get("error") or "")
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        error = f"killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    elif code == 0:
        error = f"ended without {registry.METRICS}\n{tail}".rstrip()
    else:
        error = tail or f"exit status {code}"
    _give_up(outcome, SweepStatus.FAILED, error)


def _give_up(outcome: JobOutcome, status: SweepStatus, error: str) -> None:
    """Note how it ended, in the run's folder too if the job could not do so itself."""
    outcome.status, outcome.error = status, error
    if (registry.read(outcome.job.folder) or {}).get("status") in {None, "running"}:
        with contextlib.suppress(OSError):  # the sweep's table has it
            registry.fail(outcome.job.folder, error)


def _stop(processes: Sequence[subprocess.Popen[bytes]], interrupted: list[int]) -> None:
    """Interrupt whole process groups, then terminate, then kill; a second Ctrl-C kills at once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        for process in processes:
            _signal(process, number)
        until = time.monotonic() + GRACE_S
        while any(p.poll() is None for p in processes):
            if time.monotonic() > until or len(interrupted) > 1:
                break
            time.sleep(_POLL_S)
    for process in processes:
        _signal(process, signal.SIGKILL)
        process.wait()
        _let_go(process)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


@contextlib.contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM (a scheduler's goodbye) instead of dying of them.

    An exception in the middle of starting a process would lose that process.
    """
    received: list[int] = []
    before = {}
    # Only the main thread receives signals; elsewhere the caller stops us in its own way.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda got, _: received.append(got))
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
