"""Whole runs against a server that is unwell: what is retried, what waits, what ends the run."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time

import pytest
from bench import Bench, asked, pairs
from servers.scripted import Action, Answer, ScriptedServer, Seen, completion, error

from interestingness.annotators.engine.run_state import Exit, Stop


def test_passing_failures_are_retried_and_cost_nothing(
    bench: Bench, server: ScriptedServer
) -> None:
    server.follow([error(status) for status in (500, 502, 520, 408)])
    summary = bench.run(server.base_url, pairs(8), concurrency=2)
    assert (summary.exit_code, summary.tally.labelled) == (Exit.DONE, 8)
    assert summary.tally.failed == 4
    assert bench.charged() == 8 * 110
    bench.check(server)


def test_a_task_that_was_not_reached_is_for_the_next_run(
    bench: Bench, server: ScriptedServer
) -> None:
    """The server fails on one task only: the others go on, and the exit status tells."""
    unlucky = pairs(8)[5].subject["pair_id"]

    def script(seen: Seen) -> Action:
        return error(500, None, "no") if asked(seen) == unlucky else Answer(body=completion())

    server.script = script
    summary = bench.run(server.base_url, pairs(8), concurrency=2)
    assert (summary.tally.labelled, summary.tally.unreachable) == (7, 1)
    assert summary.exit_code == Exit.LATER
    assert "tasks without an answer: 1" in summary.reason
    assert len(server.journal) == 7 + 5
    server.follow([])
    assert bench.run(server.base_url, pairs(8)).exit_code == Exit.DONE


def test_a_wrong_option_dressed_as_500_stops_after_five(
    bench: Bench, server: ScriptedServer
) -> None:
    """Row 25."""
    server.script = lambda seen: error(500, None, "json_schema is not supported")
    summary = bench.run(server.base_url, pairs(50), concurrency=1)
    assert summary.exit_code == Exit.LATER
    assert "json_schema is not supported" in summary.reason
    assert len(server.journal) == 5
    assert bench.charged() == 0


def test_many_at_once_find_out_together(bench: Bench, server: ScriptedServer) -> None:
    """32 requests fail as one event; after that one at a time looks whether it is over."""
    server.script = lambda seen: error(500, None, "down")
    summary = bench.run(server.base_url, pairs(100), concurrency=32)
    assert summary.exit_code == Exit.LATER
    assert len(server.journal) <= 32 + 2 + 2  # two places came free before the third failure


def test_a_refused_connection_is_free_and_ends_the_run(bench: Bench) -> None:
    """Row 27."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    summary = bench.run(f"http://127.0.0.1:{port}/v1", pairs(20), concurrency=2)
    assert summary.exit_code == Exit.LATER
    assert set(bench.states()) == {"failed_free"}
    assert bench.charged() == 0


def test_a_429_stops_everybody_until_the_server_said(bench: Bench, server: ScriptedServer) -> None:
    """Row 20: nothing arrives while the gate is closed, whoever else was waiting."""

    def script(seen: Seen) -> Action:
        limited = seen.number == 10
        return error(429, "rate", retry_after_ms="700") if limited else Answer(body=completion())

    server.script = script
    summary = bench.run(server.base_url, pairs(40), concurrency=4)
    assert (summary.exit_code, summary.tally.labelled, summary.tally.busy) == (Exit.DONE, 40, 1)
    closed = server.journal[10].at
    after = [seen.at - closed for seen in server.journal[11:]]
    in_flight = [moment for moment in after if moment < 0.65]
    assert len(in_flight) <= 3, "only what had left before the 429 was read"
    bench.check(server)


def test_a_clock_that_is_set_changes_no_wait(
    bench: Bench, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 35: this machine's date jumps by days between any two looks at it."""
    real, jumps = time.time, itertools.cycle([-86400.0, 0.0, 86400.0])
    date = {"date": "Tue, 24 Nov 2026 10:00:00 GMT"}
    server.follow([error(429, "rate", retry_after="Tue, 24 Nov 2026 10:00:01 GMT", **date)])
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    summary = bench.run(server.base_url, pairs(4), concurrency=1)
    assert (summary.exit_code, summary.tally.labelled) == (Exit.DONE, 4)
    waited = server.journal[1].at - server.journal[0].at
    assert 1.0 <= waited < 60.0
    assert summary.tally.seconds < 60.0
    bench.check(server)


@pytest.mark.parametrize(
    "not_ready",
    [
        error(503, "unavailable_error", "Loading model"),
        error(503, None, "x", retry_after="0"),
        error(529, "overloaded_error"),
        Answer(500, b'{"error": "Model x is currently loading", "estimated_time": 0.01}'),
        Answer(body=b'{"error": {"code": 503, "message": "no instance ready"}}'),
    ],
)
def test_a_server_that_is_not_ready_is_waited_for_and_said_once(
    bench: Bench, server: ScriptedServer, not_ready: Action
) -> None:
    server.follow([not_ready] * 6)  # more than the first calls that may fail alike
    summary = bench.run(server.base_url, pairs(3), concurrency=1)
    assert (summary.exit_code, summary.tally.labelled, summary.tally.busy) == (Exit.DONE, 3, 6)
    assert len(bench.said) == 1
    assert bench.charged() == 3 * 110
    bench.check(server)


OUTAGES = [
    b"",
    b"<html>log in first</html>",
    completion()[:-40],
    completion(finish="error"),
    completion(choices=[]),
    completion("", completion_tokens=0),
    b'{"error": {"code": 502, "message": "upstream"}}',
    b'event: error\ndata: {"error": {"message": "overloaded"}}\n\n',
]


@pytest.mark.parametrize("body", OUTAGES)
def test_an_outage_inside_200_uses_nothing_up(
    bench: Bench, server: ScriptedServer, body: bytes
) -> None:
    """More of them than there are tries for an answer, and the task is still asked."""
    server.follow([Answer(body=body)] * 4)
    summary = bench.run(server.base_url, pairs(1))
    assert (summary.exit_code, summary.tally.labelled, summary.tally.failed) == (Exit.DONE, 1, 4)
    assert bench.states() == {"failed_free": 4, "judged": 1}
    assert (bench.charged(), bench.rejects()) == (110, [])
    bench.check(server)


def test_an_outage_inside_200_that_stays_ends_the_run_and_takes_nothing(
    bench: Bench, server: ScriptedServer
) -> None:
    """Row 16: a captive portal answers 200 to everything."""
    server.script = lambda seen: Answer(body=b"<html>log in</html>", type="text/html")
    summary = bench.run(server.base_url, pairs(50), concurrency=1)
    assert (summary.exit_code, len(server.journal)) == (Exit.LATER, 5)
    assert bench.charged() == 0
    server.follow([])
    assert bench.run(server.base_url, pairs(50)).tally.labelled == 50


def test_a_very_long_pause_is_for_another_day(bench: Bench, server: ScriptedServer) -> None:
    server.follow([error(429, "rate", retry_after="86400")])
    summary = bench.run(server.base_url, pairs(5), concurrency=1)
    assert summary.exit_code == Exit.LATER
    assert "86400 s" in summary.reason


def test_a_long_pause_is_told(bench: Bench, server: ScriptedServer) -> None:
    async def interrupt(stop: Stop) -> None:
        while not bench.said:
            await asyncio.sleep(0.01)
        stop.ask(Exit.INTERRUPTED, "test")

    server.follow([error(429, "rate", retry_after="900")])
    summary = bench.run(server.base_url, pairs(5), concurrency=2, meanwhile=interrupt)
    assert bench.said == ["the server wants a pause of 15 minutes; waiting"]
    assert summary.exit_code == Exit.INTERRUPTED
