"""Keys must not reach the ledger: free texts are cleaned before they are stored."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

REMOVED = "(removed)"
SHAPES = re.compile(r"(sk-[A-Za-z0-9_-]{6,}|(?i:bearer)\s+[^\s\"']+)")
NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
KEPT_HEADERS = frozenset(
    {
        "date",
        "content-type",
        "retry-after",
        "retry-after-ms",
        "x-request-id",
        "openai-model",
        "openai-version",
        "openai-processing-ms",
        "x-should-retry",
    }
)


def cleaned(text: str) -> str:
    """A text without anything that looks like a key, or that is one in the environment."""
    return _without(text, _secrets())


def _secrets() -> list[str]:
    values = [value.strip() for name, value in os.environ.items() if NAMES.search(name)]
    return [value for value in values if len(value) >= 6]


def _without(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, REMOVED)
    return SHAPES.sub(REMOVED, text)


def cleaned_json(value: Any) -> Any:
    """The same for every text in a JSON value."""
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, Mapping):
        return {str(key): cleaned_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned_json(inner) for inner in value]
    return value


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of a reply that help to understand it later, by lower-case name."""
    secrets = _secrets()
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        name: _without(value, secrets)
        for name, value in sorted(lower.items())
        if name in KEPT_HEADERS or name.startswith("x-ratelimit-")
    }
