"""Remove keys from what is stored, shown or logged, and choose the headers of a reply to keep.

Ledger, transport and logs use these functions and no others.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn

KEPT_HEADERS = frozenset(
    {"content-type", "date", "location", "retry-after", "retry-after-ms", "x-request-id"}
    | {"openai-model", "openai-processing-ms", "openai-version", "x-should-retry"}
)
"""Headers of a reply that are stored, besides those that begin with ``x-ratelimit-``."""

_KEY_LIKE = re.compile(r"\bsk-[A-Za-z0-9_\-]{6,}")
_BEARER = re.compile(r"(?i)\bbearer\s+[^\s\"',}]+")
_VARIABLES = re.compile(r"(?i)(KEY|TOKEN|SECRET|PASSWORD)$")
_SHORTEST_VALUE = 6


LOGGERS = ("openai._base_client", "httpx2", "httpcore2.connection", "httpcore2.http11")
"""Loggers that may write headers. Each needs a filter, because filters are not inherited."""


class Secret:
    """A key; it does not appear in ``repr`` and cannot be pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep it.

        Args:
            value: visible ASCII, as `read_key` checked it.
        """
        self._value = value

    def reveal(self) -> str:
        """Return the key, for the one header that needs it."""
        return self._value

    def hide_in(self, body: bytes) -> bytes:
        """Replace the key in bytes, in case a server sent it back."""
        value = self._value.encode()
        return body.replace(value, b"***") if value in body else body

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")


def redacted(text: str, secret: Secret | None = None, *, longest: int | None = None) -> str:
    """Replace keys in a text: the one in use, those in the environment, and what looks like one.

    Args:
        text: of a server or a library.
        secret: the key in use, if there is one.
        longest: if given, return one line of at most so many characters, without control
            characters.
    """
    values = [secret.reveal()] if secret is not None else []
    values += [
        value.strip()
        for name, value in os.environ.items()
        if _VARIABLES.search(name) and len(value.strip()) >= _SHORTEST_VALUE
    ]
    for value in values:
        text = text.replace(value, "***")
    text = _BEARER.sub("Bearer ***", _KEY_LIKE.sub("sk-***", text))
    if longest is None:
        return text
    text = "".join(char if char.isprintable() else " " for char in text)
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def redacted_json(value: Any) -> Any:
    """Apply `redacted` to every text in a JSON value."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {str(key): redacted_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted_json(inner) for inner in value]
    return value


def kept_headers(headers: Mapping[str, str], secret: Secret | None = None) -> dict[str, str]:
    """Select the headers of a reply to store, without keys, by lower-case name."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        name: redacted(value, secret, longest=300)
        for name, value in sorted(lower.items())
        if name in KEPT_HEADERS or name.startswith("x-ratelimit-")
    }


class _HideKeys(logging.Filter):
    """Removes keys from log records, in case a server sent one back in a header."""

    def __init__(self, secret: Secret | None) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage(), self._secret, longest=2000), None
        return True


def hide_keys_in_logs(secret: Secret | None) -> None:
    """Add a filter that removes keys to each of ``LOGGERS``, in place of an earlier one.

    Args:
        secret: the key in use, if there is one; what looks like a key is removed anyway.
    """
    for name in LOGGERS:
        logger = logging.getLogger(name)
        for old in [known for known in logger.filters if isinstance(known, _HideKeys)]:
            logger.removeFilter(old)
        logger.addFilter(_HideKeys(secret))
