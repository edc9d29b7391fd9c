"""Write and read the files of a batch: requests and replies; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from interestingness.annotators.types import Reply, Request

PREFIX = "/v1"
"""Batch files name endpoints with it, whatever the base URL is."""

SHOWN = 4000
"""Bytes that are kept of a line that cannot be read."""


@dataclass(frozen=True)
class BatchLine:
    """One line of an output or error file.

    Attributes:
        attempt_id: the ``custom_id``; None where the line cannot be read.
        reply: if the request was carried out.
        error: why there is no reply: the provider's code, or what is wrong with the line.
    """

    attempt_id: str | None
    reply: Reply | None
    error: str = ""


def request_line(attempt_id: str, request: Request) -> bytes:
    """Make one line of the uploaded file: the body's own bytes, without line breaks.

    Raises:
        ValueError: the body has line breaks, and cannot be a line.
    """
    if b"\n" in request.body or b"\r" in request.body:
        raise ValueError("the body of a request in a batch must be one line of JSON")
    head = {"custom_id": attempt_id, "method": "POST", "url": PREFIX + request.path}
    return json.dumps(head)[:-1].encode() + b', "body": ' + request.body + b"}\n"


def read_lines(content: bytes) -> Iterator[BatchLine]:
    """Read the lines of an output or error file, in any order, without empty ones."""
    for raw in content.split(b"\n"):
        if not raw.strip():
            continue
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and isinstance(found.get("custom_id"), str):
            yield _read_line(found)
        else:
            seen = raw[:SHOWN].decode("utf-8", "replace")
            yield BatchLine(None, None, f"no JSON with a custom_id: {seen}")


def _read_line(found: dict[str, Any]) -> BatchLine:
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
        return BatchLine(found["custom_id"], reply)
    error = found.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return BatchLine(found["custom_id"], None, str(code or "no answer"))
