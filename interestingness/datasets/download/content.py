"""Check that bytes are the requested still picture, and not what hosts send in its place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from interestingness.data.image_kinds import image_kind
from interestingness.data.images import decode_image
from interestingness.datasets.download.outcomes import Kind
from interestingness.datasets.download.settings import DownloadSettings
from interestingness.errors import DataError, ImageError

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


SUFFIX = {
    "JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif",
    "TIFF": ".tif", "BMP": ".bmp", "HEIC": ".heic", "AVIF": ".avif",
}  # fmt: skip


@dataclass(frozen=True)
class DownloadedPicture:
    """Accepted bytes.

    Attributes:
        suffix: of its file name, by content.
        sha256: of the bytes.
        width: pixels after EXIF rotation.
        height: the same.
    """

    suffix: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class Refusal:
    """Why bytes are rejected."""

    kind: Kind
    detail: str


def examine(
    data: bytes, *, settings: DownloadSettings, placeholders: Placeholders, sha256: str = ""
) -> DownloadedPicture | Refusal:
    """Decode a file, and accept or reject it.

    The host's content type is ignored: web pages come as ``image/jpeg`` and photographs as
    ``text/plain``.

    Args:
        data: the whole answer.
        settings: which formats, and how many pixels.
        placeholders: pictures that are not the photograph.
        sha256: expected hash of the bytes, or "".
    """
    if placeholders.by_content(data):
        return Refusal("placeholder", f"a known placeholder of {len(data)} bytes")
    kind = image_kind(data)
    if kind is None:
        if _is_text(data):
            return Refusal("page", f"text: {data[:40].decode('utf-8', 'replace').strip()!r}")
        return Refusal("not an image", f"{len(data)} bytes, starting with {data[:8]!r}")
    if kind not in settings.formats:
        return Refusal("not an image", f"{kind}, which is not among the formats allowed")
    found = hashlib.sha256(data).hexdigest()
    if sha256 and found != sha256.lower():
        return Refusal("not an image", f"sha256 {found[:12]}… is not the {sha256[:12]}… expected")
    try:
        image = decode_image(data, where="file", max_pixels=settings.max_pixels)
    except ImageError as error:
        text = error.found.removeprefix("file: ")
        return Refusal("too large" if text.startswith("too large") else "not an image", text)
    return DownloadedPicture(SUFFIX[kind], found, *image.size)


def _is_text(data: bytes) -> bool:
    """Return whether bytes are text, such as a web page or an SVG."""
    head = data[:512]
    return bool(head) and b"\0" not in head and sum(c < 9 or 13 < c < 32 for c in head) == 0
