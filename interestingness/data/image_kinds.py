"""Tell what a file is from its bytes, and separate pixels from metadata."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

HEAD = 64
"""Bytes from the start of a file that ``image_kind`` needs."""

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_AVIF_EXIF = re.compile(rb"(infe(?:\x02.{7}|\x03.{9}))Exif", re.DOTALL)
"""The entry of an AVIF's EXIF block in the list of what the file holds."""
_STARTS = {
    _JPEG: "JPEG",
    _PNG: "PNG",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"BM": "BMP",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
}
_NETPBM = re.compile(rb"P[1-6][ \t\r\n]")
_ABOUT_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"}

_SCAN, _EXIF = 0xDA, 0xE1
_APPLICATIONS, _ABOUT_COLOUR = {*range(0xE0, 0xF0), 0xFE}, {0xE0, 0xEE}
"""Segments of applications and comments; of these JFIF's and Adobe's name the colour space."""
_WEBP_PIXELS, _WEBP_METADATA = {b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"}, 0x2C
"""Chunks of pixels; the flags that announce a profile, EXIF and XMP."""


def image_kind(data: bytes) -> str | None:
    """Detect the format from the first bytes: JPEG, PNG, WEBP, HEIC, …; None if unknown.

    Raw files of cameras whose container is TIFF (NEF, CR2, DNG, ARW, …) are "TIFF" here.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        size = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, size, 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIC_BRANDS or data[8:12] in {b"mif1", b"msf1"}:
            return "HEIC"
        return None
    if _NETPBM.match(data):
        return "PPM"
    return next((kind for start, kind in _STARTS.items() if data.startswith(start)), None)


def without_metadata(data: bytes) -> tuple[bytes, bytes]:
    """Separate what a PNG, JPEG, WebP or AVIF file holds besides its pixels.

    Texts, profiles and times may be larger than a decoder accepts, damaged, or have a wrong
    checksum. The pixels are whole nevertheless.

    Args:
        data: a file. Other formats, and what follows a damaged length, stay as they are.

    Returns:
        The file without metadata; and its first EXIF block, which says how to turn it, or b"". The
        EXIF block of an AVIF says nothing of that, and only its name is taken away.
    """
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(_JPEG):
        return _jpeg(data)
    if image_kind(data) == "AVIF":
        return _AVIF_EXIF.sub(rb"\1none", data), b""
    return _webp(data) if image_kind(data) == "WEBP" else (data, b"")


def _png(data: bytes) -> tuple[bytes, bytes]:
    kept, exif, at = [_PNG], b"", len(_PNG)
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 12 + size
        if name in _ABOUT_PIXELS or not name.isalpha() or not name[:1].islower():
            kept.append(data[at:end])
        elif name == b"eXIf":
            exif = exif or data[at + 8 : end - 4]
        at = end
    return b"".join([*kept, data[at:]]), exif


def _jpeg(data: bytes) -> tuple[bytes, bytes]:
    kept, exif, end = [data[:2]], b"", 2
    for marker, at, end in _segments(data):
        if marker not in _APPLICATIONS or marker in _ABOUT_COLOUR:
            kept.append(data[at:end])
        elif marker == _EXIF and data[at + 4 : at + 10] == b"Exif\0\0":
            exif = exif or data[at + 4 : end]
    return b"".join([*kept, data[end:]]), exif


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of what stands before the pixels of a JPEG."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SCAN:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], at, end
        at = end


def header_is_whole(data: bytes) -> bool:
    """Check whether the start of a JPEG holds all that stands before its pixels."""
    *_, (_, _, end) = ((0, 0, 2), *_segments(data))
    return data.startswith(_JPEG) and data[end : end + 2] == bytes((0xFF, _SCAN))


def _webp(data: bytes) -> tuple[bytes, bytes]:
    kept, exif, at = [], b"", 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        if name == b"VP8X":
            flags = data[at + 8] & ~_WEBP_METADATA if at + 8 < len(data) else 0
            kept.append(data[at : at + 8] + bytes([flags]) + data[at + 9 : end])
        elif name in _WEBP_PIXELS:
            kept.append(data[at:end])
        elif name == b"EXIF":
            exif = exif or data[at + 8 : at + 8 + size]
        at = end
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body, exif
