"""Answers as servers give them, for tests of what reads them."""

from __future__ import annotations

import json
from typing import Any

from interestingness.annotators.types import Reply, Task


def chat(content: Any, *, finish: str = "stop", **more: Any) -> Reply:
    """A chat completion with this content; ``message`` and ``body`` are merged in."""
    message = {"role": "assistant", "content": content, **more.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    if "logprobs" in more:
        choice["logprobs"] = more.pop("logprobs")
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-test-2026",
        "system_fingerprint": "fp_1",
        "choices": [choice],
        "usage": {"prompt_tokens": 320, "completion_tokens": 40, "total_tokens": 360},
        **more,
    }
    return Reply(200, json.dumps(body).encode())


def answer(choice: str = "first", reason: str = "It is vivid.") -> str:
    """The JSON text of a good answer."""
    return json.dumps({"choice": choice, "reason": reason})


def pair_task(**identity: Any) -> Task:
    """A task of a pair that left is shown first in."""
    subject = {"pair_id": "0" * 16, "left": "a", "right": "b", "first": "left"}
    return Task.of("pair", {"images": ["a", "b"], **identity}, subject)


def token(
    text: str, logprob: float, top: dict[str, float] | None = None, *, as_bytes: bool = True
) -> dict[str, Any]:
    """One entry of ``logprobs.content``."""

    def entry(piece: str, value: float) -> dict[str, Any]:
        return {
            "token": piece,
            "logprob": value,
            "bytes": list(piece.encode()) if as_bytes else None,
        }

    alternatives = [entry(piece, value) for piece, value in (top or {}).items()]
    return {**entry(text, logprob), "top_logprobs": alternatives}
