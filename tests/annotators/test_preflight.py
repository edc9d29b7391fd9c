"""Unfit judges are refused before any label is bought (fault rows 23, 29, 33, 34)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from material import SIMULATED, backend, in_session, photographs, ring, rounds

from interestingness.annotators.engine.breaker import BUSY_IN_A_ROW
from interestingness.annotators.listing import check_listing
from interestingness.annotators.preflight import (
    Canary,
    Fitness,
    PreflightError,
)
from interestingness.annotators.prompting import Template
from interestingness.annotators.sent_images import ImageSource
from interestingness.annotators.session import Session
from interestingness.annotators.simulated import SimulatedJudge, SimulatedSender
from interestingness.annotators.tasks import pair_tasks
from interestingness.annotators.types import Failure, Reply, Request

TODAY = date(2026, 11, 24)


class Server(SimulatedSender):
    """A simulated judge, and what is done to its replies on the way."""

    def __init__(self, edit: Any = None, models: Reply | Failure | None = None, **judge: Any):
        super().__init__(SimulatedJudge(**{**SIMULATED, **judge}))
        self.edit, self.models = edit, models

    async def send(self, request: Request, *, attempt_id: str, deadline_s: float) -> Any:
        reply = await super().send(request, attempt_id=attempt_id, deadline_s=deadline_s)
        if self.edit is None or not isinstance(reply, Reply):
            return reply
        body = self.edit(json.loads(request.body), json.loads(reply.body))
        return body if isinstance(body, Reply) else Reply(reply.status, json.dumps(body).encode())

    async def get(self, path: str, *, deadline_s: float) -> Any:
        return self.models or await super().get(path, deadline_s=deadline_s)


def preflight(folder: Path, server: Server, **changes: Any) -> Fitness:
    """The preflight, through a ledger."""
    judge = backend(**changes)
    canary = Canary.of(judge, Template.load("pair-1"), today=TODAY)

    async def examine(session: Session) -> Fitness:
        found = await session.preflight(canary, today=TODAY)
        tables = [session.ledger.table(kind).num_rows for kind in ("votes", "judgments")]
        assert tables == [0, 0], "the preflight leaves no votes"
        return found

    return in_session(folder / "ledger.sqlite", judge, server, examine, measured=[canary.prompt])


def test_a_fit_judge(tmp_path: Path) -> None:
    server = Server()
    found = preflight(tmp_path, server)
    assert found.structured == "json_schema" and found.probabilities
    assert found.prompt_tokens and found.completion_tokens and found.notes == ()
    assert server.asked == 3
    assert preflight(tmp_path, server) == found
    assert server.asked == 3, "a day's result is not asked for again"


def test_the_ladder_goes_down_to_what_works(tmp_path: Path) -> None:
    server = Server(modes=("json_object", "text"))
    found = preflight(tmp_path, server)
    assert found.structured == "json_object_schema"
    assert found.notes[0].startswith("does not work here: json_schema")
    assert server.asked == 4
    last = preflight(tmp_path / "b", Server(modes=("text",)), structured=["json_schema", "prompt"])
    assert last.structured == "prompt"


def test_a_schema_that_ends_in_status_500_is_one_rung_not_a_loop(tmp_path: Path) -> None:
    def edit(request: Any, body: Any) -> Any:
        wanted = (request.get("response_format") or {}).get("type")
        return Reply(500, b'{"error": {"message": "grammar"}}') if wanted == "json_schema" else body

    server = Server(edit)
    assert preflight(tmp_path, server).structured == "json_object_schema"
    assert server.asked == 4


def test_one_canvas(tmp_path: Path) -> None:
    assert preflight(tmp_path, Server(), images_per_message=1).structured == "json_schema"


def test_a_judge_without_eyes_is_refused(tmp_path: Path) -> None:
    server = Server(sees=False)
    with pytest.raises(PreflightError, match="which of two squares is blue"):
        preflight(tmp_path, server)
    assert server.asked == 3


def test_a_server_that_turns_the_order_is_refused(tmp_path: Path) -> None:
    class Turned(Server):
        async def send(self, request: Request, **more: Any) -> Any:
            body = json.loads(request.body)
            content = body["messages"][-1]["content"]
            places = [i for i, part in enumerate(content) if part["type"] == "image_url"]
            images = [content[i] for i in places]
            for place, image in zip(places, images[::-1], strict=True):
                content[place] = image
            return await super().send(Request(request.path, json.dumps(body).encode()), **more)

    with pytest.raises(PreflightError, match="said first where it was the second"):
        preflight(tmp_path, Turned())


def test_a_server_that_ignores_the_cap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="16 tokens at most"):
        preflight(tmp_path, Server(caps=False))


def test_a_paid_server_must_count_and_a_free_one_need_not(tmp_path: Path) -> None:
    def uncounted(request: Any, body: Any) -> Any:
        return {**body, "usage": None}

    with pytest.raises(PreflightError, match="does not count tokens"):
        preflight(tmp_path, Server(uncounted))
    free = preflight(tmp_path / "b", Server(uncounted), price={"prompt": 0, "completion": 0})
    assert free.prompt_tokens is None
    assert any("whether the cap is kept is not known" in note for note in free.notes)


def test_what_is_worth_knowing_is_noted(tmp_path: Path) -> None:
    def plain(request: Any, body: Any) -> Any:
        for choice in body["choices"]:
            choice.pop("logprobs", None)
        usage = {**body["usage"], "prompt_tokens": 50}
        return {**body, "model": "another-model", "usage": usage}

    notes = preflight(tmp_path, Server(plain)).notes
    said = " ".join(notes)
    assert "no usable log-probabilities" in said
    assert "images are not counted" in said
    assert "answers come from another-model" in said


def test_a_judge_that_never_answers_in_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="no usable answer in any way") as error:
        preflight(tmp_path, Server(invalid=1.0), structured=["json_schema", "prompt"])
    assert "prompt: invalid_json" in str(error.value)


def test_a_refused_key_and_a_silent_server_have_exit_codes(tmp_path: Path) -> None:
    with pytest.raises(PreflightError) as key:
        preflight(tmp_path, Server(models=Reply(401, b"{}")))
    with pytest.raises(PreflightError) as silent:
        preflight(tmp_path, Server(models=Failure("free", "connection refused")))
    assert (key.value.exit_code, silent.value.exit_code) == (77, 75)


def test_a_lost_answer_is_no_unusable_one(tmp_path: Path) -> None:
    server = Server(lambda request, body: Reply(504, b"upstream timed out"))
    for asked in (1, 1):
        with pytest.raises(PreflightError, match="may have been paid") as lost:
            preflight(tmp_path, server)
        assert "in_doubt=rebuy" in str(lost.value) and lost.value.exit_code == 75
        assert server.asked == asked, "no other way of asking is tried, nothing is bought again"


@pytest.mark.parametrize(
    "outage",
    [
        Reply(503, b'{"error": {"message": "Loading model"}}'),
        Reply(502, b"bad gateway"),
        Reply(200, b'{"error": {"code": 502, "message": "upstream"}}'),
        Reply(200, b"<html>maintenance</html>"),
    ],
)
@pytest.mark.parametrize("outages", [1, 999])
def test_an_outage_is_waited_for_and_leaves_the_ladder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outage: Reply, outages: int
) -> None:
    for module in ("session", "engine.pacing"):
        monkeypatch.setattr(f"interestingness.annotators.{module}.backoff", lambda n, rng: 0.0)
    left = [outage] * outages
    server = Server(lambda request, body: left.pop() if left else body)
    if outages == 1:
        assert preflight(tmp_path, server).structured == "json_schema"
        return
    with pytest.raises(PreflightError) as error:
        preflight(tmp_path, server)
    waits = BUSY_IN_A_ROW if outage.status == 503 else 3
    assert (error.value.exit_code, server.asked) == (75, waits)


def refusing(*options: str, sentence: str = "Unsupported parameter: '{}'") -> Any:
    """Refuse requests that have one of these fields, one at a time, in the provider's words."""

    def edit(request: Any, body: Any) -> Any:
        for name in options:
            if name in request:
                said = {"message": sentence.format(name), "param": name, "code": "unsupported"}
                return Reply(400, json.dumps({"error": said}).encode())
        return body

    return edit


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        (["max_tokens"], 1),
        (["temperature"], 1),
        (["logprobs"], 1),
        (["top_logprobs"], 1),
        (["seed"], 1),
        (["max_tokens", "temperature", "logprobs"], 3),
    ],
)
def test_an_option_that_the_server_refuses_by_name_is_left_out_and_said(
    tmp_path: Path, options: list[str], calls: int
) -> None:
    server = Server(refusing(*options))
    more: dict[str, Any] = {
        "cap_name": "max_tokens",
        "parameters": {"temperature": 0, "seed": 1, "logprobs": True, "top_logprobs": 5},
    }
    found = preflight(tmp_path, server, **more)
    assert found.structured == "json_schema" and server.asked == calls + 3
    assert not set(options) & {found.backend.cap_name, *found.backend.parameters}
    assert found.probabilities is not any("logprobs" in name for name in options)
    for name in options:
        assert any(f"Unsupported parameter: '{name}'" in note for note in found.notes)
    again = preflight(tmp_path, server, **more)
    assert again == found
    assert server.asked == calls + 3 + calls, "refusals cost nothing, answers are not bought again"


@pytest.mark.parametrize("code", [400, 415, 422])
def test_the_server_s_own_sentence_is_shown_once(tmp_path: Path, code: int) -> None:
    said = json.dumps({"error": {"message": "this model takes no images"}}).encode()
    with pytest.raises(PreflightError) as error:
        preflight(tmp_path, Server(lambda request, body: Reply(code, said)))
    assert error.value.found.count("this model takes no images") == 1


def test_what_was_left_out_is_left_out_of_all_requests(tmp_path: Path) -> None:
    sent: list[Any] = []

    def edit(request: Any, body: Any) -> Any:
        sent.append(request)
        return refusing("temperature")(request, body)

    judge = backend(parameters={"temperature": 0})
    canary = Canary.of(judge, Template.load("pair-1"), today=TODAY)
    sources = {n: ImageSource.read(n, p) for n, p in photographs(tmp_path / "p", 3).items()}
    ways = rounds()
    tasks = pair_tasks(judge, ways, ring(list(sources)), sources).tasks

    async def ask(session: Session) -> int:
        fit = await session.preflight(canary, today=TODAY)
        await session.ask(tasks, fit)
        return session.ledger.need(tasks).labelled

    prompts = [way.prompt for way in ways]
    material = {"prompts": prompts, "sources": sources, "measured": [canary.prompt]}
    assert in_session(tmp_path / "l.sqlite", judge, Server(edit), ask, **material) == 6
    assert ["temperature" in request for request in sent] == [True] + [False] * (3 + 6)


@pytest.mark.parametrize("thinking", [None, 380])
def test_a_cap_that_thinking_uses_up_is_told_with_a_larger_one(
    tmp_path: Path, thinking: int | None
) -> None:
    def edit(request: Any, body: Any) -> Any:
        cap = request["max_completion_tokens"]
        body["choices"][0] |= {"finish_reason": "length", "message": {"content": ""}}
        details = {"completion_tokens_details": {"reasoning_tokens": thinking}}
        body["usage"] |= {"completion_tokens": cap, **details}
        return body

    with pytest.raises(PreflightError) as error:
        preflight(tmp_path, Server(edit), structured=["prompt"])
    assert "++annotator.cap=1600" in error.value.todo  # twice 200 tokens were not enough
    assert ("380 of them thinking" in error.value.found) is (thinking is not None)


def test_an_answer_that_nearly_fills_the_cap_is_noted(tmp_path: Path) -> None:
    def edit(request: Any, body: Any) -> Any:
        usage = {**body["usage"], "completion_tokens": min(150, request["max_completion_tokens"])}
        return {**body, "usage": usage}

    assert any("annotator.cap=600" in note for note in preflight(tmp_path, Server(edit)).notes)


def test_a_redirect_is_not_a_matter_of_the_budget(tmp_path: Path) -> None:
    moved = Reply(308, b"", {"location": "https://b.example/v1"})
    with pytest.raises(PreflightError, match=r"redirects to https://b\.example/v1") as error:
        preflight(tmp_path, Server(lambda request, body: moved))
    assert "annotator.base_url" in error.value.todo and "budget" not in str(error.value)


def listing(**model: Any) -> Reply:
    data = {"data": [{"id": "other"}, {"id": "simulated-judge", **model}]}
    return Reply(200, json.dumps(data).encode())


@pytest.mark.parametrize(
    ("listed", "notes"),
    [
        (listing(), 0),
        (Reply(200, b'["simulated-judge"]'), 0),
        (Reply(200, b'{"models": [{"name": "simulated-judge"}]}'), 0),
        (Reply(200, b'{"data": [{"id": "models/simulated-judge"}]}'), 1),
        (Reply(200, b'{"data": [{"id": "gpt-4o"}, {"id": "gpt-4o-mini"}]}'), 1),
        (Reply(200, b'{"data": []}'), 1),
        (Reply(404, b""), 1),
        (Reply(503, b"loading"), 1),
        (Reply(200, b"<html>"), 1),
    ],
)
def test_a_model_that_is_not_listed_is_noted_and_asked_all_the_same(
    tmp_path: Path, listed: Reply, notes: int
) -> None:
    server = Server(models=listed)
    assert len(preflight(tmp_path, server).notes) == notes
    assert server.asked == 3


def test_a_model_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    gone = Reply(404, b'{"error": {"message": "no model of that name", "code": "model_not_found"}}')
    others = Reply(200, b'{"data": [{"id": "qwen3-vl"}]}')
    server = Server(lambda request, body: gone, models=others)
    with pytest.raises(PreflightError) as error:
        preflight(tmp_path, server)
    assert "no model of that name" in error.value.found and "qwen3-vl" in error.value.found
    assert server.asked == 1


@pytest.mark.parametrize(
    ("own", "listed", "refused"),
    [
        ("2026-11-24", None, True),
        ("2026-12-24", None, True),
        ("2026-12-25", None, False),
        ("2027-01-14", None, False),
        (None, "2026-11-30", True),
        (None, 1_796_083_200, True),  # 2026-12-01
        ("2026-11-30", "2027-06-01", False),
        ("2026-11-30", "soon", True),
    ],
)
def test_a_model_that_is_switched_off_soon_is_refused(
    own: str | None, listed: Any, refused: bool
) -> None:
    reply = listing(shutdown_date=listed)
    if refused:
        with pytest.raises(PreflightError, match="is switched off on 2026-1"):
            check_listing(backend(shutdown=own), reply, today=TODAY)
    else:
        assert "switched off" in check_listing(backend(shutdown=own), reply, today=TODAY)[0]
