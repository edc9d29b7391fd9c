"""Parse tags, and remove those that give the label away."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

LEAK = "explor"
"""Part of ``explore``, ``explored``, ``inexplore``, ``explore27jan06``, …: Flickr lists its
interesting photographs on a page called Explore, and owners write that into their tags."""


@dataclass(frozen=True)
class Cleaned:
    """Tags of images without those that contain the leak.

    Attributes:
        tags: of each image, in order, without repetitions.
        removed: how often each tag was removed.
        affected: whether an image lost one, shape (images,).
    """

    tags: list[list[str]]
    removed: Counter[str]
    affected: list[bool]


def tags_of(cell: str | None, separator: str | None = None) -> list[str]:
    """Return the tags of one cell, without repetitions.

    Args:
        cell: ``sky blue`` as in Flickr's API, or a list in brackets.
        separator: text between tags; None for white space.
    """
    if cell is None:
        return []
    text = cell.strip()
    found: Sequence[object] = text.split(separator)
    if text.startswith("[") and text.endswith("]"):
        # numpy prints lists without commas, which Python would join to one text
        text = re.sub(r"""(['"])\s+(['"])""", r"\1, \2", text)
        try:
            values = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            # a list without quotes
            values = re.findall(r"[^\s,'\"\[\]]+", text)
        found = values if isinstance(values, list) else [values]
    return list(dict.fromkeys(str(tag).strip() for tag in found if str(tag).strip()))


def without_leak(tags: Sequence[Sequence[str]], *, leak: str = LEAK) -> Cleaned:
    """Remove every tag that contains a text, whatever its case or the characters between.

    Source:
        LaFin removes tags that contain "explor".
    """
    kept, removed, affected = [], Counter[str](), []
    for own in tags:
        good = [tag for tag in own if leak not in _as_read(tag)]
        removed.update(tag.casefold() for tag in own if leak in _as_read(tag))
        affected.append(len(good) < len(own))
        kept.append(good)
    return Cleaned(kept, removed, affected)


def _as_read(tag: str) -> str:
    """Lower the case, normalise letters and drop invisible characters."""
    if tag.isascii():
        return tag.casefold()
    plain = unicodedata.normalize("NFKC", tag).casefold()
    return "".join(c for c in plain if unicodedata.category(c) != "Cf")
