"""Each status and error code, and what it means for the money."""

from __future__ import annotations

import json
from typing import Any

import pytest
from servers.scripted import completion

from interestingness.annotators.engine.replies import classify
from interestingness.annotators.engine.run_state import Exit
from interestingness.annotators.types import Reply


def reply(status: int, error: Any = None, **headers: str) -> Reply:
    body = json.dumps({"error": error}).encode() if error is not None else b"no"
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("given", "action", "exit_code"),
    [
        (Reply(200, completion()), "parse", None),
        (Reply(200, b'{"data": [{"embedding": [1.0]}]}'), "parse", None),
        (reply(429), "later", None),
        (reply(429, {"code": "rate_limit_exceeded", "message": "slow down"}), "later", None),
        (reply(429, {"code": "insufficient_quota"}), "stop", Exit.QUOTA),
        (reply(429, {"code": None, "type": "insufficient_quota"}), "stop", Exit.QUOTA),
        (reply(429, {"code": "billing_hard_limit_reached"}), "stop", Exit.QUOTA),
        (reply(429, {"message": "You exceeded your current quota, please"}), "stop", Exit.QUOTA),
        (reply(429, {"message": "exceeded your current quota"}, retry_after="9"), "later", None),
        (reply(402, {"message": "Insufficient Balance"}), "stop", Exit.QUOTA),
        (reply(401, {"code": "invalid_api_key"}), "stop", Exit.KEY),
        (reply(403), "stop", Exit.KEY),
        (reply(307, location="https://elsewhere.test/"), "stop", Exit.CONFIG),
        *[(reply(status), "again", None) for status in (408, 409, 500, 502, 520)],
        *[(reply(status), "later", None) for status in (503, 529)],
        (reply(500, {"message": "Loading model"}), "later", None),
        (reply(502, "The model is warming up"), "later", None),
        *[(reply(status), "doubt", None) for status in (504, 524)],
        *[(reply(status), "reject", None) for status in (400, 404, 405, 413, 415, 422)],
    ],
)
def test_rulings(given: Reply, action: str, exit_code: Exit | None) -> None:
    ruling = classify(given)
    assert (ruling.action, ruling.exit_code) == (action, exit_code)


def test_an_outage_inside_200_is_what_it_is_outside() -> None:
    """Whatever the envelope: the same action, and the server's own words."""
    error: dict[str, Any] = {"code": 502, "message": "bad gateway"}
    broken = json.loads(completion())
    broken["choices"][0] |= {"finish_reason": "error", "error": error}
    for body in (
        json.dumps({"error": error}),
        json.dumps([{"error": error}]),
        json.dumps({"error": {**error, "code": "502"}, "choices": []}),
        json.dumps({"object": "error", **error}),
        json.dumps(broken),
        f"event: error\ndata: {json.dumps({'error': error})}\n\n",
        f": PROCESSING\n\ndata: {json.dumps({'error': error})}\n\ndata: [DONE]\n",
        "<html><head><title>502 bad gateway</title></head></html>",
    ):
        found = classify(Reply(200, body.encode()))
        assert (found.action, found.status, found.outage) == ("again", 502, True), body
        assert "bad gateway" in found.detail


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        b"\xef\xbb\xbf",
        b"<!doctype html><p>Please log in",
        b"upstream connect error or disconnect/reset before headers",
        completion()[:-30],
        completion(finish="error"),
        completion(finish="abort"),
        completion(choices=[]),
        completion(choices=None),
        completion("", completion_tokens=0),
        completion(" \n", usage=None),
        completion(None, usage={"prompt_tokens": 100}),
        b"null",
        b"[]",
        b'{"id": "x"}',
        b'{"error": "overloaded"}',
        b'{"error": {"message": "overloaded"}}',
        b'{"detail": "worker died"}',
        b'data: {"choices": [{"delta": {"content": "fi"}}]}\n\n',
        b"[" * 100_000,
    ],
)
def test_no_answer_at_all_is_an_outage(body: bytes) -> None:
    found = classify(Reply(200, body))
    assert (found.action, found.outage) == ("again", True)


@pytest.mark.parametrize(
    "body",
    [
        completion(""),  # tokens were paid for
        completion("", finish="length", completion_tokens=0),  # the cap leaves no room
        completion(None, finish="content_filter", completion_tokens=0),
        completion("first", completion_tokens=0),
        completion("", usage=None).replace(b'"content": ""', b'"content": "", "refusal": "no"'),
        completion("", usage=None).replace(b'"content": ""', b'"content": "", "reasoning": "I"'),
        completion("", usage=None).replace(b'"message"', b'"text"'),
    ],
)
def test_what_the_model_wrote_or_a_filter_withheld_is_no_outage(body: bytes) -> None:
    assert classify(Reply(200, body)).action == "parse"


@pytest.mark.parametrize(
    ("error", "action", "exit_code"),
    [
        ({"code": 401, "message": "no auth"}, "stop", Exit.KEY),
        ({"code": 402, "message": "credits"}, "stop", Exit.QUOTA),
        ({"code": "insufficient_quota"}, "stop", Exit.QUOTA),
        ({"code": 429}, "later", None),
        ({"type": "overloaded_error"}, "later", None),
        ({"code": "rate_limit_exceeded"}, "later", None),
        ({"status": "503", "message": "x"}, "later", None),
        ({"code": 504}, "doubt", None),
        ({"type": "server_error"}, "again", None),
        ({"code": 400, "message": "bad image"}, "reject", None),
        ({"code": "content_filter"}, "reject", None),
    ],
)
def test_errors_inside_200_have_the_status_that_they_name(
    error: Any, action: str, exit_code: Exit | None
) -> None:
    found = classify(Reply(200, json.dumps({"error": error}).encode()))
    assert (found.action, found.exit_code) == (action, exit_code)


@pytest.mark.parametrize(
    ("given", "wait_s"),
    [
        (reply(503, retry_after="7"), 7.0),
        (reply(503, retry_after_ms="250"), 0.25),
        (Reply(503, b'{"error": "Model x is currently loading", "estimated_time": 20.5}'), 20.5),
        (Reply(429, b'{"error": {"details": [{"retryDelay": "34s"}]}}'), 34.0),
        (Reply(200, b'{"error": {"code": 429, "metadata": {"retry_after": 3}}}'), 3.0),
        (reply(503), None),
    ],
)
def test_the_wait_is_read_from_header_or_body(given: Reply, wait_s: float | None) -> None:
    assert classify(given).wait_s == wait_s


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'[{"error": {"code": 400, "message": "bad", "status": "INVALID"}}]', "400", "bad"),
        (b'{"error": "plain words"}', "", "plain words"),
        (b'{"detail": "no such model"}', "", "no such model"),
        (b'{"error": {"code": null, "type": "too_long", "message": "m"}}', "too_long", "m"),
        (b"\xff\xfe no json", "", "no json"),
        (b"[" * 100_000, "", "[[["),
        (b"", "", ""),
        (b"[]", "", ""),
        (b"null", "", ""),
    ],
)
def test_errors_of_all_shapes_are_read(body: bytes, code: str, message: str) -> None:
    ruling = classify(Reply(400, body))
    assert ruling.signature == f"400 {code}".strip()
    assert message in ruling.detail


def test_a_filter_is_told_from_a_bad_request() -> None:
    assert classify(reply(400, {"code": "content_filter"})).kind == "filtered"
    assert classify(reply(413)).kind == "too_large"
    assert classify(reply(404)).kind == "not_found"


def test_no_key_in_what_is_said() -> None:
    said = classify(
        reply(401, {"message": "Incorrect API key provided: sk-abcdef0123456789."})
    ).detail
    assert "sk-***" in said
    assert "abcdef" not in said
