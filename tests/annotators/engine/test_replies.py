"""Each status and error code, and what it means for the money."""

from __future__ import annotations

import json
from typing import Any

import pytest

from interestingness.annotators.engine.replies import classify
from interestingness.annotators.engine.run_state import Exit
from interestingness.annotators.types import Reply


def reply(status: int, error: Any = None, **headers: str) -> Reply:
    body = json.dumps({"error": error}).encode() if error is not None else b"<html>no</html>"
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("given", "action", "exit_code"),
    [
        (reply(200), "parse", None),
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
        *[(reply(status), "again", None) for status in (408, 409, 500, 502, 503, 520, 529)],
        *[(reply(status), "doubt", None) for status in (504, 524)],
        *[(reply(status), "reject", None) for status in (400, 404, 405, 413, 415, 422)],
    ],
)
def test_rulings(given: Reply, action: str, exit_code: Exit | None) -> None:
    ruling = classify(given)
    assert (ruling.action, ruling.exit_code) == (action, exit_code)


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
