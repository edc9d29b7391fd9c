"""State of a run: what it has done so far, whether it should end, how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum


class Exit(IntEnum):
    """How a run ended, for the shell; each can be run again and resumes."""

    DONE = 0
    IO = 74  # the disk is full or failing
    LATER = 75  # the server is unwell or busy, or another process has the ledger
    QUOTA = 76  # the provider's quota or credit is used up
    KEY = 77  # the key is refused
    CONFIG = 78  # the budget is reached, or the server refuses what it is sent
    GIVEN_UP = 79  # some tasks were given up, or too many in a row: their answers are no use
    INTERRUPTED = 130


class Stop:
    """The request to end a run; the first reason is kept.

    What is in flight is finished, nothing new begins.
    """

    def __init__(self) -> None:
        """Start without a request to end."""
        self.exit_code: Exit | None = None
        self.reason = ""
        self._event = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    @property
    def wanted(self) -> bool:
        """Check whether the run should end."""
        return self._event.is_set()

    def ask(self, exit_code: Exit, reason: str) -> None:
        """End the run; later reasons are dropped."""
        if not self.wanted:
            self.exit_code, self.reason = exit_code, reason
            self._event.set()
            for listener in self._listeners:
                listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this when the run should end."""
        self._listeners.append(listener)

    async def sleep(self, seconds: float) -> bool:
        """Wait, but no longer than until the run should end.

        Returns:
            True if the whole time has passed.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        return not self.wanted


@contextlib.contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """While inside: Ctrl-C or SIGTERM lets the run end in order, a second one ends it at once.

    The second loses no bookkeeping: the next run finds in the ledger what was in flight. Needs a
    running event loop in the main thread.
    """
    loop = asyncio.get_running_loop()

    def handle(name: str) -> None:
        if stop.wanted:
            print("\nstopped at once; the next run knows what was in flight", file=sys.stderr)
            sys.stderr.flush()
            os._exit(Exit.INTERRUPTED)
        print(f"\n{name}: waiting for what is in flight (again to stop at once)", file=sys.stderr)
        stop.ask(Exit.INTERRUPTED, f"stopped by {name}")

    signals = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
    for number, name in signals.items():
        loop.add_signal_handler(number, handle, name)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


@dataclass
class CallCounts:
    """Counts of one run; the engine changes them, anyone may read them.

    Attributes:
        total: tasks to be asked in this run.
        labelled: got an answer.
        refused: the model, or a filter, refuses for good.
        rejected: no usable answer in this run, by kind of the last one.
        in_doubt: an answer was lost that may have been paid for; held.
        skipped: could not be asked: a broken image, or another run asked meanwhile.
        unreachable: given up in this run after failures that cost nothing.
        sent: requests that went out.
        busy: replies with status 429.
        failed: attempts that cost nothing, because the server failed or was not reached.
        unpriced: answers that did not tell what they cost, so that the whole reserve was booked.
        spent_uusd: booked in this run, in millionths of a dollar; what is in doubt is not in it.
        models: names of the models that answered, with the number of answers.
        outage: what the last reply said if the server was away or unwell, else empty.
        problem: what the server said when it last refused or failed a request.
        cut_off_at: most tokens of an answer that reached the cap; 0: none did.
    """

    total: int = 0
    labelled: int = 0
    refused: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    in_doubt: int = 0
    skipped: int = 0
    unreachable: int = 0
    sent: int = 0
    busy: int = 0
    failed: int = 0
    unpriced: int = 0
    spent_uusd: int = 0
    models: dict[str, int] = field(default_factory=dict)
    outage: str = ""
    problem: str = ""
    cut_off_at: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def answered(self) -> int:
        """Count tasks with a parsed reply, usable or not."""
        return self.labelled + self.refused + sum(self.rejected.values())

    @property
    def finished(self) -> int:
        """Count tasks that this run has finished, with any outcome."""
        return self.answered + self.in_doubt + self.skipped + self.unreachable

    @property
    def seconds(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.began

    @property
    def rate(self) -> float:
        """Return finished tasks per second."""
        return self.finished / max(self.seconds, 1e-9)

    @property
    def to_come_uusd(self) -> int:
        """Estimate the cost of the remaining tasks from that of the finished ones."""
        rest = self.total - self.finished
        return round(self.spent_uusd / self.answered * rest) if self.answered else 0

    def reject(self, kind: str) -> None:
        """Count a task without a usable answer."""
        self.rejected[kind] = self.rejected.get(kind, 0) + 1


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes:
        tally: what was done.
        exit_code: for the shell; 0 if every task was dealt with.
        reason: why it ended early; empty if it did not.
    """

    tally: CallCounts
    exit_code: Exit
    reason: str
