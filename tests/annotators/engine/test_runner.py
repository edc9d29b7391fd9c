"""Whole runs against a server that does as it is told; the ledger is held against its journal."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, asked, pairs
from bench import build as plain_build
from servers.cutter import Cutter, Mode
from servers.scripted import Action, Answer, Hang, ScriptedServer, Seen, completion, error

from interestingness.annotators.engine.run_state import Exit, Stop
from interestingness.annotators.engine.runner import Limits
from interestingness.annotators.types import Request, Task
from interestingness.errors import ImageError


def test_a_plain_run_labels_everything_once_and_costs_what_was_told(
    bench: Bench, server: ScriptedServer
) -> None:
    summary = bench.run(server.base_url, pairs(40))
    assert (summary.exit_code, summary.reason) == (Exit.DONE, "")
    assert (summary.tally.labelled, summary.tally.sent) == (40, 40)
    assert summary.tally.spent_uusd == bench.charged() == 40 * 110
    assert server.most_in_flight <= 8
    assert bench.run(server.base_url, pairs(40)).tally.total == 0
    assert len(server.journal) == 40
    bench.check(server)


def test_labels_do_not_depend_on_the_order_of_completion(
    bench: Bench, server: ScriptedServer, tmp_path: Path
) -> None:
    """I8: the same answers in another order give the same table."""

    def late(delays: int) -> Any:
        def script(seen: Seen) -> Action:
            number = int(asked(seen), 16)
            choice = "first" if number % 3 else "second"
            body = completion(json.dumps({"choice": choice, "reason": f"pair {number}"}))
            return Answer(body=body, delay_s=0.002 * ((number * delays) % 17))

        return script

    tables = []
    for delays in (1, 5):
        one = replace(bench, path=tmp_path / f"{delays}" / "l.sqlite")
        server.follow(late(delays))
        one.run(server.base_url, pairs(40), concurrency=16)
        tables.append(one.rows("SELECT key, choice, reason FROM label ORDER BY key"))
    assert tables[0] == tables[1]
    assert len(tables[0]) == 40


# ---- answers that are lost -------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["before_reply", "half"])
def test_an_answer_lost_after_it_was_charged_is_held_and_never_bought_again(
    bench: Bench, server: ScriptedServer, mode: Mode
) -> None:
    """Rows 13 and 14, with the server behind the cut as witness."""
    with Cutter(server.port, [mode] * 3) as cutter:
        first = bench.run(cutter.base_url, pairs(10), concurrency=1)
        assert first.tally.in_doubt == 3
        assert bench.states() == {"in_doubt": 3, "judged": 7}
        assert len(server.answered) == 10
        again = bench.run(cutter.base_url, pairs(10), concurrency=1)
        assert again.tally.sent == 0
        assert bench.charged() == 7 * 110 + 3 * 140
        bought = bench.run(cutter.base_url, pairs(10), concurrency=1, policy="rebuy")
        assert bought.tally.labelled == 3
        assert len(server.answered) == 13
        assert bench.states() == {"judged": 10, "written_off": 3}
        assert bench.charged() == 10 * 110 + 3 * 140
    bench.check(server)


def test_answers_that_keep_being_lost_end_the_run(bench: Bench, server: ScriptedServer) -> None:
    """Each may have been charged: with one at a time, five are the most that are lost."""
    with Cutter(server.port, ["before_reply"] * 100) as cutter:
        summary = bench.run(cutter.base_url, pairs(50), concurrency=1)
    assert summary.exit_code == Exit.LATER
    assert len(server.answered) == 5
    assert bench.states() == {"in_doubt": 5}


@pytest.mark.parametrize("action", [Hang(), Answer(body=completion(), drip_s=0.05)])
def test_the_deadline_is_for_the_whole_exchange(
    bench: Bench, server: ScriptedServer, action: Action
) -> None:
    """Row 26: silence, and one byte now and then."""
    bench.limits = Limits(deadline_s=1.5)
    server.follow([action])
    summary = bench.run(server.base_url, pairs(3), concurrency=1)
    assert (summary.tally.in_doubt, summary.tally.labelled) == (1, 2)
    assert len(server.journal) == 3
    bench.check(server)


def test_a_gateway_that_gave_up_leaves_doubt(bench: Bench, server: ScriptedServer) -> None:
    server.follow([error(504)])
    summary = bench.run(server.base_url, pairs(2), concurrency=1)
    assert (summary.tally.in_doubt, len(server.journal)) == (1, 2)


def test_a_replayed_answer_does_not_become_another_pair_s_label(
    bench: Bench, server: ScriptedServer
) -> None:
    """Row 12: each label says which pair it was given for."""

    def script(seen: Seen) -> Action:
        return Answer(body=completion(json.dumps({"choice": "first", "reason": asked(seen)})))

    server.follow(script)
    with Cutter(server.port, ["twice"] * 20) as cutter:
        bench.run(cutter.base_url, pairs(20), concurrency=2)
    labels = bench.rows("SELECT subject, reason FROM label JOIN subject USING (key)")
    assert len(labels) == 20
    assert all(json.loads(subject)["pair_id"] == reason for subject, reason in labels)


# ---- answers that are no labels --------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (completion(None), "empty"),
        (completion(""), "empty"),
        (completion("{"), "invalid_json"),
        (completion('{"choice": "left", "reason": ""}'), "wrong_choice"),
        (completion('{"choice": "first", "reason": "x", "tie": 1}'), "extra_key"),
        (completion('{"choice": NaN, "reason": "x"}'), "invalid_json"),
    ],
)
def test_unusable_answers_are_kept_and_asked_again_twice_at_most(
    bench: Bench, server: ScriptedServer, body: bytes, kind: str
) -> None:
    """Rows 15, 16 and 17: what was paid for stays, and three answers are the end of it."""
    server.script = lambda seen: Answer(body=body)
    assert bench.run(server.base_url, pairs(1)).exit_code == Exit.GIVEN_UP
    assert bench.rejects() == [kind] * 3
    assert len(server.journal) == 3
    assert len(bench.rows("SELECT * FROM reply")) == 3
    assert bench.run(server.base_url, pairs(1)).exit_code == Exit.DONE
    assert len(server.journal) == 3
    bench.check(server)


def test_strange_texts_are_labels_and_are_stored_safely(
    bench: Bench, server: ScriptedServer
) -> None:
    """Row 17: a fence is taken off; surrogates, control and direction characters do no harm."""
    odd = "\\ud800 \\u0000 \\u202e \\u001b[31m"
    server.follow(
        [
            Answer(body=completion('```json\n{"choice": "first", "reason": "fenced"}\n```')),
            Answer(body=completion(f'{{"choice": "second", "reason": "odd {odd}"}}')),
        ]
    )
    bench.run(server.base_url, pairs(2), concurrency=1)
    labels = dict(bench.rows("SELECT choice, reason FROM label"))
    assert labels["first"] == "fenced"
    assert labels["second"].startswith("odd ")
    assert labels["second"].isprintable()
    bench.check(server)


def test_a_refusal_is_final_for_its_task_only(bench: Bench, server: ScriptedServer) -> None:
    """Row 18."""
    refusal = json.loads(completion(None))
    refusal["choices"][0]["message"]["refusal"] = "I cannot"
    server.follow(
        [
            Answer(body=json.dumps(refusal).encode()),
            Answer(body=completion(None, finish="content_filter")),
            Answer(body=b'{"status": "failed", "error": {"code": "image_parse_error"}}'),
        ]
    )
    summary = bench.run(server.base_url, pairs(6), concurrency=1)
    assert (summary.tally.refused, summary.tally.labelled) == (3, 3)
    assert bench.rejects() == ["refused", "filtered", "failed"]
    assert len(server.journal) == 6
    assert bench.run(server.base_url, pairs(6)).tally.total == 0


def test_a_cut_off_answer_is_asked_once_more_with_twice_the_cap(
    bench: Bench, server: ScriptedServer
) -> None:
    """Row 19: both are billed, and there is no third."""
    server.script = lambda seen: Answer(body=completion('{"cho', finish="length"))
    summary = bench.run(server.base_url, pairs(1))
    caps = [seen.json["max_completion_tokens"] for seen in server.journal]
    assert caps == [20, 40]
    assert bench.rejects() == ["length", "length"]
    assert bench.charged() == 2 * 110
    assert summary.tally.rejected == {"length": 1}
    bench.check(server)


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": -5, "completion_tokens": 3}, {"prompt_tokens": "many"}]
)
def test_an_answer_that_does_not_tell_its_cost_costs_the_reserve(
    bench: Bench, server: ScriptedServer, usage: Any
) -> None:
    """Row 29."""
    server.follow([Answer(body=completion(usage=usage))])
    summary = bench.run(server.base_url, pairs(1))
    assert (summary.tally.labelled, summary.tally.unpriced) == (1, 1)
    assert bench.charged() == summary.tally.spent_uusd == 140
    assert [kind for (kind,) in bench.rows("SELECT kind FROM event")] == ["cost_not_told"]


def test_another_model_than_before_pauses_the_run(bench: Bench, server: ScriptedServer) -> None:
    """Row 24: the label is kept with the name; going on takes a person's word."""

    def script(seen: Seen) -> Action:
        return Answer(body=completion(model="judge-1" if seen.number < 3 else "judge-2"))

    server.script = script
    summary = bench.run(server.base_url, pairs(20), concurrency=1)
    assert summary.exit_code == Exit.LATER
    assert "judge-2" in summary.reason
    assert len(server.journal) == 4
    served = bench.rows("SELECT served_model FROM attempt ORDER BY rowid")
    assert served == [("judge-1",)] * 3 + [("judge-2",)]
    bench.names = {"served": "judge-1"}
    assert bench.run(server.base_url, pairs(20), concurrency=1).exit_code == Exit.LATER
    assert len(server.journal) == 5, "a new process knows the name, too"
    bench.names = {"models": frozenset({"judge-1", "judge-2"})}
    assert bench.run(server.base_url, pairs(20)).exit_code == Exit.DONE


# ---- the server says no ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [
        (error(401, "invalid_api_key"), Exit.KEY),
        (error(403, "forbidden"), Exit.KEY),
        (error(429, "insufficient_quota"), Exit.QUOTA),
        (error(402, "insufficient_balance"), Exit.QUOTA),
        (Answer(307, headers={"Location": "http://127.0.0.1:1/"}), Exit.CONFIG),
    ],
)
def test_what_no_waiting_mends_ends_the_run_and_settles_what_is_in_flight(
    bench: Bench, server: ScriptedServer, answer: Answer, exit_code: Exit
) -> None:
    """Rows 21, 22 and 45: it comes in the middle, while seven good answers are on their way."""

    def script(seen: Seen) -> Action:
        return answer if seen.number == 5 else Answer(body=completion(), delay_s=0.1)

    server.script = script
    summary = bench.run(server.base_url, pairs(50), concurrency=8)
    assert summary.exit_code == exit_code
    assert len(server.journal) <= 5 + 8
    assert summary.tally.labelled == len(server.answered)
    assert set(bench.states()) == {"judged", "failed_free"}
    assert "bench-key" not in summary.reason
    server.follow([])
    assert bench.run(server.base_url, pairs(50)).exit_code == Exit.DONE
    assert bench.rows("SELECT count(*) FROM label") == [(50,)]
    bench.check(server)


def test_a_request_that_the_server_refuses_ends_its_task_and_the_others_go_on(
    bench: Bench, server: ScriptedServer
) -> None:
    """Row 31: an image too large for the server."""

    def script(seen: Seen) -> Action:
        return error(413, "too_large") if asked(seen)[-1] in "37" else Answer(body=completion())

    server.script = script
    summary = bench.run(server.base_url, pairs(32), concurrency=1)
    assert (summary.exit_code, summary.tally.labelled) == (Exit.GIVEN_UP, 28)
    assert summary.tally.rejected == {"too_large": 4}
    assert len(server.journal) == 32
    assert bench.charged() == 28 * 110


def test_paid_answers_that_are_no_use_end_the_run_as_given_up(
    bench: Bench, server: ScriptedServer
) -> None:
    server.script = lambda seen: Answer(body=completion(""))
    summary = bench.run(server.base_url, pairs(50), concurrency=1)
    assert (summary.exit_code, len(server.journal)) == (Exit.GIVEN_UP, 20)
    assert summary.tally.finished < summary.tally.total
    assert bench.charged() == 20 * 110


def test_empty_texts_without_a_token_end_the_run_and_take_nothing(
    bench: Bench, server: ScriptedServer
) -> None:
    server.script = lambda seen: Answer(body=completion("", completion_tokens=0))
    summary = bench.run(server.base_url, pairs(50), concurrency=1)
    assert (summary.exit_code, len(server.journal)) == (Exit.LATER, 5)
    assert (bench.charged(), bench.rejects()) == (0, [])
    server.follow([])
    assert bench.run(server.base_url, pairs(50)).tally.labelled == 50


def test_when_the_first_tasks_are_refused_alike_it_is_an_option(
    bench: Bench, server: ScriptedServer
) -> None:
    """Nothing is marked as final then: with the option corrected, everything is asked."""
    server.script = lambda seen: error(400, "unsupported_parameter")
    summary = bench.run(server.base_url, pairs(50), concurrency=1)
    assert summary.exit_code == Exit.CONFIG
    assert len(server.journal) == 3
    assert bench.rejects() == []
    server.follow([])
    assert bench.run(server.base_url, pairs(50)).tally.labelled == 50


def test_a_model_that_is_gone_ends_the_run_in_the_middle(
    bench: Bench, server: ScriptedServer
) -> None:
    """Row 23."""

    def script(seen: Seen) -> Action:
        return Answer(body=completion()) if seen.number < 10 else error(404, "model_not_found")

    server.script = script
    summary = bench.run(server.base_url, pairs(50), concurrency=1)
    assert (summary.exit_code, len(server.journal)) == (Exit.CONFIG, 13)
    assert bench.rejects() == []
    server.follow([])
    assert bench.run(server.base_url, pairs(50)).tally.labelled == 40


# ---- the budget, the end, the rest -----------------------------------------------------------


def test_spending_never_passes_the_budget_with_64_at_a_time(
    bench: Bench, server: ScriptedServer
) -> None:
    """Row 28: reserves that come back are used, and then it ends."""
    cap = 25 * 140
    server.script = lambda seen: Answer(body=completion(), delay_s=0.02)
    summary = bench.run(server.base_url, pairs(200), concurrency=64, cap_uusd=cap)
    assert summary.exit_code == Exit.CONFIG
    assert "budget" in summary.reason
    assert server.most_in_flight <= 25
    # as many as fit if each costs 110 and the last still needs 140 to begin
    assert summary.tally.labelled == (cap - 140) // 110 + 1
    bench.check(server, cap_uusd=cap)


def test_a_budget_between_reserve_and_cost_is_used_up(bench: Bench, server: ScriptedServer) -> None:
    """Row 28: 250 is less than two reserves, but one answer and another reserve."""
    summary = bench.run(server.base_url, pairs(10), cap_uusd=250)
    assert (summary.exit_code, summary.tally.labelled) == (Exit.CONFIG, 2)
    assert bench.charged() == 220


@pytest.mark.parametrize("cap", [0, 139])
def test_a_budget_below_one_reserve_sends_nothing(
    bench: Bench, server: ScriptedServer, cap: int
) -> None:
    """Row 28."""
    summary = bench.run(server.base_url, pairs(10), cap_uusd=cap)
    assert summary.exit_code == Exit.CONFIG
    assert server.journal == []


def test_stopping_waits_for_what_is_in_flight(bench: Bench, server: ScriptedServer) -> None:
    """Row 6: nothing is left in doubt."""

    async def interrupt(stop: Stop) -> None:
        while len(server.journal) < 8:
            await asyncio.sleep(0.005)
        stop.ask(Exit.INTERRUPTED, "stopped by test")

    server.script = lambda seen: Answer(body=completion(), delay_s=1.5)
    summary = bench.run(server.base_url, pairs(50), meanwhile=interrupt)
    assert summary.exit_code == Exit.INTERRUPTED
    assert summary.tally.labelled == len(server.answered) == 8
    assert bench.states().pop("judged") == 8
    assert set(bench.states()) <= {"judged", "failed_free"}, "reserved, but not sent any more"
    bench.check(server)


def test_a_task_that_cannot_be_built_reserves_nothing(bench: Bench, server: ScriptedServer) -> None:
    """Row 31: a broken image is left out, and the others go on."""
    broken = pairs(8)[3].key

    def build(task: Task, retry_with: str | None = None) -> Request:
        if task.key == broken:
            raise ImageError("left-3 is no image")
        return plain_build(task, retry_with)

    summary = bench.run(server.base_url, pairs(8), build=build)
    assert (summary.tally.labelled, summary.tally.skipped) == (7, 1)
    assert bench.rows("SELECT count(*) FROM attempt") == [(7,)]
    assert [kind for (kind,) in bench.rows("SELECT kind FROM event")] == ["not_built"]


def test_an_error_of_our_own_waits_for_what_is_paid_for(
    bench: Bench, server: ScriptedServer
) -> None:
    """A mistake in one task's code is raised, after the answers of the others are stored."""
    server.script = lambda seen: Answer(body=completion(), delay_s=0.2)
    broken = pairs(8)[3].key

    def build(task: Task, retry_with: str | None = None) -> Request:
        if task.key == broken:
            while len(server.journal) < 7:
                time.sleep(0.005)
            raise ZeroDivisionError("a mistake")
        return plain_build(task, retry_with)

    with pytest.raises(ZeroDivisionError):
        bench.run(server.base_url, pairs(8), concurrency=8, build=build)
    assert bench.states() == {"judged": 7}
