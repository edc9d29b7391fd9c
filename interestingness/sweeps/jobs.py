"""Start, time out and stop jobs as processes. Hydra and tables are not known here."""

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
GRACE_S = 20.0
"""Seconds that a job has to end after Ctrl-C before it is killed."""

_POLL_S = 0.05
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class SweepStatus(StrEnum):
    """State of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    SKIPPED = "skipped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(eq=False)
class SweepJob:
    """One process of a sweep, and how it ended.

    Attributes:
        number: place in the sweep, from 0.
        name: short, from what differs between jobs.
        choices: what differs between jobs, by option.
        command: program and arguments.
        folder: the job's run folder; its output is in ``job.log`` there.
        error: last lines of a failed job, or "".
        results: folder with the metrics: the job's own, or that of the finished run it repeats.
        seconds: wall time of the process; None before it ran.
    """

    number: int
    name: str
    choices: Mapping[str, str]
    command: Sequence[str]
    folder: Path
    status: SweepStatus = SweepStatus.WAITING
    error: str = ""
    results: Path | None = None
    seconds: float | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _began: float = field(default=0.0, repr=False)

    @property
    def log(self) -> Path:
        """Return the file of the job's output."""
        return self.folder / LOG

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the process; one that cannot be started has failed."""
        self._began = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**environment, "WANDB_JOB_NAME": self.name},
                    start_new_session=True,  # Ctrl-C reaches the sweep alone, which then decides
                )
        except OSError as error:
            self.status, self.error = SweepStatus.FAILED, str(error)
        else:
            self.status = SweepStatus.RUNNING

    def poll(self, timeout_s: float | None) -> bool:
        """Check whether the process has ended or timed out; if so, fill in the results."""
        if self._process is None:
            return True
        self.seconds = time.monotonic() - self._began
        if (code := self._process.poll()) is not None:
            self.kill()  # kills what is left of its group
            self._conclude(code)
        elif timeout_s is not None and self.seconds > timeout_s:
            stop([self], [])
            self._give_up(SweepStatus.FAILED, f"stopped after timeout_s={timeout_s:g} seconds")
        else:
            return False
        return True

    def interrupt(self) -> None:
        """Note that the sweep was interrupted before this job ended."""
        if self._process is None:
            self.status, self.error = SweepStatus.INTERRUPTED, "never started"
        else:
            self._give_up(SweepStatus.INTERRUPTED, "interrupted")

    @property
    def alive(self) -> bool:
        """Check whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its data workers."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill the process and its group, and wait for it."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _conclude(self, code: int) -> None:
        record = registry.read(self.folder) or {}
        if code == 0 and record.get("status") == "skipped":
            self.status, self.results = SweepStatus.SKIPPED, Path(str(record.get("of")))
        elif code == 0 and (self.folder / registry.METRICS).is_file():
            self.status, self.results = SweepStatus.FINISHED, self.folder
        elif code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            hint = " (out of memory?)" if name == "SIGKILL" else ""
            self._give_up(SweepStatus.FAILED, f"killed by {name}{hint}")
        else:
            said = last_lines(self.log) or str(record.get("error") or f"exit status {code}")
            missing = f"ended without {registry.METRICS}\n" if code == 0 else ""
            self._give_up(SweepStatus.FAILED, f"{missing}{said}")

    def _give_up(self, status: SweepStatus, error: str) -> None:
        """Record how it ended, in the run's folder too if the job could not do so itself."""
        self.status, self.error = status, error
        if (registry.read(self.folder) or {}).get("status") in {None, "running"}:
            with contextlib.suppress(OSError):  # the sweep's table has it
                if status is SweepStatus.INTERRUPTED:
                    registry.stop(self.folder)
                else:
                    registry.fail(self.folder, error)


def run(
    jobs: Sequence[SweepJob],
    *,
    at_once: int,
    timeout_s: float | None,
    environment: Mapping[str, str],
    ended: Callable[[SweepJob], None],
    going: Callable[[Sequence[SweepJob]], None] = lambda _: None,
) -> bool:
    """Run jobs to their ends; one that fails or is killed does not stop the others.

    Args:
        jobs: changed in place.
        at_once: processes at a time.
        timeout_s: seconds after which a job is stopped and counts as failed; None for no limit.
        environment: of the processes; each has its name in ``WANDB_JOB_NAME`` besides.
        ended: called after each job that ended.
        going: called many times a second with the jobs that run.

    Returns:
        Whether Ctrl-C or SIGTERM ended it: processes are stopped then, and all unfinished jobs
        are "interrupted".
    """
    waiting, running = list(jobs), list[SweepJob]()
    with _interruptions() as received:
        while (waiting or running) and not received:
            while waiting and len(running) < at_once:
                running.append(waiting.pop(0))
                running[-1].start(environment)
            for job in [job for job in running if job.poll(timeout_s)]:
                running.remove(job)
                ended(job)
            going(running)
            time.sleep(_POLL_S)
        stop(running, received)
    for job in running + waiting:
        job.interrupt()
    return bool(received)


def stop(jobs: Sequence[SweepJob], received: Sequence[int]) -> None:
    """Interrupt jobs, and kill those that do not end, or all at a second Ctrl-C."""
    for job in jobs:
        job.signal(signal.SIGINT)
    until = time.monotonic() + GRACE_S
    while any(job.alive for job in jobs) and time.monotonic() < until and len(received) < 2:
        time.sleep(_POLL_S)
    for job in jobs:
        job.kill()


def last_lines(log: Path, *, most: int = 6) -> str:
    """Read the end of a log: from the last line that begins with "error:", else the last lines."""
    try:
        raw = log.read_bytes()[-20_000:].decode(errors="replace")
    except OSError:
        return ""
    # A progress bar writes many states of one line, parted by carriage returns.
    lines = [_ANSI.sub("", line.rstrip("\r").rsplit("\r", 1)[-1]) for line in raw.split("\n")]
    lines = [line.rstrip() for line in lines if line.strip()]
    begins = [i for i, line in enumerate(lines) if line.startswith("error:")]
    return "\n".join(lines[begins[-1] :][:most] if begins else lines[-most:])


@contextlib.contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Collect Ctrl-C and SIGTERM: an exception while a process starts would lose that process."""
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
