"""How many requests may be out at a time, and when the next may leave; shared by all workers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping

from interestingness.annotators.engine.stopping import Stop
from interestingness.annotators.engine.waiting import backoff, duration, named_wait

JITTER = 0.25
"""After a closure each waiter adds up to this share of the wait, so that they do not all rush."""

FAILURES_UNTIL_PROBING = 3

KEPT_BACK = 0.15
"""Share of the provider's limit that is used slowly, at the speed at which it fills again."""


class Gate:
    """Additive increase, multiplicative decrease, and a door that a 429 closes for everybody.

    Who comes in (`enter`) reserves; who gets a place (`place`) sends. A quarter more may be in than
    have places, so that committing to disk does not keep places empty; and no more than that, since
    all that are in are in doubt if the process is killed.

    Many requests are out when a server has a bad moment, and they all fail. That is one event, not
    many: tickets tell which requests left before the gate learnt of it.

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
        """Open, at its widest.

        Args:
            limit: the most requests at a time, at least 1.
            stop: who waits is sent away when the run should end.
            rng: where jitter comes from.
            clock: seconds that never go back.
        """
        self.limit = limit
        self.width = float(limit)
        self.inside = self.out = 0
        self._stop, self._rng, self._clock = stop, rng, clock
        self._changed = asyncio.Event()
        self._opens_at = self._spread = 0.0
        self._closures = self._epoch = self._busy_in_a_row = self._failed_in_a_row = 0
        self._next_at = self._spacing = 0.0
        stop.listen(self._tell)

    @property
    def closed_for(self) -> float:
        """Seconds until it opens; 0 if it is open."""
        return max(self._opens_at - self._clock(), 0.0)

    async def enter(self) -> bool:
        """Wait until one may reserve; who is let in calls `leave`.

        Returns:
            False if the run should end.
        """
        closure, mine = -1, 0.0
        while not self._stop.wanted:
            if closure != self._closures:
                closure = self._closures
                mine = self._opens_at + self._rng.uniform(0.0, self._spread)
            wait = mine - self._clock()
            if wait <= 0.0 and self.inside < self._places + self._places // 4:
                self.inside += 1
                return True
            await self._until_changed(wait if wait > 0.0 else None)
        return False

    async def place(self) -> int | None:
        """Wait until one may send; who gets a place calls `vacate`.

        Returns:
            A ticket for `busy` and `failed`; None if the run should end or the gate has closed.
        """
        while not self._stop.wanted and self.closed_for == 0.0:
            now = self._clock()
            wait = self._next_at - now
            if wait <= 0.0 and self.out < self._places:
                self.out += 1
                self._next_at = max(now, self._next_at) + self._spacing
                return self._epoch
            await self._until_changed(wait if wait > 0.0 else None)
        return None

    def vacate(self) -> None:
        """Give the place back: the answer is here."""
        self.out -= 1
        self._tell()

    def leave(self) -> None:
        """Go out: the answer is stored."""
        self.inside -= 1
        self._tell()

    @property
    def _places(self) -> int:
        probing = self._failed_in_a_row >= FAILURES_UNTIL_PROBING
        return 1 if probing else max(int(self.width), 1)

    def busy(self, ticket: int, headers: Mapping[str, str]) -> tuple[float, bool]:
        """A 429 came: close for everybody and let fewer through.

        Args:
            ticket: of the request that got it.
            headers: of the reply.

        Returns:
            Seconds for which the server wants quiet, and whether that is news: several requests
            that left together narrow the gate once.
        """
        news = ticket == self._epoch
        self._busy_in_a_row += news
        named = named_wait(headers)
        wait = backoff(max(self._busy_in_a_row, 1), self._rng) if named is None else named
        self._close_for(wait)
        if news:
            self._epoch += 1
            self.width = max(self.width / 2.0, 1.0)
        self._tell()
        return wait, news

    def failed(self, ticket: int, headers: Mapping[str, str]) -> tuple[float, bool]:
        """The server failed, or was not reached, or an answer was lost.

        From the third in a row the gate closes a little longer each time, and lets one request
        through to see whether it is over.

        Args:
            ticket: of the request.
            headers: of the reply, if there was one; a wait that they name is for everybody.

        Returns:
            Seconds for which the server wants quiet, and whether that is news.
        """
        wait = named_wait(headers) or 0.0
        self._close_for(wait)
        if ticket != self._epoch:
            return wait, False
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= FAILURES_UNTIL_PROBING:
            self._epoch += 1
            beyond = self._failed_in_a_row - FAILURES_UNTIL_PROBING
            self._close_for(backoff(beyond + 1, self._rng))
        self._tell()
        return wait, True

    def _close_for(self, wait: float) -> None:
        opens_at = self._clock() + wait
        if opens_at > self._opens_at:
            self._opens_at, self._spread = opens_at, JITTER * wait
            self._closures += 1

    def fine(self, headers: Mapping[str, str], tokens: int) -> None:
        """An answer came: widen a little, and slow down before the provider's limit is reached.

        Args:
            headers: of the reply.
            tokens: that this call used, if known, else 0.
        """
        self._busy_in_a_row = self._failed_in_a_row = 0
        self.width = min(self.width + 1.0 / self.width, float(self.limit))
        self._spacing = max(
            _spacing(headers, "requests", 1.0), _spacing(headers, "tokens", float(tokens))
        )
        self._tell()

    def _tell(self) -> None:
        """Wake those who wait; they look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until_changed(self, timeout_s: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()


def _spacing(headers: Mapping[str, str], what: str, used: float) -> float:
    """Seconds between two calls at the speed at which the limit refills; 0 while there is plenty.

    ``(limit - remaining) / reset`` is the provider's own rate, whatever its window is.
    """
    limit = duration(headers.get(f"x-ratelimit-limit-{what}", ""))
    remaining = duration(headers.get(f"x-ratelimit-remaining-{what}", ""))
    reset = duration(headers.get(f"x-ratelimit-reset-{what}", ""))
    if not limit or remaining is None or not reset or remaining >= KEPT_BACK * limit:
        return 0.0
    return used * reset / (limit - remaining)
