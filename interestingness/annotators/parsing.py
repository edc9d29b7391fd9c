"""Parse the bytes of an answer into a verdict; pure, so that answers can be parsed again.

The only repairs are a code fence and white space around the JSON object. Whatever else is wrong is
a reject with its kind, never a guess.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

from interestingness.annotators.probabilities import LEAST_MASS, choice_probability
from interestingness.annotators.prompting import CHOICES
from interestingness.annotators.reason_support import reason_supports
from interestingness.annotators.types import (
    JSON,
    Answer,
    Parsed,
    Reject,
    Reply,
    Task,
    Usage,
    Verdict,
)

PARSER_VERSION = "1"
"""Raise it when the same bytes give another verdict: what an older one read is read anew."""

DOUBLE_CAP = "double_cap"
ANSWERS = {**CHOICES, "canary": CHOICES["pair"], "sentinel": CHOICES["pair"]}
"""What may be answered, by kind of task."""
LONGEST_REASON = 2000

_FENCE = re.compile(r"\A```[A-Za-z]*[ \t]*\r?\n(.*?)\r?\n?```\Z", re.DOTALL)
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def parse(task: Task, reply: Reply) -> Parsed:
    """Verdict, usage, name of the model that answered, and its fingerprint.

    Rejects, with what they mean: ``empty_body``, ``html``, ``invalid_body`` (no JSON, or cut
    short), ``error_object``, ``failed`` (a response object that failed), ``no_choices``,
    ``refused`` and ``filtered`` (final), ``length`` (asked again with a doubled cap), ``empty``,
    ``invalid_json``, ``wrong_shape``, ``extra_key``, ``wrong_choice``, ``bad_vector``, and
    ``http_<status>`` for what is no 200.

    Args:
        task: its kind decides what is looked for.
        reply: as it was stored.
    """
    if reply.status != 200:
        return Reject(f"http_{reply.status}", _words(reply.body)), None, None, None
    try:
        body = _object(reply.body)
    except _No as no:
        return no.reject, None, None, None
    served, print_ = body.get("model"), body.get("system_fingerprint")
    try:
        verdict: Verdict = _vector(task, body) if task.kind == "embedding" else _answer(task, body)
    except _No as no:
        verdict = no.reject
    return (
        verdict,
        _usage(body.get("usage")),
        clean(served, 200) if isinstance(served, str) else None,
        clean(print_, 200) if isinstance(print_, str) else None,
    )


def clean(text: str, longest: int = LONGEST_REASON) -> str:
    """A text that is safe to store and to show on a line: no control characters, no lone
    surrogates, nothing that turns the direction of writing, white space made single."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(_UNSAFE.sub(" ", whole).split())[:longest]


class _No(Exception):
    def __init__(self, reject: Reject) -> None:
        super().__init__(reject.kind)
        self.reject = reject


def _no(kind: str, detail: str = "", *, final: bool = False, again: str | None = None) -> NoReturn:
    raise _No(Reject(kind, clean(detail, 300), final, again))


def _words(data: bytes) -> str:
    return clean(data[:600].decode("utf-8", "replace"), 300)


def _object(data: bytes) -> dict[str, Any]:
    """Read the body as a JSON object that is not an error."""
    text = data.strip()
    if not text:
        _no("empty_body")
    if text[:1] == b"<":
        _no("html", _words(text))
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        _no("invalid_body", _words(text))
    error = body.get("error") if isinstance(body, dict) else None
    if error and body.get("status") == "failed":
        _no("failed", str(error), final=True)
    if error or not isinstance(body, dict):
        _no("error_object", json.dumps(error or body)[:300])
    return body


def _answer(task: Task, body: Mapping[str, Any]) -> Answer:
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        _no("no_choices", json.dumps(choices)[:300])
    choice = choices[0]
    if task.kind == "canary_cap":
        return Answer(None, extra={"finish": clean(str(choice.get("finish_reason")), 40)})
    message = choice.get("message")
    if not isinstance(message, dict):
        _no("no_choices", "a choice without message")
    finish, refusal = choice.get("finish_reason"), message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        _no("refused", refusal, final=True)
    if finish == "content_filter":
        _no("filtered", final=True)
    if finish == "length":
        _no("length", again=DOUBLE_CAP)
    text = _content(message.get("content"))
    if not text.strip():
        _no("empty", f"finish_reason {finish}")
    words = ANSWERS.get(task.kind, ())
    if not words:
        plain, repaired = _unfenced(text)
        return Answer(None, extra={"text": clean(plain, 10_000), "repaired": repaired})
    return _judgment(task, text, words, (choice.get("logprobs") or {}))


def _content(content: Any) -> str:
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _unfenced(text: str) -> tuple[str, bool]:
    bare = text.strip("\ufeff \t\r\n")
    fenced = _FENCE.match(bare)
    return (fenced[1].strip(), True) if fenced else (bare, False)


def _judgment(task: Task, text: str, words: tuple[str, ...], logprobs: Any) -> Answer:
    plain, repaired = _unfenced(text)
    try:
        answer = json.loads(plain, parse_constant=_no_constant, object_pairs_hook=_no_twice)
    except (ValueError, RecursionError):
        _no("invalid_json", text)
    if not isinstance(answer, dict) or "choice" not in answer or "reason" not in answer:
        _no("wrong_shape", text)
    if extra := sorted(set(answer) - {"choice", "reason"}):
        _no("extra_key", ", ".join(extra))
    choice, reason = answer["choice"], answer["reason"]
    if not isinstance(choice, str) or choice.strip() not in words:
        _no("wrong_choice", json.dumps(choice))
    if not isinstance(reason, str):
        _no("wrong_shape", f"reason is {json.dumps(reason)[:100]}")
    choice, reason = choice.strip(), clean(reason)
    more: dict[str, JSON] = {"repaired": repaired}
    if task.kind == "pair":
        on_canvas = task.identity.get("canvas") is True
        more["reason_supports"] = reason_supports(choice, reason, canvas=on_canvas)
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    likely = choice_probability(content, words)
    if likely is not None:
        more["mass"] = round(likely.mass, 6)
    usable = likely is not None and likely.mass >= LEAST_MASS
    return Answer(choice, likely.p if likely and usable else None, reason, more)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _vector(task: Task, body: Mapping[str, Any]) -> Answer:
    """Read the vector of one text from base64 of little-endian float32."""
    data = body.get("data")
    if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], dict):
        number = len(data) if isinstance(data, list) else 0
        _no("bad_vector", f"{number} vectors for one text")
    if data[0].get("index", 0) != 0:
        _no("bad_vector", f"index {data[0].get('index')} for one text")
    values = data[0].get("embedding")
    if isinstance(values, str):
        try:
            raw = base64.b64decode(values, validate=True)
            values = list(struct.unpack(f"<{len(raw) // 4}f", raw))
        except (ValueError, struct.error):
            _no("bad_vector", "not base64 of float32")
    numbers = isinstance(values, list) and all(type(v) in (int, float) for v in values)
    if not values or not numbers:
        _no("bad_vector", "empty, or not numbers")
    wanted = task.identity.get("dimensions")
    if wanted is not None and len(values) != wanted:
        _no("bad_vector", f"{len(values)} dimensions instead of {wanted}")
    try:
        raw = struct.pack(f"<{len(values)}f", *values)
    except (OverflowError, struct.error):
        _no("bad_vector", "beyond float32")
    if not all(math.isfinite(value) for value in struct.unpack(f"<{len(values)}f", raw)):
        _no("bad_vector", "not finite")
    if not any(values):
        _no("bad_vector", "all zeros")
    return Answer(None, extra={"vector": base64.b64encode(raw).decode(), "dimensions": len(values)})


def _usage(usage: Any) -> Usage | None:
    """Read the server's token counts; anything that is not a count is ignored."""
    if not isinstance(usage, dict):
        return None

    def count(name: str) -> int | None:
        value = usage.get(name)
        return value if type(value) is int and 0 <= value < 10**9 else None

    prompt, completion = count("prompt_tokens"), count("completion_tokens")
    if prompt is None and completion is None:
        return None
    return Usage(prompt, completion)
