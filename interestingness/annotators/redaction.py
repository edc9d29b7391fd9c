"""Keys are not stored, shown or logged: what looks like one, and which headers of a reply are kept.

The ledger, the transport and the logs use the two functions of this file and no others.
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
"""What is kept of a reply's headers, besides those that begin with ``x-ratelimit-``."""

_KEY_LIKE = re.compile(r"\bsk-[A-Za-z0-9_\-]{6,}")
_BEARER = re.compile(r"(?i)\bbearer\s+[^\s\"',}]+")
_VARIABLES = re.compile(r"(?i)(KEY|TOKEN|SECRET|PASSWORD)$")
_SHORTEST_VALUE = 6


LOGGERS = ("openai._base_client", "httpx2", "httpcore2.connection", "httpcore2.http11")
"""Loggers that may write the headers of requests and replies; filters are not inherited."""


class Secret:
    """A key that neither prints nor pickles."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep it.

        Args:
            value: visible ASCII, as `read_key` checked it.
        """
        self._value = value

    def reveal(self) -> str:
        """The key itself: for the one header that needs it."""
        return self._value

    def hide_in(self, body: bytes) -> bytes:
        """The same bytes without the key, should a server have sent it back."""
        value = self._value.encode()
        return body.replace(value, b"***") if value in body else body

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")


def redacted(text: str, secret: Secret | None = None, *, longest: int | None = None) -> str:
    """A text without keys: the one in use, those in the environment, and what looks like one.

    Args:
        text: whatever a server or a library said.
        secret: the key in use, if there is one.
        longest: if given, the text becomes one line without control characters and of at most so
            many characters.
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
    """The same for every text in a JSON value."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {str(key): redacted_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted_json(inner) for inner in value]
    return value


def kept_headers(headers: Mapping[str, str], secret: Secret | None = None) -> dict[str, str]:
    """Headers of a reply that help to understand it later, without keys, by lower-case name."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        name: redacted(value, secret, longest=300)
        for name, value in sorted(lower.items())
        if name in KEPT_HEADERS or name.startswith("x-ratelimit-")
    }


class _HideKeys(logging.Filter):
    """Takes a key out of what libraries log, should a server have sent it back in a header."""

    def __init__(self, secret: Secret | None) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage(), self._secret, longest=2000), None
        return True


def hide_keys_in_logs(secret: Secret | None) -> None:
    """From now on, what the libraries below log holds no key; one filter each, the newest key.

    Args:
        secret: the key in use, if there is one; what looks like a key is hidden anyway.
    """
    for name in LOGGERS:
        logger = logging.getLogger(name)
        for old in [known for known in logger.filters if isinstance(known, _HideKeys)]:
            logger.removeFilter(old)
        logger.addFilter(_HideKeys(secret))
