"""Tasks that are given up: the exit status says so, and ``ledger reopen`` gives them back."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest
from bench import RESERVE, Bench, Prices, pairs
from servers.scripted import Answer, ScriptedServer, completion

from interestingness.annotators.engine.run_state import Exit
from interestingness.annotators.ledger.verify import problems
from interestingness.annotators.parsing import PARSER_VERSION, parse
from interestingness.annotators.types import Attempt, Parsed, Reject, Reply
from interestingness.commands import ledger as commands
from interestingness.commands.options import parse as parse_options

UNUSABLE = {
    "invalid_json": completion("I prefer the first."),
    "wrong_choice": completion('{"choice": "neither", "reason": "x"}'),
    "empty": completion(""),
    "no_message": completion(choices=[{"index": 0}]),
}


def reopen(bench: Bench) -> None:
    commands.reopen(parse_options("ledger reopen", [str(bench.path)]))
    with closing(sqlite3.connect(bench.path)) as db:
        db.row_factory = sqlite3.Row
        assert list(problems(db, parse, PARSER_VERSION)) == []


@pytest.mark.parametrize("kind", UNUSABLE)
def test_what_was_given_up_is_asked_again_and_stays_paid(
    bench: Bench, server: ScriptedServer, kind: str
) -> None:
    server.follow([Answer(body=UNUSABLE[kind])] * 3)
    ended = bench.run(server.base_url, pairs(2), concurrency=1)
    assert (ended.exit_code, ended.tally.rejected) == (Exit.GIVEN_UP, {kind: 1})
    assert bench.run(server.base_url, pairs(2)).tally.total == 0
    reopen(bench)
    assert bench.charged() == 4 * 110
    again = bench.run(server.base_url, pairs(2))
    assert (again.exit_code, again.tally.labelled) == (Exit.DONE, 1)
    assert bench.charged() == 5 * 110
    assert len(bench.rows("SELECT * FROM reply")) == 5
    bench.check(server)


def test_with_nothing_given_up_nothing_changes(bench: Bench, server: ScriptedServer) -> None:
    server.follow([Answer(body=completion(""))] * 2)
    bench.run(server.base_url, pairs(2))
    before = bench.rows("SELECT id, state, charge_uusd FROM attempt")
    reopen(bench)
    assert bench.rows("SELECT id, state, charge_uusd FROM attempt") == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>log in</html>",
        completion()[:-40],
        completion(finish="error"),
        completion("", usage=None),
        b'{"error": {"code": 502, "message": "upstream"}}',
    ],
)
@pytest.mark.parametrize("by_command", [True, False])
def test_outages_that_an_earlier_version_took_for_answers_are_given_back(
    bench: Bench, server: ScriptedServer, body: bytes, by_command: bool
) -> None:
    """It counted three of them as tries and booked their reserves."""
    (task,) = pairs(1)

    async def as_before() -> None:
        with bench.open() as ledger:
            for _ in range(3):
                attempt = await ledger.reserve(task, reserve_uusd=RESERVE, price_id=Prices.price_id)
                assert isinstance(attempt, Attempt)
                await ledger.received(attempt.id, Reply(200, body))
                await ledger.parsed(attempt.id, Parsed(Reject("html")), parser_version="1")

    asyncio.run(as_before())
    assert bench.charged() == 3 * RESERVE
    if by_command:
        reopen(bench)
        assert bench.charged() == 0
    ended = bench.run(server.base_url, [task])
    assert (ended.exit_code, ended.tally.labelled, bench.charged()) == (Exit.DONE, 1, 110)
    assert bench.states() == {"failed_free": 3, "judged": 1}


def test_a_cap_that_thinking_exceeds_is_told_with_a_larger_one(
    bench: Bench, server: ScriptedServer
) -> None:
    body = completion("", finish="length", completion_tokens=40)
    server.script = lambda seen: Answer(body=body)
    ended = bench.run(server.base_url, pairs(1))
    assert ended.exit_code == Exit.GIVEN_UP
    assert "annotator.cap=160" in ended.reason
