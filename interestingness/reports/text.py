"""Format texts for people: untrusted texts, counted nouns, names that may break."""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup, escape

_CODE = re.compile(r"`([^`]+)`")
_JOINT = re.compile(r"(?<=[_/-])(?=\w)|(?<=\.)(?=[^\W\d])")


def plain(text: object, limit: int = 240) -> str:
    """Remove control and direction-changing characters from untrusted text; cut at ``limit``."""
    kept = "".join(
        " " if c in "\n\r\t" else c
        for c in str(text)[: 4 * limit]
        if c in "\n\r\t\u200d" or unicodedata.category(c) not in ("Cc", "Cf")
    )
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def plural(count: int, noun: str) -> str:
    """Write a counted noun: "1 image", "2,000 images"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def inline(text: object, limit: int = 2000) -> Markup:
    """Turn a sentence into HTML: escaped, and what is between backticks is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(plain(text, limit)))))


def breakable(name: object, limit: int = 80) -> Markup:
    """Turn a name into HTML that breaks after underscores and the like before within words."""
    return Markup("<wbr>").join(_JOINT.split(plain(name, limit)))
