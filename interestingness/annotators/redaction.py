"""Keys are not stored, shown or logged: what looks like one, and which headers of a reply are kept.

The ledger, the transport and the logs use the two functions of this file and no others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interestingness.annotators.credentials import Secret

KEPT_HEADERS = frozenset(
    {"content-type", "date", "location", "retry-after", "retry-after-ms", "x-request-id"}
    | {"openai-model", "openai-processing-ms", "openai-version", "x-should-retry"}
)
"""What is kept of a reply's headers, besides those that begin with ``x-ratelimit-``."""

_KEY_LIKE = re.compile(r"\bsk-[A-Za-z0-9_\-]{6,}")
_BEARER = re.compile(r"(?i)\bbearer\s+[^\s\"',}]+")
_VARIABLES = re.compile(r"(?i)(KEY|TOKEN|SECRET|PASSWORD)$")
_SHORTEST_VALUE = 6


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
