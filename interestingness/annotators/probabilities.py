"""Read the probability of each choice from the log-probabilities of an answer's tokens."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LEAST_MASS = 0.95
"""Least probability that the two choices must have together; with less, a vote has none."""

_VALUE = re.compile(rb'"choice"\s*:\s*"')


@dataclass(frozen=True)
class ChoiceProbability:
    """Probabilities of two choices at the token where the answer's choice begins.

    Attributes:
        p: probability of the first choice, given that it is one of the two, in [0, 1].
        mass: probability of the two choices together, in [0, 1].
    """

    p: float
    mass: float


def choice_probability(tokens: Any, choices: Sequence[str]) -> ChoiceProbability | None:
    """Compute P(choices[0]) at the token where the value of ``"choice"`` begins.

    A token may begin before the value (``"first`` with its quote) and may be a part of the word
    (``f``). A listed token counts for a choice if one of them is the beginning of the other.

    Args:
        tokens: ``choices[0].logprobs.content`` of a chat completion: objects with ``token``,
            ``logprob``, ``bytes`` and ``top_logprobs``.
        choices: two words that differ in their first letter.

    Returns:
        None without usable log-probabilities, or if no listed token counts for a choice.
    """
    if not isinstance(tokens, list) or not all(isinstance(token, dict) for token in tokens):
        return None
    pieces = [_bytes(token) for token in tokens]
    places = list(_VALUE.finditer(b"".join(pieces)))
    if not places:
        return None
    found = places[-1]  # a model that thinks may write the key before its answer, too
    begin = 0
    for token, piece in zip(tokens, pieces, strict=True):
        if begin + len(piece) > found.end():
            return _from_token(token, piece[: max(0, found.end() - begin)], choices)
        begin += len(piece)
    return None


def _from_token(
    token: dict[str, Any], prefix: bytes, choices: Sequence[str]
) -> ChoiceProbability | None:
    listed = token.get("top_logprobs")
    alternatives = {_bytes(other): _probability(other) for other in _objects(listed)}
    alternatives.setdefault(_bytes(token), _probability(token))
    if any(p is None for p in alternatives.values()):
        return None
    share = [0.0, 0.0]
    for piece, probability in alternatives.items():
        rest = piece[len(prefix) :] if piece.startswith(prefix) else b""
        for place, choice in enumerate(choices):
            word = choice.encode()
            if rest and (rest.startswith(word) or word.startswith(rest)):
                share[place] += probability or 0.0
    mass = sum(share)
    if mass <= 0:
        return None
    return ChoiceProbability(share[0] / mass, min(mass, 1.0))


def _objects(listed: Any) -> list[dict[str, Any]]:
    return [entry for entry in listed or [] if isinstance(entry, dict)]


def _bytes(token: dict[str, Any]) -> bytes:
    raw = token.get("bytes")
    try:
        return bytes(raw) if isinstance(raw, list) else str(token.get("token", "")).encode()
    except (ValueError, TypeError, UnicodeEncodeError):
        return b""


def _probability(token: dict[str, Any]) -> float | None:
    """Convert a log-probability to [0, 1]; None if it is not one. Up to 0.001 counts as 0."""
    value = token.get("logprob")
    if not isinstance(value, int | float) or math.isnan(value) or value > 1e-3:
        return None
    return math.exp(min(value, 0.0))
