"""Check whether a reason is about the chosen image: some models contradict themselves.

The paper dropped two models because they chose one image and praised the other. The rule here is
one of words and errs on the side of "unclear"; it is made for counting over many answers, not for
throwing single ones away.
"""

from __future__ import annotations

import re

SUPPORTS, CONTRADICTS, UNCLEAR = "supports", "contradicts", "unclear"

_NOUN = r"(?:image|picture|photo(?:graph)?|one|scene|shot)"
_MENTION = {
    "first": rf"first {_NOUN}|{_NOUN} (?:1|one|a)\b|the first\b|the former\b",
    "second": rf"second {_NOUN}|{_NOUN} (?:2|two|b)\b|the second\b|the latter\b",
}
_ON_CANVAS = {
    "first": rf"|left {_NOUN}|{_NOUN} on the left",
    "second": rf"|right {_NOUN}|{_NOUN} on the right",
}
_AGAINST = re.compile(
    r"\b(?:less|lacks?|lacking|not|isn't|doesn't|dull|boring|bland|plain|ordinary|unremarkable"
    r"|uninteresting|mundane|only|merely|fails?)\b"
)
_CLAUSES = re.compile(
    r"[.,;!?]|\b(?:while|whereas|but|although|though|compared (?:to|with)|than|unlike)\b"
)


def reason_supports(choice: str, reason: str, *, canvas: bool = False) -> str:
    """Check whether a reason speaks for the image that was chosen.

    Each clause that names exactly one of the two images speaks for it, or against it where it holds
    a word such as "less" or "dull". What follows "than" or "compared to" speaks for neither.

    Args:
        choice: ``first`` or ``second``.
        reason: the model's words.
        canvas: whether left and right name the images too.

    Returns:
        ``supports``, ``contradicts``, or ``unclear``: no image is named, or both are praised.
    """
    text = " ".join(reason.lower().split())
    pattern = {
        side: re.compile(words + (_ON_CANVAS[side] if canvas else ""))
        for side, words in _MENTION.items()
    }
    score = 0
    begin = 0
    compared = False
    for end in [*_CLAUSES.finditer(text), None]:
        clause = text[begin : end.start() if end else len(text)]
        named = [side for side, words in pattern.items() if words.search(clause)]
        if len(named) == 1 and not compared:
            towards = 1 if named[0] == choice else -1
            score += -towards if _AGAINST.search(clause) else towards
        if end is None:
            break
        compared = any(word in end[0] for word in ("than", "compared", "unlike"))
        begin = end.end()
    return SUPPORTS if score > 0 else CONTRADICTS if score < 0 else UNCLEAR
