"""Schedule requests: a queue of images for each host, and a few places at each.

A place permits one request at a time to a host. Workers take places, not hosts, so a host that asks
for a pause blocks no worker: its places come back when its pause is over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from interestingness.datasets.download.addresses import host_of
from interestingness.datasets.download.outcomes import Item
from interestingness.datasets.download.settings import DownloadSettings


@dataclass
class HostTask:
    """An item, and how often it was tried."""

    item: Item
    attempts: int = 0


@dataclass
class Host:
    """The state of a host.

    Attributes:
        name: host and port.
        tasks: what is still to be fetched from it.
        paused_until: by the loop's clock, in seconds.
        silent: failures in a row without any answer.
        dead: why it gets no further requests in this run, or "".
    """

    name: str
    tasks: deque[HostTask] = field(default_factory=deque)
    paused_until: float = 0.0
    silent: int = 0
    dead: str = ""


class Hosts:
    """All hosts of a run."""

    def __init__(self, items: Iterable[Item], settings: DownloadSettings) -> None:
        """Sort items into queues; call inside a running loop."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Queue[Host | None] = asyncio.Queue()
        hosts: dict[str, Host] = {}
        self.left = 0
        for item in items:
            name = host_of(item.url)
            hosts.setdefault(name, Host(name)).tasks.append(HostTask(item))
            self.left += 1
        for place in range(settings.per_host):
            for host in hosts.values():
                if place < len(host.tasks):
                    self._ready.put_nowait(host)
        if not self.left:
            self._end()

    async def take(self) -> tuple[Host, HostTask] | None:
        """Return the next image whose host is free; None when nothing is left."""
        while True:
            host = await self._ready.get()
            if host is None:
                return None
            wait = host.paused_until - self._loop.time()
            if wait > 0 and not host.dead:
                self._loop.call_later(wait, self._ready.put_nowait, host)
            elif host.tasks:
                return host, host.tasks.popleft()
            # else the place is dropped: other workers have the last tasks of this host

    def finished(self, host: Host) -> None:
        """Mark an image as finished; its place is free after the usual pause."""
        self.left -= 1
        self._give_back(host, self._settings.pause_s)
        if not self.left:
            self._end()

    def again(self, host: Host, task: HostTask, wait_s: float) -> None:
        """Queue an image for another attempt, after all others of its host."""
        host.tasks.append(task)
        self._give_back(host, wait_s)

    def pause(self, host: Host, seconds: float) -> None:
        """Pause all places of a host for some seconds."""
        host.paused_until = max(host.paused_until, self._loop.time() + seconds)

    def _give_back(self, host: Host, wait_s: float) -> None:
        if host.dead or wait_s <= 0:
            self._ready.put_nowait(host)
        else:
            self._loop.call_later(wait_s, self._ready.put_nowait, host)

    def _end(self) -> None:
        for _ in range(self._settings.connections):
            self._ready.put_nowait(None)
