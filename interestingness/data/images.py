"""Decode pictures to RGB, with one clear error each; count and list unreadable ones."""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from interestingness.errors import ConfigError, DataError, ImageError

MAX_PIXELS = 100_000_000
FORMATS = ("PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF")
"""What is opened besides JPEG and HEIC. PDF and EPS are left out: they start an interpreter."""

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_quiet = threading.Lock()


def decode_image(
    data: bytes, *, where: str, max_pixels: int = MAX_PIXELS, enough: int | None = None
) -> Image.Image:
    """Decode one still picture to upright 8-bit RGB.

    The EXIF orientation is applied and all metadata is dropped, so that the picture is not rotated
    twice. Transparency becomes white; 16-bit samples keep their high byte; CMYK is converted
    without its colour profile, and no other colour profile is applied either.

    Args:
        data: the whole file.
        where: file name or image id, for messages.
        max_pixels: width × height beyond which a picture is refused before it is decoded.
        enough: pixels of the shorter side that suffice. A JPEG with twice as many or more is
            decoded at 1/2, 1/4 or 1/8 of its size, in a fraction of the time; None keeps all.

    Returns:
        A fully decoded image of mode RGB.

    Raises:
        ImageError: empty, truncated, animated, larger than ``max_pixels``, HEIC without the extra,
            samples of unknown range (32-bit, floating point), or an unknown format.
    """
    if not data:
        raise ImageError(
            f"{where}: the file is empty (0 bytes)",
            expected="a picture",
            todo="obtain the file again or remove it",
        )
    kind = image_kind(data)
    try:
        if kind == "JPEG":
            # The plain class, not Image.open: a phone's multi-picture JPEG is read as its main
            # picture, and neither size nor structure can raise a warning.
            image: Image.Image = JpegImageFile(BytesIO(data))
            _check_size(image, where, max_pixels)
            if enough is not None:
                image.draft(None, (enough, enough))
            image.load()
            return _upright_rgb(image)
        # Pillow warns about odd files, mostly while it reads headers. `catch_warnings` is not safe
        # between threads, hence the lock; the common formats decode outside of it.
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _open_heic(data, where) if kind == "HEIC" else _open(data)
            _check_size(image, where, max_pixels)
            if kind != "HEIC" and getattr(image, "is_animated", False):
                raise ImageError(
                    f"{where}: an animation or a file of {getattr(image, 'n_frames', 2)} pages",
                    expected="one still picture",
                    todo="save the frame that is meant as a picture of its own",
                )
            if kind not in {"PNG", "WEBP"}:
                image.load()
        image.load()
        return _upright_rgb(_eight_bit(image, where))
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(where, str(error), max_pixels) from None
    except Exception as error:  # decoders raise any kind of exception for malformed bytes
        raise ImageError(
            f"{where}: {_reason(error, data, kind)}",
            expected=f"a whole picture: JPEG, {', '.join(FORMATS)} or HEIC",
            todo="obtain the file again or remove it",
        ) from None


def read_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read and decode one picture file; see ``decode_image``.

    Raises:
        ImageError: if the file is absent or unreadable, or for what ``decode_image`` refuses.
    """
    return decode_image(read_bytes(path), where=str(path), max_pixels=max_pixels)


def read_bytes(path: str | Path) -> bytes:
    """Return the bytes of a picture file.

    Raises:
        ImageError: if the file is absent or unreadable.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageError(
            f"{path}: {error.strerror or error}",
            expected="a readable picture file",
            todo="correct the path in the image table, or obtain the file",
        ) from None


@dataclass
class Skips:
    """Images that could not be read: counted, listed, never replaced by another image.

    Attributes:
        max_share: largest share of unreadable images that ``check`` accepts, in [0, 1].
        reasons: why each is unreadable, by image id, in the order of discovery.

    Raises:
        ConfigError: for a share outside [0, 1].
    """

    max_share: float = 0.02
    reasons: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        share: object = self.max_share
        good = isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
        if not good:
            raise ConfigError(
                f"max_bad_share={share}",
                expected="a share of the images, from 0 to 1",
                todo="correct it; 0.02 is usual",
            )

    def add(self, image_id: str, reason: str | ImageError) -> None:
        """Add one image; only its first reason is kept."""
        text = reason.found if isinstance(reason, ImageError) else reason
        self.reasons.setdefault(image_id, text)

    def update(self, reasons: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        """Add the images of another collector."""
        for image_id, reason in dict(reasons).items():
            self.add(image_id, reason)

    def __len__(self) -> int:
        return len(self.reasons)

    def __contains__(self, image_id: object) -> bool:
        return image_id in self.reasons

    def check(self, total: int, *, what: str = "images") -> None:
        """Raise an error if too large a share is unreadable.

        Args:
            total: number of images that were tried, readable or not.
            what: what was counted, for the message.

        Raises:
            DataError: if more than ``max_share`` of ``total`` was skipped.
        """
        if len(self) > self.max_share * total:
            raise DataError(
                f"{len(self)} of {total} {what} cannot be read:\n{self.listing(5)}",
                expected=f"at most {self.max_share:.3g} of them",
                todo="repair or remove these files, or allow a larger share (max_bad_share)",
            )

    def listing(self, limit: int | None = None) -> str:
        """Return a line per image and reason, at most ``limit`` of them; empty without any."""
        lines = [f"    {name}: {reason}" for name, reason in self.reasons.items()]
        if limit is not None and len(lines) > limit:
            lines = [*lines[:limit], f"    … and {len(lines) - limit} more"]
        return "\n".join(lines)


def image_kind(data: bytes) -> str | None:
    """Detect the format from the first bytes: JPEG, PNG, WEBP, HEIC, …; None if unknown."""
    if data[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
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
    starts = {b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"BM": "BMP"}
    return next((kind for start, kind in starts.items() if data.startswith(start)), None)


def _open(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data), formats=FORMATS)


def _open_heic(data: bytes, where: str) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise ImageError(
            f"{where}: a HEIC picture, and pillow-heif is not installed",
            expected="pillow-heif, which decodes them",
            todo="pip install interestingness[heic]",
        ) from None
    image: Image.Image = HeifImageFile(BytesIO(data))
    return image


def _check_size(image: Image.Image, where: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise _too_large(where, f"{width} × {height} pixels", max_pixels)


def _too_large(where: str, found: str, max_pixels: int) -> ImageError:
    return ImageError(
        f"{where}: too large to decode safely ({found})",
        expected=f"at most {max_pixels:,} pixels",
        todo="make the picture smaller, or allow more pixels if it is to be trusted",
    )


def _eight_bit(image: Image.Image, where: str) -> Image.Image:
    """Scale deep grey samples to 8 bits; Pillow itself keeps the high byte of deep RGB."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in {"PNG", "PPM"}):
        values = np.asarray(image).astype(np.uint32)
        grey = (values >> (_bits(image) - 8)).astype(np.uint8)
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            grey[values == clear] = 255
        exif = image.info.get("exif")
        image = Image.fromarray(grey)
        if exif:
            image.info["exif"] = exif
        return image
    if image.mode in {"I", "F"}:
        raise ImageError(
            f"{where}: samples of 32 bits, whose range is not known",
            expected="8 or 16 bits per sample",
            todo="save the picture with 8 bits per sample",
        )
    return image


def _bits(image: Image.Image) -> int:
    """Return the bits of a deep grey picture: 16, or the number in a TIFF (12 of some cameras)."""
    tags: Any = getattr(image, "tag_v2", None)
    bits = tags.get(258, (16,)) if tags else (16,)
    return int(bits[0] if isinstance(bits, tuple) else bits)


def _upright_rgb(image: Image.Image) -> Image.Image:
    method = _TRANSPOSE.get(orientation(image.info.get("exif")))
    if image.has_transparency_data:
        if image.mode not in {"RGBA", "LA"}:
            image = image.convert("RGBA")
        opaque = Image.new("RGB", image.size, (255, 255, 255))
        opaque.paste(image.convert("RGB"), mask=image.getchannel("A"))
        image = opaque
    elif image.mode != "RGB":
        image = image.convert("RGB")
    if method is not None:
        image = image.transpose(method)
    image.info = {}
    return image


def orientation(exif: bytes | None) -> int:
    """Return the orientation (1 to 8) of an EXIF block; 1 where it has none.

    It is not read by Pillow, which parses every tag and warns about damaged ones.
    """
    if not exif:
        return 1
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def _reason(error: Exception, data: bytes, kind: str | None) -> str:
    if kind is None:
        return f"not an image (starts with {data[:8]!r})"
    text = str(error) or type(error).__name__
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"the {kind} file is cut short ({len(data)} bytes; {text})"
    return f"damaged {kind} file ({text})"
