"""Limit the requests at a time and the time of the next one, for all workers together."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping

from interestingness.annotators.engine.run_state import Stop
from interestingness.http_waits import backoff, read_duration

JITTER = 0.25
"""After a pause each waiter adds up to this share of it, so that they do not all leave at once."""

FAILURES_UNTIL_PROBING = 3

KEPT_BACK = 0.15
"""Share of the provider's limit that is used slowly, at the speed at which it fills again."""


class Pacer:
    """Additive increase, multiplicative decrease; a 429 pauses everybody.

    A worker calls `enter` before it reserves and `place` before it sends. A quarter more may be
    inside than have places, so that committing to disk does not keep places empty; and no more than
    that, since whatever is inside is in doubt if the process is killed.

    Many requests are out when a server has a bad moment, and they all fail. That is one event:
    tickets tell which requests left before the pacer learnt of it.

    Time is monotonic: a clock that is set while a run waits changes nothing.
    """

    def __init__(
        self,
        limit: int,
        stop: Stop,
        *,
        rng: random.Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without a pause, at full width.

        Args:
            limit: the most requests at a time, at least 1.
            stop: ends all waiting.
            rng: where jitter comes from.
            clock: seconds that never go back.
        """
        self.limit = limit
        self.width = float(limit)
        self.inside = self.out = 0
        self._stop, self._rng, self._clock = stop, rng, clock
        self._changed = asyncio.Event()
        self._resumes_at = self._spread = 0.0
        self._pauses = self._epoch = self._busy_in_a_row = self._failed_in_a_row = 0
        self._next_at = self._spacing = 0.0
        stop.listen(self._wake)

    @property
    def paused_for(self) -> float:
        """Return the seconds until requests may leave again; 0 if they may."""
        return max(self._resumes_at - self._clock(), 0.0)

    async def enter(self) -> bool:
        """Wait until one may reserve; the caller calls `leave` afterwards.

        Returns:
            False if the run should end.
        """
        pause, mine = -1, 0.0
        while not self._stop.wanted:
            if pause != self._pauses:
                pause = self._pauses
                mine = self._resumes_at + self._rng.uniform(0.0, self._spread)
            wait = mine - self._clock()
            if wait <= 0.0 and self.inside < self._places + self._places // 4:
                self.inside += 1
                return True
            await self._until_changed(wait if wait > 0.0 else None)
        return False

    async def place(self) -> int | None:
        """Wait until one may send; the caller calls `vacate` afterwards.

        Returns:
            A ticket for `busy` and `failed`; None if the run should end or a pause has begun.
        """
        while not self._stop.wanted and self.paused_for == 0.0:
            now = self._clock()
            wait = self._next_at - now
            if wait <= 0.0 and self.out < self._places:
                self.out += 1
                self._next_at = max(now, self._next_at) + self._spacing
                return self._epoch
            await self._until_changed(wait if wait > 0.0 else None)
        return None

    def vacate(self) -> None:
        """Give the place back once the reply is here."""
        self.out -= 1
        self._wake()

    def leave(self) -> None:
        """Leave once the reply is stored."""
        self.inside -= 1
        self._wake()

    @property
    def _places(self) -> int:
        probing = self._failed_in_a_row >= FAILURES_UNTIL_PROBING
        return 1 if probing else max(int(self.width), 1)

    def busy(self, ticket: int, wait_s: float | None) -> tuple[float, bool]:
        """Record a busy server: pause all workers and let fewer requests through.

        Args:
            ticket: of the request that got it.
            wait_s: as the reply asks; None if it names no wait.

        Returns:
            Seconds of the pause, and whether this is news: several requests that left together
            halve the width once.
        """
        news = ticket == self._epoch
        self._busy_in_a_row += news
        wait = wait_s
        if wait is None:
            wait = backoff(max(self._busy_in_a_row, 1), self._rng)
        self._pause(wait)
        if news:
            self._epoch += 1
            self.width = max(self.width / 2.0, 1.0)
        self._wake()
        return wait, news

    def failed(self, ticket: int, wait_s: float | None = None) -> tuple[float, bool]:
        """Record that the server failed, was not reached, or an answer was lost.

        From the third in a row on there is a longer pause each time, and one request at a time.

        Args:
            ticket: of the request.
            wait_s: as the reply asks, if there was one; it is for all workers.

        Returns:
            Seconds of the pause that the server asks for, and whether this is news.
        """
        wait = wait_s or 0.0
        self._pause(wait)
        if ticket != self._epoch:
            return wait, False
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= FAILURES_UNTIL_PROBING:
            self._epoch += 1
            beyond = self._failed_in_a_row - FAILURES_UNTIL_PROBING
            self._pause(backoff(beyond + 1, self._rng))
        self._wake()
        return wait, True

    def _pause(self, wait: float) -> None:
        resumes_at = self._clock() + wait
        if resumes_at > self._resumes_at:
            self._resumes_at, self._spread = resumes_at, JITTER * wait
            self._pauses += 1

    def succeeded(self, headers: Mapping[str, str], tokens: int) -> None:
        """Record an answer: widen a little, and slow down before the provider's limit.

        Args:
            headers: of the reply.
            tokens: that this call used, if known, else 0.
        """
        self._busy_in_a_row = self._failed_in_a_row = 0
        self.width = min(self.width + 1.0 / self.width, float(self.limit))
        self._spacing = max(
            _spacing(headers, "requests", 1.0), _spacing(headers, "tokens", float(tokens))
        )
        self._wake()

    def _wake(self) -> None:
        """Wake the waiting workers, which check again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until_changed(self, timeout_s: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()


def _spacing(headers: Mapping[str, str], what: str, used: float) -> float:
    """Return seconds between calls at the rate at which the limit refills; 0 far below it.

    ``(limit - remaining) / reset`` is the provider's own rate, whatever its window is.
    """
    limit = read_duration(headers.get(f"x-ratelimit-limit-{what}", ""))
    remaining = read_duration(headers.get(f"x-ratelimit-remaining-{what}", ""))
    reset = read_duration(headers.get(f"x-ratelimit-reset-{what}", ""))
    if not limit or remaining is None or not reset or remaining >= KEPT_BACK * limit:
        return 0.0
    return used * reset / (limit - remaining)
