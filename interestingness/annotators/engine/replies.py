"""Classify replies by their cost and the next step, whatever envelope they came in; pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from interestingness.annotators.engine.envelopes import unwrap
from interestingness.annotators.engine.run_state import Exit
from interestingness.annotators.redaction import redacted
from interestingness.annotators.types import Reply
from interestingness.http_waits import read_wait

QUOTA_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
    | {"insufficient_balance", "credit_balance_too_low"}
)
FILTER_CODES = frozenset({"content_filter", "content_policy_violation", "moderation_blocked"})
LOST_BEHIND_A_GATEWAY = frozenset({504, 524})
"""The gateway gave up waiting; the model behind it may have answered, and charged."""
NOT_NOW = frozenset({429, 503, 529})
"""The server is busy, or still loading the model: waiting helps."""
OUTAGES = NOT_NOW | {408, 502}
"""The server is busy or away; 500 is not among them: some servers answer a schema with it."""

_LOADING = re.compile(r"(?i)\b(loading|warming up|starting up|not ready)\b")
_WAIT_IN_BODY = re.compile(
    rb'"(?:estimated_time|retry_after|retry_after_seconds|retryDelay)"\s*:\s*"?(\d+(?:\.\d+)?)s?\b'
)
_QUOTA_SAID = re.compile(r"(?i)exceeded your current quota|billing hard limit|out of credits")

Action = Literal["parse", "later", "again", "doubt", "reject", "stop"]


@dataclass(frozen=True)
class ReplyClass:
    """What to do about a reply.

    Attributes:
        action: ``parse`` the answer; ask ``later``, because the server is busy or not ready; ask
            ``again``, because the server failed, free of charge; ``doubt``: it is unknown whether
            it was paid; ``reject`` the task for good; ``stop`` the run.
        detail: for people; holds no key.
        signature: equal for equal causes: the status and the provider's code.
        kind: of the reject: bad_request, not_found, too_large, filtered; else empty.
        exit_code: of the run, if it stops.
        status: of the reply, or of the failure inside it.
        wait_s: seconds that the reply asks to wait; None if it names none.
    """

    action: Action
    detail: str
    signature: str = ""
    kind: str = ""
    exit_code: Exit | None = None
    status: int = 200
    wait_s: float | None = None

    @property
    def outage(self) -> bool:
        """Check whether the server is busy or away."""
        return self.status in OUTAGES


def classify(reply: Reply) -> ReplyClass:
    """Classify a reply by its status, or that of the failure inside it, and the error code."""
    found = unwrap(reply)
    ruling = _classify(found)
    if found is not reply:
        ruling = replace(ruling, detail=f"inside a reply of status {reply.status}: {ruling.detail}")
    return replace(ruling, status=found.status, wait_s=_wait(reply))


def _wait(reply: Reply) -> float | None:
    wait = read_wait(reply.headers)
    if wait is None and (named := _WAIT_IN_BODY.search(reply.body[:10_000])):
        wait = float(named[1])
    return wait


def _classify(reply: Reply) -> ReplyClass:
    status = reply.status
    if 200 <= status < 300:
        return ReplyClass("parse", "")
    code, message = _error(reply.body)
    said = message if code in {"", str(status)} else f"{code} {message}"
    detail = redacted(f"{status} {said}", longest=300)
    signature = f"{status} {code}".strip()
    if 300 <= status < 400:
        where = reply.headers.get("location", "elsewhere")
        detail = f"{status}: the server redirects to {where}, which is not followed"
        return ReplyClass("stop", detail, signature, exit_code=Exit.CONFIG)
    if status in {401, 403}:
        return ReplyClass("stop", detail, signature, exit_code=Exit.KEY)
    if status == 402 or (status == 429 and _is_quota(code, message, reply)):
        return ReplyClass("stop", detail, signature, exit_code=Exit.QUOTA)
    if status in NOT_NOW or (status >= 500 and _LOADING.search(message)):
        return ReplyClass("later", detail, signature)
    if status in LOST_BEHIND_A_GATEWAY:
        return ReplyClass("doubt", detail, signature)
    if status in {408, 409} or status >= 500:
        return ReplyClass("again", detail, signature)
    kind = {404: "not_found", 413: "too_large"}.get(status, "bad_request")
    if code in FILTER_CODES:
        kind = "filtered"
    return ReplyClass("reject", detail, signature, kind=kind)


def _is_quota(code: str, message: str, reply: Reply) -> bool:
    """Check whether waiting is useless; if a "quota" error names a wait, it is not."""
    if code in QUOTA_CODES:
        return True
    waitable = read_wait(reply.headers) is not None or b"retryDelay" in reply.body
    return bool(_QUOTA_SAID.search(message)) and not waitable


def _error(body: bytes) -> tuple[str, str]:
    """Read code and message of an error in any of the shapes that providers use."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "", body[:200].decode("utf-8", "replace")
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict):
        found = found.get("error", found)
    if not isinstance(found, dict):
        return "", str(found)[:200]
    code = next((found[name] for name in ("code", "type", "status") if found.get(name)), "")
    return str(code), str(found.get("message") or found.get("detail") or "")
