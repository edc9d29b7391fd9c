"""Parse the bytes of an answer into a verdict; pure, so that answers can be parsed again.

Where an answer is not as it was asked for, `leniency` reads it if nothing else can be meant.
Whatever else is wrong is a reject with its kind, never a guess.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

from interestingness.annotators.engine.envelopes import read_json
from interestingness.annotators.engine.replies import classify
from interestingness.annotators.leniency import (
    AmbiguousError,
    answer_text,
    read_choice,
    unfenced,
)
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

PARSER_VERSION = "3"
"""Raise it when equal bytes give another verdict: stored replies are then parsed again."""

DOUBLE_CAP = "double_cap"
ANSWERS = {**CHOICES, "canary": CHOICES["pair"], "sentinel": CHOICES["pair"]}
"""Allowed answers, by kind of task."""
LONGEST_REASON = 2000

_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def parse(task: Task, reply: Reply) -> Parsed:
    """Verdict, usage, name of the model that answered, and its fingerprint.

    Rejects, with what they mean: ``http_<status>`` (refused, or an outage, see
    `engine.envelopes`), ``failed`` (a request that failed), ``no_message``, ``refused`` and
    ``filtered`` (final), ``length`` (asked again with a doubled cap), ``empty`` (with tokens paid),
    ``invalid_json``, ``wrong_shape``, ``extra_key``, ``wrong_choice`` and ``bad_vector``.

    Args:
        task: its kind decides what is looked for.
        reply: as it was stored.
    """
    found = classify(reply)
    if found.action != "parse":
        outage = found.action != "reject"
        return Parsed(Reject(f"http_{found.status}", clean(found.detail, 300), outage=outage))
    body = read_json(reply.body)
    served, print_ = body.get("model"), body.get("system_fingerprint")
    try:
        verdict: Verdict = _vector(task, body) if task.kind == "embedding" else _answer(task, body)
    except _No as no:
        verdict = no.reject
    return Parsed(
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


def _answer(task: Task, body: Mapping[str, Any]) -> Answer:
    if error := body.get("error"):
        _no("failed", str(error), final=True)
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        _no("no_message", "an answer without choices")
    if task.kind == "canary_cap":
        return Answer(None, extra={"finish": clean(str(choice.get("finish_reason")), 40)})
    message = choice.get("message")
    if not isinstance(message, dict):
        _no("no_message", "a choice without message")
    finish, refusal = choice.get("finish_reason"), message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        _no("refused", refusal, final=True)
    if finish == "content_filter":
        _no("filtered", final=True)
    if finish == "length":
        _no("length", _used(body.get("usage")), again=DOUBLE_CAP)
    text = answer_text(_content(message.get("content")))
    if not text:
        _no("empty", f"finish_reason {finish}")
    words = ANSWERS.get(task.kind, ())
    if not words:
        plain, repaired = unfenced(text)
        return Answer(None, extra={"text": clean(plain, 10_000), "repaired": repaired})
    return _judgment(task, text, words, (choice.get("logprobs") or {}))


def _content(content: Any) -> str:
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _used(usage: Any) -> str:
    """Say how many tokens an answer took that reached the cap, and how many of them thinking."""
    counted = _usage(usage)
    if counted is None or counted.completion_tokens is None:
        return ""
    details = usage.get("completion_tokens_details")
    thinking = details.get("reasoning_tokens") if isinstance(details, dict) else None
    told = f", {thinking} of them thinking" if thinking else ""
    return f"{counted.completion_tokens} tokens{told}"


def _judgment(task: Task, text: str, words: tuple[str, ...], logprobs: Any) -> Answer:
    on_canvas = task.identity.get("canvas") is True
    try:
        choice, reason, repaired = read_choice(text, words, canvas=on_canvas)
    except AmbiguousError as error:
        _no(error.kind, error.detail)
    reason = clean(reason)
    more: dict[str, JSON] = {"repaired": repaired}
    if task.kind == "pair":
        more["reason_supports"] = reason_supports(choice, reason, canvas=on_canvas)
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    likely = choice_probability(content, words)
    if likely is not None:
        more["mass"] = round(likely.mass, 6)
    usable = likely is not None and likely.mass >= LEAST_MASS
    return Answer(choice, likely.p if likely and usable else None, reason, more)


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
