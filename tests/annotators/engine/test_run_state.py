"""Who asks first is heard, and who sleeps is woken."""

from __future__ import annotations

import asyncio

from interestingness.annotators.engine.run_state import Exit, Stop


def test_the_first_reason_is_kept() -> None:
    stop = Stop()
    assert (stop.wanted, stop.exit_code, stop.reason) == (False, None, "")
    told: list[str] = []
    stop.listen(lambda: told.append(stop.reason))
    stop.ask(Exit.KEY, "the key is refused")
    stop.ask(Exit.INTERRUPTED, "stopped by Ctrl-C")
    assert (stop.wanted, stop.exit_code, stop.reason) == (True, Exit.KEY, "the key is refused")
    assert told == ["the key is refused"]


def test_sleep_ends_when_somebody_asks() -> None:
    async def run() -> tuple[bool, bool, bool]:
        stop = Stop()
        whole = await stop.sleep(0.001)
        sleeping = asyncio.create_task(stop.sleep(600.0))
        await asyncio.sleep(0)
        stop.ask(Exit.INTERRUPTED, "test")
        return whole, await sleeping, await stop.sleep(600.0)

    assert asyncio.run(run()) == (True, False, False)
