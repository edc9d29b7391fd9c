"""Recognise pictures that hosts send in place of a deleted photo."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from interestingness.errors import DataError

REDIRECTS = ("photo_unavailable", "imgur.com/removed.png")
"""Parts of the addresses that Flickr (``…/photo_unavailable_l.png``) and Imgur redirect to."""

HASHES = ("d835884373f4d6c8f24742ceabe74946",)
"""MD5 or SHA-256 of known placeholders: Imgur's “removed”."""

_DIGITS = {32: "md5", 64: "sha256"}


@dataclass(frozen=True)
class Placeholders:
    """Properties of placeholders.

    Attributes:
        redirects: parts of addresses.
        hashes: MD5 or SHA-256 of whole files, lower case.
        sizes: file sizes in bytes, the coarsest test. None by default: a photo may have the same
            size.
    """

    redirects: tuple[str, ...] = REDIRECTS
    hashes: tuple[str, ...] = HASHES
    sizes: tuple[int, ...] = ()

    def by_address(self, url: str) -> bool:
        """Return whether a redirect's target is the address of a placeholder."""
        return any(part.lower() in url.lower() for part in self.redirects)

    def by_content(self, data: bytes) -> bool:
        """Return whether a file is a known placeholder."""
        if len(data) in self.sizes:
            return True
        kinds = {_DIGITS[len(text)] for text in self.hashes}
        return any(_hash(kind, data) in self.hashes for kind in kinds)


def with_own(given: Iterable[str]) -> Placeholders:
    """Return the known placeholders and a user's own.

    Args:
        given: an MD5 or SHA-256, a size such as ``2900 bytes``, an example file, or else a part of
            an address that redirects lead to.

    Raises:
        DataError: for an empty text.
    """
    redirects, hashes, sizes = list(REDIRECTS), list(HASHES), []
    for text in given:
        plain = text.strip()
        number, _, unit = plain.partition(" ")
        if not plain:
            raise DataError(
                "placeholder: an empty text",
                expected="a hash, a size such as '2900 bytes', a file, or a part of an address",
                todo="correct the option --placeholder",
            )
        if len(plain) in _DIGITS and set(plain.lower()) <= set("0123456789abcdef"):
            hashes.append(plain.lower())
        elif number.isdecimal() and unit in ("bytes", "byte"):
            sizes.append(int(number))
        elif Path(plain).is_file():
            hashes.append(_hash("sha256", Path(plain).read_bytes()))
        else:
            redirects.append(plain)
    return Placeholders(tuple(redirects), tuple(hashes), tuple(sizes))


def _hash(kind: str, data: bytes) -> str:
    return hashlib.new(kind, data, usedforsecurity=False).hexdigest()
