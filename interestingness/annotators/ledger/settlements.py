"""Waiting for budget: reservations come back on the writer's thread, coroutines wait in a loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future


class Settlements:
    """Counts what was settled, and wakes those who wait for the next one."""

    def __init__(self) -> None:
        """Nothing was settled."""
        self.count = 0
        self._event: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, future: Future[bool]) -> None:
        """One more; called on the writer's thread after the commit."""
        self.count += 1
        if self._event is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def after(self, seen: int, patience_s: float) -> bool:
        """Wait until the count is another than ``seen``; False if that takes too long."""
        loop = asyncio.get_running_loop()
        if self._event is None or self._loop is not loop:
            self._loop, self._event = loop, asyncio.Event()
        event = self._event
        while self.count == seen:
            event.clear()
            # counted between the two lines above: then there is nothing to wait for
            if self.count == seen:
                try:
                    await asyncio.wait_for(event.wait(), patience_s)
                except TimeoutError:
                    return False
        return True
