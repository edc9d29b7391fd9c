"""The pacer on a clock that the test moves: nobody leaves early, nobody rushes, all get through."""

from __future__ import annotations

import asyncio
import random

import pytest

from interestingness.annotators.engine.pacing import FAILURES_UNTIL_PROBING, JITTER, Pacer
from interestingness.annotators.engine.run_state import Exit, Stop


async def through(pacer: Pacer) -> int:
    """Go in and take a place; the ticket."""
    assert await pacer.enter()
    ticket = await pacer.place()
    assert ticket is not None
    return ticket


def back(pacer: Pacer) -> None:
    pacer.vacate()
    pacer.leave()


def test_no_more_than_the_limit_are_out_and_a_quarter_more_inside() -> None:
    async def run() -> tuple[int, int]:
        pacer = Pacer(8, Stop(), rng=random.Random(0))
        most_out = most_inside = 0

        async def one() -> None:
            nonlocal most_out, most_inside
            await through(pacer)
            await asyncio.sleep(0.001)
            most_out, most_inside = max(most_out, pacer.out), max(most_inside, pacer.inside)
            back(pacer)

        await asyncio.gather(*(one() for _ in range(100)))
        assert pacer.out == pacer.inside == 0
        return most_out, most_inside

    assert asyncio.run(run()) == (8, 10)


def test_a_closed_pacer_lets_nobody_out_early_and_not_all_at_once() -> None:
    """Row 20: one 429 stops everybody; afterwards they are spread over a quarter of the wait."""

    async def run() -> list[float]:
        pacer = Pacer(16, Stop(), rng=random.Random(0))
        ticket = await through(pacer)
        back(pacer)
        began = asyncio.get_running_loop().time()
        pacer.busy(ticket, 0.4)
        left = []

        async def one() -> None:
            await through(pacer)
            left.append(asyncio.get_running_loop().time() - began)

        await asyncio.gather(*(one() for _ in range(8)))
        return left

    left = asyncio.run(run())
    assert min(left) >= 0.4
    assert max(left) - min(left) > 0.2 * JITTER * 0.4


def test_who_has_reserved_when_it_closes_is_sent_back() -> None:
    async def run() -> None:
        pacer = Pacer(4, Stop(), rng=random.Random(0))
        tickets = [await through(pacer) for _ in range(4)]
        assert await pacer.enter()
        waiting = asyncio.create_task(pacer.place())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        pacer.busy(tickets[0], 60.0)
        assert await waiting is None

    asyncio.run(run())


def test_requests_that_left_together_narrow_it_once() -> None:
    async def run() -> list[float]:
        pacer = Pacer(64, Stop(), rng=random.Random(0))
        tickets = [await through(pacer) for _ in range(64)]
        news = [pacer.busy(ticket, 0.0)[1] for ticket in tickets]
        assert news == [True] + [False] * 63
        widths = [pacer.width]
        for _ in range(64):
            back(pacer)
        pacer.busy(await through(pacer), 0.0)
        widths.append(pacer.width)
        for _ in range(10_000):
            pacer.succeeded({}, 0)
        return [*widths, pacer.width]

    assert asyncio.run(run()) == [32.0, 16.0, 64.0]


def test_after_some_failures_one_goes_ahead_until_it_is_over() -> None:
    async def run() -> None:
        now = 0.0
        pacer = Pacer(8, Stop(), rng=random.Random(0), clock=lambda: now)
        tickets = [await through(pacer) for _ in range(8)]
        news = [pacer.failed(ticket)[1] for ticket in tickets]
        assert news == [True] * FAILURES_UNTIL_PROBING + [False] * (8 - FAILURES_UNTIL_PROBING)
        for _ in range(8):
            back(pacer)
        assert pacer.paused_for > 0
        now = 100.0
        await through(pacer)
        second = asyncio.create_task(through(pacer))
        await asyncio.sleep(0.01)
        assert not second.done()
        pacer.succeeded({}, 0)
        await second
        assert pacer.out == 2

    asyncio.run(run())


def test_who_waits_is_told_that_the_run_ends() -> None:
    async def run() -> None:
        stop = Stop()
        pacer = Pacer(1, stop, rng=random.Random(0))
        await through(pacer)
        waiting = [asyncio.create_task(pacer.enter()) for _ in range(3)]
        await asyncio.sleep(0.01)
        stop.ask(Exit.INTERRUPTED, "test")
        assert await asyncio.gather(*waiting) == [False, False, False]
        assert (pacer.inside, await pacer.place()) == (1, None)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("remaining", "spacing"), [("500", 0.0), ("150", 0.0), ("100", 1 / 15), ("0", 0.06)]
)
def test_near_the_limit_it_goes_at_the_speed_of_the_refill(remaining: str, spacing: float) -> None:
    """1000 a minute: with 100 left, 900 come back in 60 s, 15 in a second."""

    async def run() -> list[float]:
        now = 0.0
        pacer = Pacer(100, Stop(), rng=random.Random(0), clock=lambda: now)
        pacer.succeeded(
            {
                "x-ratelimit-limit-requests": "1000",
                "x-ratelimit-remaining-requests": remaining,
                "x-ratelimit-reset-requests": "60s",
            },
            0,
        )
        times = []
        for _ in range(5):
            while True:
                trying = asyncio.create_task(pacer.place())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                if trying.done():
                    break
                trying.cancel()
                now += 0.001
            times.append(now)
        return times

    times = asyncio.run(run())
    assert times[-1] - times[0] == pytest.approx(4 * spacing, abs=0.01)
