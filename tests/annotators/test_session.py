"""A session over a real socket; consistency and the line of progress."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from answers import answer, chat
from material import SIMULATED, backend, in_session, photographs, ring, rounds
from servers.simulated import SimulatedServer

from interestingness.annotators.engine.run_state import CallCounts, Exit, Summary
from interestingness.annotators.ledger.money import dollars
from interestingness.annotators.parsing import parse
from interestingness.annotators.preflight import Canary, PreflightError
from interestingness.annotators.prompting import Template
from interestingness.annotators.sent_images import ImageSource
from interestingness.annotators.session import Session, connect
from interestingness.annotators.simulated import SimulatedJudge, SimulatedSender
from interestingness.annotators.summary import Consistency, progress_text
from interestingness.annotators.tasks import pair_tasks
from interestingness.annotators.types import Reply, Request, Task
from interestingness.errors import ConfigError

TODAY = date(2026, 11, 24)


def whole_session(folder: Path, url: str, seen: list[str], **more: Any) -> tuple[Summary, int]:
    """Preflight and eight pairs over a socket; what came of it, and rows of votes."""
    judge = backend(base_url=url, model="simulated-judge", **more)
    canary = Canary.of(judge, Template.load("pair-1"), today=TODAY)
    sources = {n: ImageSource.read(n, p) for n, p in photographs(folder / "p", 8).items()}
    ways = rounds()
    tasks = pair_tasks(judge, ways, ring(list(sources)), sources).tasks

    async def ask(session: Session) -> tuple[Summary, int]:
        async with connect(judge) as server:
            session.server = server
            fit = await session.preflight(canary, today=TODAY)
            assert session.meter.measured["pair"] == fit.prompt_tokens
            ended = await session.ask(
                tasks, fit, progress=lambda t, c: seen.append(progress_text(t, c, dollars))
            )
            return ended, session.ledger.table("votes", tasks).num_rows

    nobody = SimulatedSender(SimulatedJudge(**SIMULATED))
    prompts = [way.prompt for way in ways]
    material = {"prompts": prompts, "sources": sources, "measured": [canary.prompt]}
    return in_session(folder / "l.sqlite", judge, nobody, ask, **material)


def test_over_a_socket_every_request_is_in_the_ledger(tmp_path: Path) -> None:
    seen: list[str] = []
    with SimulatedServer(SimulatedJudge(**SIMULATED)) as server:
        ended, rows = whole_session(tmp_path, server.base_url, seen)
        assert (ended.exit_code, ended.tally.labelled, rows) == (0, 16, 16)
        assert len(server.journal) == 16 + 3
    assert seen[-1].startswith("16 of 16") and "$" in seen[-1] and "consistent" in seen[-1]


class Renamed(SimulatedSender):
    """The simulated judge under a name of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(SimulatedJudge(**SIMULATED))
        self.name = name

    async def send(self, request: Request, *, attempt_id: str, deadline_s: float) -> Any:
        reply = await super().send(request, attempt_id=attempt_id, deadline_s=deadline_s)
        assert isinstance(reply, Reply)
        return Reply(200, json.dumps({**json.loads(reply.body), "model": self.name}).encode())


def test_another_model_is_noticed_in_the_next_process_too(tmp_path: Path) -> None:
    sources = {n: ImageSource.read(n, p) for n, p in photographs(tmp_path / "p", 8).items()}
    ways = rounds()

    def session(name: str, day: date, n: int, **more: Any) -> Summary:
        judge = backend(model="simulated-judge", **more)
        tasks = pair_tasks(judge, ways, ring(list(sources)), sources).tasks[:n]
        canary = Canary.of(judge, Template.load("pair-1"), today=day)

        async def ask(session: Session) -> Summary:
            return await session.ask(tasks, await session.preflight(canary, today=day))

        prompts = [way.prompt for way in ways]
        material = {"prompts": prompts, "sources": sources, "measured": [canary.prompt]}
        return in_session(tmp_path / "l.sqlite", judge, Renamed(name), ask, **material)

    tomorrow = date(2026, 11, 25)
    assert session("judge-may", TODAY, 4).tally.labelled == 4
    for _ in range(2):  # what the first one bought from the other model changes nothing
        ended = session("judge-june", TODAY, 16)  # the day's preflight is not asked again
        assert ended.exit_code == Exit.LATER and "from judge-may and now" in ended.reason
        assert ended.tally.labelled >= 1
    with pytest.raises(PreflightError, match="from judge-may and now come from judge-june"):
        session("judge-june", tomorrow, 16)
    allowed = session("judge-june", tomorrow, 16, models=["judge-june"])
    assert allowed.exit_code == Exit.DONE


def test_the_key_is_in_no_file_and_in_no_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = "sk-local-0123456789abcdef"
    monkeypatch.setenv("TEST_KEY", key)
    caplog.set_level("DEBUG")
    seen: list[str] = []
    with SimulatedServer(SimulatedJudge(**SIMULATED)) as server:
        keyed = {"key_env": "TEST_KEY", "hosts": ["127.0.0.1"]}
        ended, rows = whole_session(tmp_path, server.base_url, seen, **keyed)
        assert (ended.exit_code, rows) == (0, 16)
        assert server.keys == {key}, "it did reach the server"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8 and not any(key.encode() in path.read_bytes() for path in files)
    told = capfd.readouterr()
    assert key not in told.out + told.err + caplog.text + "".join(seen)


def test_a_key_is_asked_for_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_KEY", raising=False)
    keyed = backend(base_url="https://a.example/v1", model="m", key_env="TEST_KEY", hosts=["b"])

    async def go() -> None:
        async with connect(keyed):
            raise AssertionError("connected without a key")

    with pytest.raises(ConfigError, match="the environment has no TEST_KEY"):
        asyncio.run(go())
    monkeypatch.setenv("TEST_KEY", "secret")
    with pytest.raises(ConfigError, match=r"may not go to a\.example"):
        asyncio.run(go())


def pair(pair_id: str, first: str, **more: Any) -> Task:
    subject = {"pair_id": pair_id, "first": first, "rater_id": "m", "question": "q", "sample": 0}
    return Task.of("pair", {"images": [pair_id, first]}, {**subject, **more})


def test_consistency_counts_pairs_with_the_same_winner_in_both_orders() -> None:
    watch = Consistency(parse)
    for task, choice in (
        (pair("a", "left"), "first"),
        (pair("b", "left"), "second"),
        (pair("a", "right"), "second"),
        (pair("b", "right"), "second"),
        (pair("a", "left", sample=1), "first"),
    ):
        assert watch(task, chat(answer(choice)))[0].choice == choice  # type: ignore[union-attr]
    watch(pair("c", "left"), chat("nonsense"))
    assert (watch.same, watch.both) == (1, 2)
    assert str(watch) == "consistent 50 %" and str(Consistency(parse)) == ""


def test_the_line_of_progress_tells_what_goes_wrong() -> None:
    tally = CallCounts(total=100, labelled=40, refused=3, rejected={"invalid_json": 2}, in_doubt=1)
    tally.spent_uusd = 900_000
    said = progress_text(tally, Consistency(parse, same=3, both=4), dollars)
    for part in ("46 of 100", "$0.90 so far", "$1.08 to come", "3 refused", "3 unusable", "75 %"):
        assert part in said, part
    assert "$" not in progress_text(CallCounts(total=5), Consistency(parse), dollars)
