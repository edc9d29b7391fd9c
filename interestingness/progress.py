"""Show progress: one updated line on a terminal, a new line now and then in a log."""

from __future__ import annotations

import sys
import time

WIDTH = 79
EVERY_S = 0.2
EVERY_S_LOG = 15.0


class ProgressLine:
    """Shows the progress of a long operation on standard error.

    Call ``line(done, total)`` or ``line(done, total, what)`` as often as you like; it writes a few
    times a second on a terminal and four times a minute into a log.
    """

    def __init__(self, what: str = "") -> None:
        """Start the clock.

        Args:
            what: shown before the numbers, unless a call says otherwise.
        """
        self.what = what
        self._began = self._shown = time.monotonic()
        self._open = False

    def __call__(self, done: int, total: int, what: str | None = None) -> None:
        """Show ``done`` of ``total`` and the seconds left, if the last line is old enough."""
        if done >= total:
            self.close()
            return
        left = (total - done) * (time.monotonic() - self._began) / max(done, 1)
        name = self.what if what is None else what
        self.write(f"{name}  {done:,} of {total:,}  {left:.0f} s left")

    def due(self) -> bool:
        """Return whether the last line is old enough for another one."""
        wait = EVERY_S if sys.stderr.isatty() else EVERY_S_LOG
        return time.monotonic() - self._shown >= wait

    def write(self, text: str) -> None:
        """Show any text, if the last line is old enough."""
        if not self.due():
            return
        self._shown = time.monotonic()
        if sys.stderr.isatty():
            print(f"\r{text[:WIDTH]:<{WIDTH}}", end="", file=sys.stderr, flush=True)
            self._open = True
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Erase the line before other output."""
        if self._open:
            print("\r" + " " * WIDTH + "\r", end="", file=sys.stderr, flush=True)
            self._open = False
