"""One place where a run learns that it should end, and why."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from enum import IntEnum


class Exit(IntEnum):
    """How a run ended, for the shell; each can be run again and goes on where it stopped."""

    DONE = 0
    IO = 74  # the disk is full or failing
    LATER = 75  # the server is unwell or busy, or another process has the ledger
    QUOTA = 76  # the provider's quota or credit is used up
    KEY = 77  # the key is refused
    CONFIG = 78  # the budget is reached, or the server refuses what it is sent
    INTERRUPTED = 130


class Stop:
    """Asked once; the first reason is kept. What is in flight is finished, nothing new begins."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.exit_code: Exit | None = None
        self.reason = ""
        self._event = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    @property
    def wanted(self) -> bool:
        """Whether the run should end."""
        return self._event.is_set()

    def ask(self, exit_code: Exit, reason: str) -> None:
        """End the run; later reasons are dropped."""
        if not self.wanted:
            self.exit_code, self.reason = exit_code, reason
            self._event.set()
            for listener in self._listeners:
                listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this when somebody asks."""
        self._listeners.append(listener)

    async def sleep(self, seconds: float) -> bool:
        """Wait, but no longer than until somebody asks.

        Returns:
            Whether the whole time has passed.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        return not self.wanted


@contextlib.contextmanager
def on_signals(stop: Stop) -> Iterator[None]:
    """While inside: Ctrl-C or SIGTERM lets the run end in order, a second one ends it at once.

    At once loses no bookkeeping: what was in flight is found open in the ledger by the next run.
    Needs a running event loop in the main thread.
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
