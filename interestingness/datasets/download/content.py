"""Check that bytes are the requested still picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from interestingness.data.image_kinds import image_kind
from interestingness.data.images import decode_image
from interestingness.datasets.download.outcome import Kind
from interestingness.datasets.download.placeholders import Placeholders
from interestingness.datasets.download.settings import DownloadSettings
from interestingness.errors import ImageError

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
