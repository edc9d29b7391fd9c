"""A run in a process of its own, to be stopped by a signal or to kill itself at a chosen point.

``python dying.py BASE_URL LEDGER COUNT CONCURRENCY [before_send|after_reply]``
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from bench import KEY, Bench, make_asking, pairs

from interestingness.annotators.engine.asking import Sender
from interestingness.annotators.engine.run_state import Exit, Stop, stop_on_signals
from interestingness.annotators.engine.runner import Limits, run_tasks
from interestingness.annotators.redaction import Secret
from interestingness.annotators.transport import Transport
from interestingness.annotators.types import Failure, Reply, Request


class Dying:
    """Kills the process at the fifth request: just before it leaves, or with the answer in hand."""

    def __init__(self, sender: Sender, where: str) -> None:
        self._sender, self._where, self._count = sender, where, 0

    async def send(
        self, request: Request, *, attempt_id: str, deadline_s: float
    ) -> Reply | Failure:
        self._count += 1
        fatal = self._count == 5
        if fatal and self._where == "before_send":
            os.kill(os.getpid(), signal.SIGKILL)
        reply = await self._sender.send(request, attempt_id=attempt_id, deadline_s=deadline_s)
        if fatal and self._where == "after_reply":
            os.kill(os.getpid(), signal.SIGKILL)
        return reply


async def main() -> int:
    base_url, path, count, concurrency = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:5])
    stop = Stop()
    with Bench(path).open() as ledger, stop_on_signals(stop):
        async with Transport(base_url, Secret(KEY), connections=concurrency) as transport:
            sender = Dying(transport, sys.argv[5]) if len(sys.argv) > 5 else transport
            asking = make_asking(ledger, stop=stop)
            summary = await run_tasks(asking, pairs(count), sender, Limits(concurrency, 30.0))
    return int(summary.exit_code)


if __name__ == "__main__":
    code = asyncio.run(main())
    assert code in set(Exit)
    sys.exit(code)
