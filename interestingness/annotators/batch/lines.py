"""The files of a batch: requests that go up, answers that come down; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from interestingness.annotators.types import Reply, Request

PREFIX = "/v1"
"""Batch files name endpoints with it, whatever the base URL is."""


@dataclass(frozen=True)
class Line:
    """One answer of a batch.

    Attributes:
        attempt_id: the ``custom_id``; empty where there is none.
        reply: the answer, if the request was carried out.
        error: code of the error, if it was not.
    """

    attempt_id: str
    reply: Reply | None
    error: str


@dataclass(frozen=True)
class Unreadable:
    """A line that is no answer.

    Attributes:
        number: from 1.
        why: for people.
    """

    number: int
    why: str


def request_line(attempt_id: str, request: Request) -> bytes:
    """One line of the file that goes up; the body's own bytes, without line breaks.

    Raises:
        ValueError: the body has line breaks, and cannot be a line.
    """
    if b"\n" in request.body or b"\r" in request.body:
        raise ValueError("the body of a request in a batch must be one line of JSON")
    head = {"custom_id": attempt_id, "method": "POST", "url": PREFIX + request.path}
    return json.dumps(head)[:-1].encode() + b', "body": ' + request.body + b"}\n"


def answer_lines(content: bytes) -> Iterator[Line | Unreadable]:
    """The lines of an output or error file, in any order; empty lines are left out."""
    for number, raw in enumerate(content.split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            yield Unreadable(number, "not JSON, or cut short")
            continue
        if not isinstance(found, dict) or not isinstance(found.get("custom_id"), str):
            yield Unreadable(number, "no custom_id")
            continue
        yield _line(found)


def _line(found: dict[str, Any]) -> Line:
    response = found.get("response")
    if isinstance(response, dict) and isinstance(response.get("status_code"), int):
        body = response.get("body")
        text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
        request_id = response.get("request_id")
        reply = Reply(
            response["status_code"],
            text.encode("utf-8", "surrogatepass"),
            request_id=request_id if isinstance(request_id, str) else None,
        )
        return Line(found["custom_id"], reply, "")
    error = found.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return Line(found["custom_id"], None, str(code or "no answer"))
