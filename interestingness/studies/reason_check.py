"""Count votes whose reason is about the chosen image; a single vote proves nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from interestingness.annotators.reason_support import (
    CONTRADICTS,
    SUPPORTS,
    UNCLEAR,
    reason_supports,
)
from interestingness.schema import Pairs

TEXTS = ("description", "caption", "tags")
"""Columns of an image table that say what is to be seen."""
_WORD = re.compile(r"[a-z]{3,}")
_SAYS_NOTHING = """
    the and for with that this from into has have its his her their are was were more most very
    image picture photo photograph scene one two first second left right than what who which
    because shows show seen looks look like nice good great
"""
_EMPTY = frozenset(_SAYS_NOTHING.split())


@dataclass(frozen=True)
class ReasonCheck:
    """Votes by which image their reason is about.

    Attributes:
        supports, contradicts: votes whose reason is about the chosen or the other image.
        unclear: votes with a reason that is about neither, or about both alike.
    """

    supports: int
    contradicts: int
    unclear: int

    @property
    def clear(self) -> int:
        """Count votes whose reason is about one image."""
        return self.supports + self.contradicts

    @property
    def share(self) -> float:
        """Return the share of the clear reasons that support the choice; NaN without one."""
        return self.supports / self.clear if self.clear else float("nan")


def check_reasons(votes: pa.Table, images: pa.Table, pairs: Pairs) -> ReasonCheck:
    """Compare the reasons of votes with their choices.

    What an annotator has written beside a vote counts (``reason_supports`` in ``extra``). Else a
    reason that names a place ("the second image") counts for it by the annotator's own rule. Else
    its words are compared with the images' texts, where there are any: it is about the image of
    which it names more words that the other one lacks.

    Args:
        votes: rows of a vote table.
        images: the image table, in the order of ``pairs.image_ids``.
        pairs: of the data set.
    """
    words = _words_of_images(images)
    left_of = dict(zip(pairs.pair_ids, pairs.left.tolist(), strict=True))
    right_of = dict(zip(pairs.pair_ids, pairs.right.tolist(), strict=True))
    counts = {SUPPORTS: 0, CONTRADICTS: 0, UNCLEAR: 0}
    for row in _rows(votes):
        said = _written(row.get("extra"))
        if said is None and row["choice"] in ("left", "right") and row["reason"]:
            place = _by_place(row)
            said = place if place != UNCLEAR else UNCLEAR
            if said == UNCLEAR and words and row["pair_id"] in left_of:
                side = spoken_of(
                    row["reason"], words[left_of[row["pair_id"]]], words[right_of[row["pair_id"]]]
                )
                if side:
                    said = SUPPORTS if side == row["choice"] else CONTRADICTS
        if said is not None:
            counts[said] += 1
    return ReasonCheck(counts[SUPPORTS], counts[CONTRADICTS], counts[UNCLEAR])


def spoken_of(reason: str, left: frozenset[str], right: frozenset[str]) -> str:
    """Find the image of which a reason names more distinctive words; "" if neither.

    Args:
        reason: the rater's words.
        left, right: words that describe the images.
    """
    said = content_words(reason)
    of_left, of_right = len(said & (left - right)), len(said & (right - left))
    return "left" if of_left > of_right else "right" if of_right > of_left else ""


@lru_cache(maxsize=100_000)
def content_words(text: str) -> frozenset[str]:
    """Extract the words of a text without stop words; a plural s is dropped."""
    found = _WORD.findall(text.lower())
    return frozenset(word.removesuffix("s") for word in found if word not in _EMPTY)


def _words_of_images(images: pa.Table) -> list[frozenset[str]]:
    """Collect the words that describe each image; empty where the table has no texts."""
    columns = [images[name].to_pylist() for name in TEXTS if name in images.schema.names]
    if not columns:
        return []
    return [
        content_words(" ".join(" ".join(c) if isinstance(c, list) else str(c or "") for c in cells))
        for cells in zip(*columns, strict=True)
    ]


def _rows(votes: pa.Table) -> Iterable[Mapping[str, Any]]:
    names = [
        n for n in ("pair_id", "choice", "first", "reason", "extra") if n in votes.schema.names
    ]
    for cells in zip(*(votes[name].to_pylist() for name in names), strict=True):
        yield dict(zip(names, cells, strict=True))


def _written(extra: str | None) -> str | None:
    """Read what the annotator recorded about the reason; None if nothing."""
    if not extra:
        return None
    try:
        said = json.loads(extra).get("reason_supports")
    except (ValueError, AttributeError):
        return None
    return said if said in (SUPPORTS, CONTRADICTS, UNCLEAR) else None


def _by_place(row: Mapping[str, Any]) -> str:
    if row["first"] is None:
        return UNCLEAR
    return reason_supports("first" if row["choice"] == row["first"] else "second", row["reason"])
