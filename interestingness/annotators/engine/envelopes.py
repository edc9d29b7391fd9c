"""Find failures inside HTTP 200, and give them the status that they would have by themselves; pure.

Gateways answer 200 before they know how the server behind them ends. What is in the body then is an
error object, a page, an event stream, a part of an answer, or nothing, perhaps as an empty text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from interestingness.annotators.types import Reply

UNNAMED = 502
"""Status of a failure that names none: the server behind the gateway failed."""

STATUS_OF = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "overloaded_error": 529,
    "service_unavailable": 503,
    "unavailable_error": 503,
    "model_not_found": 404,
    "not_found_error": 404,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "moderation_blocked": 400,
}
"""Status by error code or type, where an error has no number."""

BROKEN_OFF = frozenset({"error", "abort", "aborted", "cancelled", "failed"})
"""``finish_reason`` of answers that a failing server broke off."""

_TITLE = re.compile(rb"(?i)<title>\s*([^<]*)")
_NUMBER = re.compile(r"\b([45]\d\d)\b")


def read_json(body: bytes) -> Any:
    """Read a body as JSON.

    Raises:
        ValueError: if it is no JSON, or cut short.
    """
    try:
        return json.loads(body.strip(b"\xef\xbb\xbf \t\r\n"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def unwrap(reply: Reply) -> Reply:
    """Return a reply with the status that its body tells; the same if the body is no failure.

    Args:
        reply: as it came.
    """
    if not 200 <= reply.status < 300:
        return reply
    failure = _failure(reply.body)
    if failure is None:
        return reply
    status, error = failure
    return replace(reply, status=status, body=json.dumps({"error": error}).encode())


def _failure(body: bytes) -> tuple[int, Any] | None:
    text = body.strip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        return UNNAMED, "an empty body"
    if text[:1] == b"<":
        title = _TITLE.search(text)
        shown = (title[1] if title else text)[:200].decode("utf-8", "replace").strip()
        number = _NUMBER.search(shown) if title else None
        return int(number[1]) if number else UNNAMED, f"a page instead of an answer: {shown}"
    if text.startswith((b"data:", b"event:", b":")):
        return _in_events(text)
    try:
        found = read_json(text)
    except ValueError:
        return UNNAMED, f"no JSON, or cut short: {text[:200].decode('utf-8', 'replace')}"
    return _in_json(found)


def _in_events(text: bytes) -> tuple[int, Any]:
    for line in text.splitlines():
        try:
            failure = _in_json(read_json(line.partition(b"data:")[2]))
        except ValueError:
            continue
        if failure is not None and failure[1] != NO_ANSWER:
            return failure
    return UNNAMED, "a stream of events, which was not asked for"


NO_ANSWER = "neither an answer nor an error"


def _in_json(found: Any) -> tuple[int, Any] | None:
    if isinstance(found, list) and found and isinstance(found[0], dict):
        return _in_json(found[0]) or (UNNAMED, NO_ANSWER)
    if not isinstance(found, dict):
        return UNNAMED, NO_ANSWER
    error, choices = found.get("error"), found.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(choice, dict):
        error = error or choice.get("error")
        finish = str(choice.get("finish_reason")).casefold()
        if not error and finish in BROKEN_OFF:
            error = f"finish_reason {finish}"
        if not error and finish == "stop" and _holds_nothing(choice, found.get("usage")):
            error = "an empty text, for which no token is counted"
    if error:
        status = _status_of(error)
        if found.get("status") == "failed" and status == UNNAMED:
            return None  # the request failed, and not the server: see `parsing.parse`
        return status, error
    if isinstance(choice, dict) or isinstance(found.get("data"), list):
        return None
    if found.get("object") == "error" or "message" in found or "detail" in found:
        return _status_of(found), found
    return UNNAMED, NO_ANSWER


def _holds_nothing(choice: Mapping[str, Any], usage: Any) -> bool:
    """Check whether the model has written nothing: no text, nothing beside it, and no token."""
    if isinstance(usage, Mapping) and usage.get("completion_tokens"):
        return False
    message = choice.get("message")
    if not isinstance(message, Mapping):
        return False  # of another shape, which `parsing.parse` names
    content = message.get("content")
    text = content.strip() if isinstance(content, str) else content
    return not text and not any(message[key] for key in message.keys() - {"role", "content"})


def _status_of(error: Any) -> int:
    """Read the status from an error's number, or from its code or type."""
    if not isinstance(error, Mapping):
        return UNNAMED
    for name in ("code", "status", "status_code", "http_status", "type"):
        value = error.get(name)
        word = str(value).casefold()
        if not isinstance(value, bool) and re.fullmatch(r"[45]\d\d", word):
            return int(word)
        if word in STATUS_OF:
            return STATUS_OF[word]
        if "server_error" in word:
            return 500
    return UNNAMED
