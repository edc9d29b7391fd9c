"""How long to wait before a request is sent again: as the server says, or longer; pure."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

FIRST_S, LONGEST_S = 0.5, 30.0
"""Where the server names no wait: the longest first wait, and the longest of all."""

_DURATION_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)", re.ASCII)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)


def read_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a reply asks its client to wait.

    In this order: ``retry-after-ms``, ``retry-after``, and the time until the exhausted one of
    ``x-ratelimit-remaining-*`` is filled again.

    Args:
        headers: lower-case names.

    Returns:
        At least 0; None if the reply names no wait that can be read.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000.0
    seconds = read_retry_after(headers.get("retry-after"), date=headers.get("date"))
    if seconds is not None:
        return seconds
    resets = [
        read_duration(headers.get(f"x-ratelimit-reset-{what}", ""))
        for what in ("requests", "tokens")
        if _number(headers.get(f"x-ratelimit-remaining-{what}")) == 0
    ]
    return max((reset for reset in resets if reset is not None), default=None)


def read_retry_after(value: str | None, *, date: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for.

    Args:
        value: of the header: seconds, or a date.
        date: the reply's own ``Date``: a date is held against it, since this machine's clock may be
            wrong.

    Returns:
        At least 0; None if it cannot be read.
    """
    seconds = _number(value)
    if seconds is not None:
        return seconds
    ends, began = _date(value), _date(date)
    if ends is None or began is None:
        return None
    return max((ends - began).total_seconds(), 0.0)


def backoff(failures: int, rng: random.Random) -> float:
    """Seconds to wait after some failures in a row: exponential, with full jitter.

    Args:
        failures: at least 1.
        rng: where the jitter comes from.

    Returns:
        Between 0 and ``min(FIRST_S * 2 ** (failures - 1), LONGEST_S)``.
    """
    return rng.uniform(0.0, min(FIRST_S * 2.0 ** min(failures - 1, 30), LONGEST_S))


def read_duration(text: str) -> float | None:
    """Seconds of ``1h2m3.5s``, ``120ms`` or a plain number; None if it is none of these."""
    text = text.strip()
    number = _number(text)
    if number is not None:
        return number
    parts = _DURATION_PARTS.findall(text)
    if not parts or "".join(value + unit for value, unit in parts) != text:
        return None
    return math.fsum(float(value) * _SECONDS[unit] for value, unit in parts)


def _number(text: str | None) -> float | None:
    """A plain decimal number, at least 0: no sign, no ``nan``, no exponent."""
    text = (text or "").strip()
    return float(text) if len(text) < 20 and _NUMBER.fullmatch(text) else None


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo is not None else None
