"""Read answers that are not as they were asked for, where nothing else can be meant; pure.

A photograph may hold text that a model repeats: a verdict in it must not become a vote. So an
answer is one JSON object that stands at the beginning, after the model's thinking; a sentence may
follow it that names no other choice. Text before it is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

_FENCE = re.compile(r"\A```[A-Za-z]*[ \t]*\r?\n?(.*?)\r?\n?```", re.DOTALL)
_THINKING_ENDS = re.compile(
    r"(?i)</(?:think|thinking|thought|reasoning|reflection)>|\[/think\]|<\|end_of_thought\|>"
    r"|<\|channel\|>final<\|message\|>"
)
_NOUN = r"(?: (?:image|picture|photo(?:graph)?|one|option))?"
_SAYINGS: dict[str, tuple[str, str]] = {
    "first": (r"(?:the )?(?:first|1st)" + _NOUN, r"(?:the )?left" + _NOUN),
    "second": (r"(?:the )?(?:second|2nd)" + _NOUN, r"(?:the )?right" + _NOUN),
    "yes": (r"yes", ""),
    "no": (r"no", ""),
}
"""What stands for a choice: in any case, and on a picture that holds both images."""

_OPEN = frozenset({"tie", "draw", "neither", "both", "unsure", "uncertain", "refused", "error"})
"""Further keys that take the choice back, if they hold anything."""

_QUOTES = re.compile(
    r"(?i)\b(?:text|writ(?:e|es|ten)|says?|reads?|states?|caption|sign|label|prompt|instruct\w*"
    r"|ignore|actually|instead|correction|rather|wait|changed?|however)\b"
)
"""Words of a sentence that quotes an image, or takes the answer back."""


class AmbiguousError(Exception):
    """Something else could be meant; ``kind`` and ``detail`` as in `types.Reject`."""

    def __init__(self, kind: str, detail: str) -> None:
        """With the kind of the reject."""
        super().__init__(kind)
        self.kind, self.detail = kind, detail


def answer_text(content: str) -> str:
    """Return what follows the last end of the model's thinking, without white space around it."""
    return _THINKING_ENDS.split(content)[-1].strip("\ufeff \t\r\n")


def unfenced(text: str) -> tuple[str, bool]:
    """Take a code fence off a whole text; whether there was one."""
    fenced = _FENCE.match(text)
    return (fenced[1].strip(), True) if fenced and fenced.end() == len(text) else (text, False)


def read_choice(text: str, words: Sequence[str], *, canvas: bool = False) -> tuple[str, str, bool]:
    """Read the choice and the reason of an answer.

    Args:
        text: from `answer_text`.
        words: what may be chosen.
        canvas: whether both images were sent as one picture, so that left is the first.

    Returns:
        The choice, the reason (empty if there is none), and whether anything was repaired.

    Raises:
        AmbiguousError: if it is not one answer that can mean one thing only.
    """
    fenced = _FENCE.match(text)
    inner, after = (fenced[1].strip(), text[fenced.end() :]) if fenced else (text, "")
    decoder = json.JSONDecoder(
        strict=False, parse_constant=_no_constant, object_pairs_hook=_no_twice
    )
    try:
        found, end = decoder.raw_decode(inner)
    except (ValueError, RecursionError):
        raise AmbiguousError("invalid_json", text) from None
    rest = f"{inner[end:]}\n{after}".strip()
    if not isinstance(found, dict) or "choice" not in found:
        raise AmbiguousError("invalid_json" if rest else "wrong_shape", text)
    value, reason = found["choice"], found.get("reason")
    choice = _meant(value, words, canvas)
    if choice is None:
        raise AmbiguousError("wrong_choice", json.dumps(value))
    if reason is not None and not isinstance(reason, str):
        raise AmbiguousError("wrong_shape", f"reason is {json.dumps(reason)[:100]}")
    more = {key: inner for key, inner in found.items() if key not in {"choice", "reason"}}
    for key, extra in more.items():
        other = _meant(extra, words, canvas) not in {None, choice}
        if other or (key in _OPEN and extra not in (None, False, "", 0)):
            raise AmbiguousError("extra_key", f"{key}: {json.dumps(extra)[:100]}")
    if rest and not _adds_nothing(rest, choice, words):
        raise AmbiguousError("invalid_json", text)
    return choice, reason or "", bool(fenced) or not _as_asked(inner, choice, reason or "")


def _meant(value: Any, words: Sequence[str], canvas: bool) -> str | None:
    """Return the choice that a value stands for; None if it stands for none."""
    if isinstance(value, bool) and "yes" in words:
        return "yes" if value else "no"
    if not isinstance(value, str):
        return None
    plain = " ".join(value.strip(" \t\r\n.!*_\"'`").casefold().split())
    for word in words:
        always, on_canvas = _SAYINGS[word]
        if re.fullmatch(always, plain) or (canvas and on_canvas and re.fullmatch(on_canvas, plain)):
            return word
    return None


def _adds_nothing(rest: str, choice: str, words: Sequence[str]) -> bool:
    """Check that a sentence after the answer can mean no other choice."""
    begins = rest[0].isupper() or rest[0] in "*(-"
    others = "|".join(re.escape(word) for word in words if word != choice)
    names_other = re.search(rf"(?i)\b(?:{others})\b", rest)
    return begins and not names_other and not _QUOTES.search(rest) and "{" not in rest


def _as_asked(text: str, choice: str, reason: str) -> bool:
    try:
        return bool(json.loads(text) == {"choice": choice, "reason": reason})
    except ValueError:  # a line break inside a text, or a sentence after it
        return False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _no_twice(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    """Make a mapping with lower-case keys; one that is given twice could mean two things."""
    found = {key.strip().casefold(): value for key, value in pairs}
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found
