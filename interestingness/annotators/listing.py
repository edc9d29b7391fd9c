"""Read a server's list of models: whether the model is there, and how long it stays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from interestingness.annotators.backends import Backend
from interestingness.annotators.preflight import PreflightError
from interestingness.annotators.types import Reply

NEAR_DAYS = 30
"""A model that is switched off within so many days is refused."""


def check_listing(backend: Backend, reply: Reply, *, today: date) -> list[str]:
    """Check that the server will keep the model, and note whether it lists it.

    Args:
        backend: who will be asked.
        reply: of ``GET /models``.
        today: the day.

    Returns:
        Notes for people.

    Raises:
        PreflightError: if the model is switched off within ``NEAR_DAYS`` days.
    """
    notes = []
    listed = _read_listing(reply)
    ends = backend.shutdown
    if listed is None:
        notes.append(f"{backend.host} does not list its models")
    elif backend.model not in listed:
        # deployments may have names of their own; whether it is there, the questions show
        names = ", ".join(sorted(listed)[:8]) or "none"
        notes.append(f"{backend.host} does not list {backend.model!r}, but {names}")
    else:
        ends = _read_day(listed[backend.model].get("shutdown_date")) or ends
    if ends is not None:
        left = (date.fromisoformat(ends) - today).days
        if left <= NEAR_DAYS:
            raise PreflightError(
                f"{backend.model} is switched off on {ends}, "
                + (f"in {left} days" if left > 0 else "so it is gone"),
                expected=f"a model that stays for more than {NEAR_DAYS} days",
                todo="choose another annotator; ++annotator.shutdown=null if the date is wrong",
            )
        notes.append(f"{backend.model} is switched off on {ends}, in {left} days")
    return notes


def _read_listing(reply: Reply) -> dict[str, Mapping[str, Any]] | None:
    if reply.status != 200:
        return None
    try:
        body = json.loads(reply.body)
    except ValueError:
        return None
    entries = body.get("data", body.get("models")) if isinstance(body, dict) else body
    if not isinstance(entries, list):
        return None
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        about = entry if isinstance(entry, dict) else {"id": entry}
        found[str(about.get("id", about.get("name")))] = about
    return found


def _read_day(value: Any) -> str | None:
    """Read a date given as text or as seconds since 1970."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).date().isoformat()
        return datetime.fromisoformat(value).date().isoformat() if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
