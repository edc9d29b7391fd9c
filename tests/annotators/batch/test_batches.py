"""Batches against a provider in memory: rows 36 to 39 of docs/fault_table.md."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from batches import Batches
from bench import Bench, pairs
from servers.provider import Ending, Provider, answer_line, completed, error_line
from servers.scripted import Answer, Cut, ScriptedServer, completion, error

from interestingness.annotators.batch.lifecycle import BatchRun
from interestingness.annotators.batch.lines import read_lines, request_line
from interestingness.annotators.engine.run_state import Exit
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Request

LABELS = "SELECT count(*) FROM label"


def test_a_batch_from_beginning_to_end(batches: Batches, bench: Bench, provider: Provider) -> None:
    summary = batches.run(pairs(30))
    assert (summary.exit_code, summary.tally.labelled) == (Exit.DONE, 30)
    assert bench.states() == {"judged": 30}
    assert bench.charged() == summary.tally.spent_uusd == 30 * 110
    assert batches.parts() == [("done", "batch-1")]
    assert provider.batches["batch-1"]["endpoint"] == "/v1/chat/completions"
    assert batches.run(pairs(30)).tally.total == 0
    assert len(provider.batches) == 1
    assert bench.rows("PRAGMA integrity_check") == [("ok",)]


def test_either_way_of_asking_satisfies_the_same_task(
    batches: Batches, bench: Bench, server: ScriptedServer
) -> None:
    """Asked in a batch, it is not asked singly, nor the other way round, nor while it waits."""
    batches.run(pairs(10), wait=False)
    with ScriptedServer() as single:
        waiting = bench.run(single.base_url, pairs(12))
        assert (waiting.tally.labelled, len(single.journal)) == (2, 2)
        assert batches.run(pairs(14)).tally.labelled == 12
        assert bench.run(single.base_url, pairs(14)).tally.total == 0
    assert bench.rows(LABELS) == [(14,)]


def test_a_run_that_does_not_wait_is_taken_up_by_the_next(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    summary = batches.run(pairs(10), wait=False)
    assert summary.exit_code == Exit.INTERRUPTED
    assert bench.states() == {"open": 10}
    assert batches.run(pairs(10)).exit_code == Exit.DONE
    assert len(provider.batches) == 1
    assert bench.rows(LABELS) == [(10,)]


# ---- row 36: crashes --------------------------------------------------------------------------


class Crash(BaseException):
    """The process is gone; nothing of ours may catch it."""


STEPS = ["_upload", "_create", "_take_in"]


def crashing(monkeypatch: pytest.MonkeyPatch, where: str, before_the_ledger_knows: bool) -> None:
    """Die in a step: after its work, just before or just after the ledger is told."""
    step, move = getattr(BatchRun, where), Ledger.move_part
    inside = [False]

    async def dying_move(self: Ledger, name: str, state: str, **facts: Any) -> None:
        fatal = inside[0] and not (where == "_create" and state == "uploaded")
        if not (fatal and before_the_ledger_knows):
            await move(self, name, state, **facts)
        if fatal:
            raise Crash

    async def watched(self: BatchRun, *given: Any) -> Any:
        inside[0] = True
        return await step(self, *given)

    monkeypatch.setattr(Ledger, "move_part", dying_move)
    monkeypatch.setattr(BatchRun, where, watched)


@pytest.mark.parametrize("before_the_ledger_knows", [True, False])
@pytest.mark.parametrize("where", STEPS)
def test_a_crash_anywhere_is_taken_up_and_nothing_is_asked_twice(
    batches: Batches, bench: Bench, provider: Provider, where: str, before_the_ledger_knows: bool
) -> None:
    """Row 36: one batch, one answer for each task, whatever step the process died in."""
    with pytest.MonkeyPatch.context() as patch:
        crashing(patch, where, before_the_ledger_knows)
        with pytest.raises(Crash):
            batches.run(pairs(20))
    summary = batches.run(pairs(20))
    assert summary.exit_code == Exit.DONE
    assert bench.rows(LABELS) == [(20,)]
    assert len(provider.batches) == 1
    assert bench.states().get("judged") == 20
    assert bench.charged() == 20 * 110
    assert {state for state, _ in batches.parts()} <= {"done", "abandoned"}


def test_a_crash_in_the_middle_of_the_intake(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    """Row 36: half of the answers are stored and not parsed when the process dies."""
    received, count = Ledger.received, [0]

    async def dying(self: Ledger, attempt_id: str, reply: Any) -> bool:
        count[0] += 1
        if count[0] == 10:
            raise Crash
        return await received(self, attempt_id, reply)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "received", dying)
        with pytest.raises(Crash):
            batches.run(pairs(20))
    assert batches.run(pairs(20)).exit_code == Exit.DONE
    assert bench.rows(LABELS) == [(20,)]
    assert len(provider.batches) == 1


@pytest.mark.parametrize("after", [0, 30])
def test_the_answer_to_a_creation_is_lost(
    batches: Batches, bench: Bench, provider: Provider, after: int
) -> None:
    """The batch exists: it is found by its metadata and adopted."""
    provider.faults = [("POST /v1/batches", Cut(b"{}", after=after))]
    assert batches.run(pairs(5)).exit_code == Exit.DONE
    assert len(provider.batches) == 1
    assert bench.rows(LABELS) == [(5,)]


def test_a_list_that_lags_behind_is_asked_twice(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    """The batch exists and is not listed yet: after a while it is looked for once more."""
    provider.faults = [("POST /v1/batches", Cut(b"{}"))]
    provider.unlisted = 1
    assert batches.run(pairs(5)).exit_code == Exit.DONE
    assert len(provider.batches) == 1
    assert bench.rows(LABELS) == [(5,)]


def test_an_adopted_batch_may_be_pages_away(batches: Batches, provider: Provider) -> None:
    provider.page = 2
    for i in range(9):
        provider.batches[f"other-{i}"] = {"id": f"other-{i}", "metadata": {"shard": "not ours"}}
    provider.faults = [("POST /v1/batches", Cut(b"{}"))]
    assert batches.run(pairs(5)).exit_code == Exit.DONE
    assert [name for name in provider.batches if name.startswith("batch-")] == ["batch-10"]


# ---- row 37: how batches end -------------------------------------------------------------------


def half(status: str) -> Ending:
    """Half of the answers are there; with the rest nothing happened, or nobody knows."""
    endings: Iterator[str] = iter([status])

    def ending(ids: list[str]) -> tuple[str, bytes | None, bytes | None]:
        now = next(endings, None)
        if now is None:
            return completed(ids)
        return now, b"".join(answer_line(i) for i in ids[: len(ids) // 2]), None

    return ending


@pytest.mark.parametrize("status", ["expired", "cancelled", "failed"])
def test_what_was_not_carried_out_is_free_and_asked_again(
    batches: Batches, bench: Bench, provider: Provider, status: str
) -> None:
    """Row 37: finished answers are kept, the others go into another batch of the same run."""
    provider.ending = half(status)
    summary = batches.run(pairs(20))
    assert summary.exit_code == Exit.DONE
    assert bench.states() == {"judged": 20, "failed_free": 10}
    assert bench.charged() == 20 * 110
    assert len(provider.batches) == 2


def test_a_batch_that_is_refused_as_a_whole_says_why(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    """It is not handed in again and again; with the option corrected everything is asked."""

    def ending(ids: list[str]) -> tuple[str, bytes | None, bytes | None]:
        provider.batches["batch-1"]["errors"] = {"data": [{"code": "invalid_json_line"}]}
        return "failed", None, None

    provider.ending = ending
    summary = batches.run(pairs(5))
    assert summary.exit_code == Exit.CONFIG
    assert "invalid_json_line" in summary.reason
    assert len(provider.batches) == 1
    assert bench.states() == {"failed_free": 5}
    provider.ending = completed
    assert batches.run(pairs(5)).tally.labelled == 5


def test_what_is_missing_in_a_complete_batch_is_in_doubt(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    provider.ending = half("completed")
    summary = batches.run(pairs(20))
    assert (summary.tally.labelled, summary.tally.in_doubt) == (10, 10)
    assert bench.states() == {"judged": 10, "in_doubt": 10}
    assert len(provider.batches) == 1
    assert any("10 requests without an answer" in said for said in batches.said)


@pytest.mark.parametrize("output", [None, b""])
def test_only_an_error_file(
    batches: Batches, bench: Bench, provider: Provider, output: bytes | None
) -> None:
    """The id of the output file is absent, or an empty text."""

    def ending(ids: list[str]) -> tuple[str, bytes | None, bytes | None]:
        lines = [error_line(i, "server_error") for i in ids[:-1]]
        lines.append(answer_line(ids[-1], b'{"error": {"code": "bad_image"}}', status=400))
        return "completed", output, b"".join(lines)

    provider.ending = ending
    summary = batches.run(pairs(5))
    assert summary.tally.rejected["http_400"] >= 1
    assert bench.states()["failed_free"] >= 4
    assert summary.exit_code == Exit.LATER
    assert "tasks without an answer: 4" in summary.reason
    assert bench.charged() == 0
    assert bench.rows(LABELS) == [(0,)]


def test_a_file_with_everything_that_can_be_wrong_in_it(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    """Row 37 and 12: shuffled, twice, unknown, not JSON, without id, cut short at the end."""

    def ending(ids: list[str]) -> tuple[str, bytes | None, bytes | None]:
        other = completion('{"choice": "second", "reason": "the other copy"}')
        lines = [answer_line(i) for i in reversed(ids[:-1])]
        lines.insert(3, answer_line(ids[0], other))
        lines.insert(0, answer_line("somebody-elses-1"))
        lines.insert(5, b"\n")
        lines.insert(6, b"no json\n")
        lines.insert(7, b'{"custom_id": 5}\n')
        return "completed", b"".join(lines) + answer_line(ids[-1])[:40], None

    provider.ending = ending
    batches.run(pairs(10))
    assert bench.states() == {"judged": 9, "in_doubt": 1}
    kinds = [kind for (kind,) in bench.rows("SELECT kind FROM event ORDER BY kind")]
    assert kinds.count("unknown_in_batch") == 1
    assert kinds.count("unreadable_in_batch") == 3
    assert kinds.count("late_reply") == 1
    assert bench.rows("SELECT count(*) FROM label WHERE reason = 'the other copy'") == [(1,)]
    assert bench.rows(LABELS) == [(9,)]


def test_the_same_file_twice_changes_nothing(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    """The intake is idempotent, also after everything was judged."""
    batches.run(pairs(10))
    before = bench.rows("SELECT * FROM label ORDER BY key"), bench.charged()
    name = bench.rows("SELECT shard FROM batch")[0][0]

    async def again() -> None:
        with bench.open() as ledger:
            await ledger.move_part(name, "ended")

    asyncio.run(again())
    batches.run(pairs(10))
    assert (bench.rows("SELECT * FROM label ORDER BY key"), bench.charged()) == before


# ---- row 38: sizes -----------------------------------------------------------------------------


def test_too_many_for_one_file_are_split(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    batches.limits = replace(batches.limits, requests=7)
    assert batches.run(pairs(20)).exit_code == Exit.DONE
    sizes = [len(f["content"].splitlines()) for f in provider.files.values()][:3]
    assert sorted(sizes) == [6, 7, 7]
    assert bench.rows(LABELS) == [(20,)]


def test_too_large_for_one_file_is_split(batches: Batches, provider: Provider) -> None:
    batches.limits = replace(batches.limits, bytes=3000)
    assert batches.run(pairs(20)).exit_code == Exit.DONE
    uploads = [f for f in provider.files.values() if f["filename"] != "output.jsonl"]
    assert len(uploads) > 2
    assert max(f["bytes"] for f in uploads) <= 3000


def test_too_much_is_waiting_already(batches: Batches, bench: Bench, provider: Provider) -> None:
    """Told when the batch is made, or when it has failed: it is tried again, not given up."""
    failed = {"data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit"}]}
    looks = [0]

    def ending(ids: list[str]) -> tuple[str, bytes | None, bytes | None]:
        looks[0] += 1
        if looks[0] == 1:
            provider.batches["batch-1"]["errors"] = failed
            return "failed", None, None
        return completed(ids)

    provider.ending = ending
    provider.faults = [
        *[("POST /v1/batches", error(429, "rate_limit"))] * 4,
        ("POST /v1/batches", error(400, "token_limit_exceeded")),
    ]
    assert batches.run(pairs(5)).exit_code == Exit.DONE
    assert len(provider.batches) == 2
    assert bench.states() == {"judged": 5}
    assert sum("takes no more batches" in said for said in batches.said) == 6


# ---- row 39 and the rest -----------------------------------------------------------------------


def test_the_key_of_another_project(batches: Batches, bench: Bench, provider: Provider) -> None:
    """Row 39: it says so, and everything stays as it was."""
    provider.key = batches.key
    batches.run(pairs(5), wait=False)
    batches.key = "key-of-another-project"
    summary = batches.run(pairs(5))
    assert summary.exit_code == Exit.KEY
    assert "not known to this key" in summary.reason
    assert bench.states() == {"open": 5}
    assert len(provider.batches) == 1
    batches.key = provider.key
    assert batches.run(pairs(5)).exit_code == Exit.DONE


def test_calls_that_may_be_repeated_are(batches: Batches, bench: Bench, provider: Provider) -> None:
    provider.faults = [
        ("POST /v1/files", error(500)),
        ("POST /v1/files", Cut(b"{}")),
        ("GET /v1/batches/.*", error(503)),
        ("GET /v1/files/.*/content", Cut(b"x" * 500, after=100)),
        ("GET /v1/files/.*/content", error(429, retry_after_ms="10")),
    ]
    assert batches.run(pairs(5)).exit_code == Exit.DONE
    assert bench.rows(LABELS) == [(5,)]
    assert len(provider.batches) == 1


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [(error(401, "invalid_api_key"), Exit.KEY), (error(429, "insufficient_quota"), Exit.QUOTA)],
)
def test_a_no_ends_the_run_and_the_next_goes_on(
    batches: Batches, bench: Bench, provider: Provider, answer: Answer, exit_code: Exit
) -> None:
    provider.faults = [("POST /v1/batches", answer)]
    assert batches.run(pairs(5)).exit_code == exit_code
    assert provider.batches == {}
    assert bench.states() == {"failed_free": 5}
    assert batches.run(pairs(5)).exit_code == Exit.DONE


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
def test_what_is_certainly_refused_is_given_back(
    batches: Batches, bench: Bench, provider: Provider, path: str
) -> None:
    """Nothing waits for a batch that never was: the tasks may be asked singly, too."""
    provider.faults = [(f"POST {path}", error(400, "no_batches_here"))]
    summary = batches.run(pairs(5))
    assert summary.exit_code == Exit.CONFIG
    assert "no_batches_here" in summary.reason
    assert bench.states() == {"failed_free": 5}
    assert bench.charged() == 0
    assert batches.parts() == [("failed", None)]
    with ScriptedServer() as single:
        assert bench.run(single.base_url, pairs(5)).tally.labelled == 5


def test_a_crash_while_a_refused_batch_is_given_back(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    async def dying(self: BatchRun, *given: Any) -> None:
        raise Crash

    provider.faults = [("POST /v1/files", error(400))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchRun, "_give_back", dying)
        with pytest.raises(Crash):
            batches.run(pairs(5))
    assert batches.run(pairs(5)).exit_code == Exit.DONE
    assert bench.states() == {"failed_free": 5, "judged": 5}
    assert [state for state, _ in batches.parts()] == ["abandoned", "done"]


def test_a_refusal_after_a_lost_answer_gives_nothing_back(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    """The batch that was asked for first exists, and is not listed yet."""
    provider.faults = [("POST /v1/batches", Cut(b"{}")), ("POST /v1/batches", error(400))]
    provider.unlisted = 2
    assert batches.run(pairs(5)).exit_code == Exit.CONFIG
    assert bench.states() == {"open": 5}
    assert batches.run(pairs(5)).exit_code == Exit.DONE
    assert (len(provider.batches), bench.rows(LABELS)) == (1, [(5,)])


def test_a_batch_keeps_to_the_budget(batches: Batches, bench: Bench, provider: Provider) -> None:
    summary = batches.run(pairs(20), cap_uusd=10 * 140)
    assert bench.charged() <= 10 * 140
    assert summary.tally.labelled >= 10
    assert any("budget" in said for said in batches.said)


def test_answers_that_are_no_use_go_into_another_batch(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    """And what was cut off gets twice the cap there."""
    bodies = iter([completion('{"ch', finish="length"), completion()])

    def ending(ids: list[str]) -> tuple[str, bytes | None, bytes | None]:
        return "completed", answer_line(ids[0], next(bodies)), None

    provider.ending = ending
    assert batches.run(pairs(1)).tally.labelled == 1
    uploads = [f for f in provider.files.values() if f["filename"] != "output.jsonl"]
    caps = [json.loads(f["content"])["body"]["max_completion_tokens"] for f in uploads]
    assert caps == [20, 40]


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": 502, "message": "upstream"}}',
        b'{"error": {"code": 503, "message": "loading"}}',
        b'""',
        completion(finish="error"),
    ],
)
def test_an_outage_inside_an_output_file_is_free_and_asked_again(
    batches: Batches, bench: Bench, provider: Provider, body: bytes
) -> None:
    bodies = iter([body, completion()])

    def ending(ids: list[str]) -> tuple[str, bytes | None, bytes | None]:
        return "completed", answer_line(ids[0], next(bodies)), None

    provider.ending = ending
    assert batches.run(pairs(1)).exit_code == Exit.DONE
    assert bench.states() == {"failed_free": 1, "judged": 1}
    assert bench.charged() == 110


def test_tasks_that_are_given_up_in_batches_are_in_the_exit_status(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    def ending(ids: list[str]) -> tuple[str, bytes | None, bytes | None]:
        return "completed", b"".join(answer_line(i, completion("no")) for i in ids), None

    provider.ending = ending
    assert batches.run(pairs(2)).exit_code == Exit.GIVEN_UP
    assert bench.rejects() == ["invalid_json"] * 6
    assert batches.run(pairs(2)).exit_code == Exit.DONE


def test_stopping_leaves_the_batches_to_the_provider(
    batches: Batches, bench: Bench, provider: Provider
) -> None:
    provider.polls = 10**9
    assert batches.run(pairs(5), looks=3).exit_code == Exit.INTERRUPTED
    assert bench.states() == {"open": 5}
    provider.polls = 0
    assert batches.run(pairs(5)).exit_code == Exit.DONE
    assert len(provider.batches) == 1


# ---- lines -------------------------------------------------------------------------------------


def test_a_line_holds_the_body_as_it_is() -> None:
    line = request_line("a-1", Request("/chat/completions", b'{"x":  1.50, "y": "\\u00e9"}'))
    assert line.endswith(b'"body": {"x":  1.50, "y": "\\u00e9"}}\n')
    assert json.loads(line)["url"] == "/v1/chat/completions"
    with pytest.raises(ValueError, match="one line"):
        request_line("a-1", Request("/x", b"{\n}"))


def test_lines_of_answers() -> None:
    content = (
        answer_line("a-1") + b"\n\xff\n[]\n" + error_line("a-2", "batch_expired") + b"[" * 9999
    )
    lines = list(read_lines(content))
    assert [line.attempt_id for line in lines] == ["a-1", None, None, "a-2", None]
    assert (lines[3].reply, lines[3].error) == (None, "batch_expired")
    assert lines[1].error.endswith("\ufffd")
