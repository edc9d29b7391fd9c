"""What a sweep shows while it runs: a line that changes, and one that stays for each ended job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live as RichLive
from rich.text import Text

from interestingness.sweeps.jobs import JobOutcome, SweepStatus, seconds_left
from interestingness.sweeps.table import Row, percent

STYLES = {SweepStatus.FINISHED: "green", SweepStatus.SKIPPED: "cyan", SweepStatus.FAILED: "red"}


class Live:
    """Shows a batch; where the output is no terminal only the lines that stay are printed."""

    def __init__(self, console: Console, outcomes: Sequence[JobOutcome], at_once: int) -> None:
        """Begin to show at ``__enter__``.

        Args:
            console: to print to.
            outcomes: of all jobs of the sweep so far.
            at_once: processes at a time.
        """
        self.console, self.outcomes, self.at_once = console, outcomes, at_once
        self._live = RichLive(console=console, transient=True, auto_refresh=False)
        self._next = 0.0

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def tick(self) -> None:
        """Renew the changing line, twice a second."""
        if self.console.is_terminal and time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.5
            self._live.update(Text(self.line(), overflow="ellipsis", no_wrap=True), refresh=True)

    def line(self) -> str:
        """The changing line: "running 3 gpt4o · 2 of 8 done · about 40 s left"."""
        running = [o.job for o in self.outcomes if o.status is SweepStatus.RUNNING]
        done = sum(o.status.ended for o in self.outcomes)
        parts = ["running " + ", ".join(f"{job.number} {job.name}" for job in running)]
        parts.append(f"{done} of {len(self.outcomes)} done")
        if (left := seconds_left(self.outcomes, self.at_once)) is not None:
            parts.append(f"about {left:.0f} s left")
        return " · ".join(reversed(parts))

    def ended(self, row: Row) -> None:
        """Print the line of a job that ended."""
        outcome = row.outcome
        done = sum(o.status.ended for o in self.outcomes)
        line = Text(f"[{done}/{len(self.outcomes)}] {outcome.job.number} {outcome.job.name}  ")
        line.append(str(outcome.status), STYLES.get(outcome.status, ""))
        if row.headline is not None:
            line.append(f"  {row.main or next(iter(row.accuracies))} {percent(row.headline)} %")
        if outcome.status is SweepStatus.FINISHED and outcome.seconds is not None:
            line.append(f"  {outcome.seconds:.0f} s")
        if outcome.error:
            line.append(f"  {outcome.error.splitlines()[0]}")
        self.console.print(line, overflow="ellipsis", no_wrap=True, highlight=False)
