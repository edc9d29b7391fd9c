"""Decode pictures to RGB, with one clear error each; count and list unreadable ones."""

from __future__ import annotations

import math
import os
import stat
import struct
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from interestingness.data.image_kinds import image_kind, without_metadata
from interestingness.errors import ConfigError, DataError, ImageError, ImageTooLargeError

MAX_PIXELS = 100_000_000
"""Pixels that a picture may cost by default, see ``decode_image``."""
REDUCTION = 8
"""A JPEG that is decoded at 1/8 of its size takes about 1/8 of the time."""
READERS: dict[str, type[ImageFile]] = {
    # The plain class, not Image.open: a phone's multi-picture JPEG is read as its main picture.
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "TIFF": TiffImageFile,
    "BMP": BmpImageFile,
    "PPM": PpmImageFile,
    "JPEG2000": Jpeg2KImageFile,
    "AVIF": AvifImageFile,
}
"""What is opened besides HEIC. PDF and EPS are left out: they start an interpreter."""

_REDUCED_PAGE, _MASK_PAGE = 1, 4
_SUBFILE, _OLD_SUBFILE = 254, 255
_MOST_PAGES = 64
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

    A JPEG of more than ``MAX_PIXELS`` is decoded at 1/2, 1/4 or 1/8 of its size. Metadata never
    decide whether a picture can be read. Of the pages of a TIFF that show one picture in several
    sizes, the largest is taken.

    Args:
        data: the whole file.
        where: file name or image id, for messages.
        max_pixels: what a picture may cost before it is refused undecoded: its pixels, or, for a
            JPEG that is decoded reduced, what the reduced one costs in memory and time.
        enough: pixels of the shorter side that suffice. A JPEG with twice as many or more is
            decoded at 1/2, 1/4 or 1/8 of its size, in a fraction of the time; None keeps all.

    Returns:
        A fully decoded image of mode RGB.

    Raises:
        ImageError: empty, truncated, animated, costlier than ``max_pixels``, HEIC without the
            extra, samples of unknown range (32-bit, floating point), or an unknown format.
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
            pixels, exif = without_metadata(data)
            jpeg = JpegImageFile(BytesIO(pixels))
            _check_cost(jpeg.size, _reduced(jpeg, enough), where, max_pixels)
            jpeg.load()
            return _upright_rgb(jpeg, exif)
        with quiet_pillow():
            pixels, exif = without_metadata(data)
            image = open_image(pixels, where=where)
            if isinstance(image, TiffImageFile):
                _turn_to_the_picture(image)
            if getattr(image, "is_animated", False) and kind != "HEIC" and kind != "TIFF":
                raise _several(where, getattr(image, "n_frames", 2))
            _check_cost(image.size, image.width * image.height, where, max_pixels)
            if kind not in {"PNG", "WEBP"}:
                image.load()
        image.load()
        exif = exif or image.info.get("exif", b"")
        return _upright_rgb(_eight_bit(image, where), exif)
    except (ImageError, MemoryError):
        raise
    except _SeveralPictures as pages:
        raise _several(where, pages.count) from None
    except Exception as error:  # decoders raise any kind of exception for malformed bytes
        raise ImageError(
            f"{where}: {_reason(error, data, kind)}",
            expected=f"a whole picture: {', '.join(READERS)} or HEIC",
            todo="obtain the file again or remove it",
        ) from None


def upright(image: Image.Image, *, where: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Make an opened picture what ``decode_image`` makes of its file; the given one is not changed.

    Args:
        image: of Pillow, whose pixels need not be read yet.
        where: for messages.
        max_pixels: of a larger picture the pixels are not read.

    Raises:
        ImageError: as for ``decode_image``.
    """
    try:
        if getattr(image, "is_animated", False):
            raise _several(where, getattr(image, "n_frames", 2))
        if 0 in image.size:
            raise ValueError("it has no pixels")
        _check_cost(image.size, image.width * image.height, where, max_pixels)
        image.load()
        exif = image.info.get("exif", b"") or image.getexif().tobytes()
        return _upright_rgb(_eight_bit(image, where).copy(), exif)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise any kind of exception for malformed bytes
        raise ImageError(
            f"{where}: a PIL image that cannot be read ({error or type(error).__name__})",
            expected="a whole picture",
            todo="obtain the file again or leave it out",
        ) from None


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Let Pillow neither warn, mostly about odd headers, nor refuse sizes: our limit applies.

    Both are settings of the process, hence the lock; the common formats decode outside of it.
    """
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def open_image(data: bytes, *, where: str) -> Image.Image:
    """Read the header of a picture, without its pixels.

    Raises:
        ImageError: for HEIC without the extra.
        Exception: any, for bytes that are no picture.
    """
    kind = image_kind(data)
    if kind == "HEIC":
        return _open_heic(data, where)
    if kind is None:
        raise ValueError("no picture")
    return READERS[kind](BytesIO(data))


def read_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read and decode one picture file; see ``decode_image``.

    Raises:
        ImageError: if the file is absent or unreadable, or for what ``decode_image`` refuses.
    """
    return decode_image(read_bytes(path), where=str(path), max_pixels=max_pixels)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a picture file.

    Raises:
        ImageError: if the file is absent or unreadable.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("no regular file, but a device or a pipe")
            return file.read()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        why = getattr(error, "strerror", None) or error
        raise ImageError(
            f"{os.fspath(path)}: {why}",
            expected="a readable picture file",
            todo="correct the path in the image table, or obtain the file",
        ) from None


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for somebody to write into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@dataclass
class Skips:
    """Images that could not be read: counted, listed, never replaced by another image.

    Attributes:
        max_share: largest share of unreadable images that ``check`` accepts, in [0, 1]; unless it
            is 0, one image is always accepted.
        max_pixels: what a picture may cost to decode, see ``decode_image``.
        group: what stands before these two options on the command line: "data.", "--", "".
        reasons: why each is unreadable, by image id, in the order of discovery.

    Raises:
        ConfigError: for a share outside [0, 1].
    """

    max_share: float = 0.02
    max_pixels: int = MAX_PIXELS
    group: str = ""
    reasons: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        share: object = self.max_share
        good = isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
        if not good:
            raise ConfigError(
                f"{self.group}max_bad_share={share}",
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

    def check(self, total: int, *, what: str = "images cannot be read") -> None:
        """Raise an error if too large a share is unreadable.

        Args:
            total: number of images that were tried, readable or not.
            what: what was counted, and what is wrong with it.

        Raises:
            DataError: if more than ``max_share`` of ``total`` was skipped.
        """
        if len(self) > self.allowed(total):
            larger = f"allow a larger share ({self.group}max_bad_share)"
            if any("max_pixels" in reason for reason in self.reasons.values()):
                larger += f" or larger pictures ({self.group}max_pixels)"
            raise DataError(
                f"{len(self)} of {total} {what}:\n{self.listing(5)}",
                expected=f"at most {self.allowed(total)} of them "
                f"({self.group}max_bad_share={self.max_share:g})",
                todo=f"repair or remove these files, or {larger}",
            )

    def allowed(self, total: int) -> int:
        """Return how many of this many may be unreadable."""
        return max(int(self.max_share > 0), math.floor(self.max_share * total))

    def listing(self, limit: int | None = None) -> str:
        """Return a line per image and reason, at most ``limit`` of them; empty without any."""
        lines = [f"    {name}: {reason}" for name, reason in self.reasons.items()]
        if limit is not None and len(lines) > limit:
            lines = [*lines[:limit], f"    … and {len(lines) - limit} more"]
        return "\n".join(lines)


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


class _SeveralPictures(Exception):
    """A TIFF of pages that show different pictures."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


def _several(where: str, count: int) -> ImageError:
    return ImageError(
        f"{where}: an animation or a file of {count} pages",
        expected="one still picture",
        todo="save the frame that is meant as a picture of its own",
    )


def _turn_to_the_picture(image: TiffImageFile) -> None:
    """Go to the one page that is no thumbnail, no mask and no smaller copy of another.

    Cameras, scanners and editors mark these. Pages without a mark that have the shape of the
    largest and at most half its width are taken for smaller copies, as in a pyramid.

    Raises:
        _SeveralPictures: if several remain.
    """
    pages: list[tuple[int, int, int]] = []
    for number in range(_MOST_PAGES):
        try:
            image.seek(number)
        except Exception:  # the end, or a damaged list of pages
            break
        tags = image.tag_v2
        small = int(tags.get(_SUBFILE, 0)) & (_REDUCED_PAGE | _MASK_PAGE)
        if not small and tags.get(_OLD_SUBFILE) != 2:
            pages.append((image.width, image.height, number))
    if not pages:
        raise ValueError("no page of the file is a whole picture")
    width, height, number = max(pages, key=lambda page: page[0] * page[1])
    others = [page for page in pages if page[2] != number]
    if not all(2 * w <= width and abs(w * height - h * width) <= 2 * width for w, h, _ in others):
        raise _SeveralPictures(len(pages))
    image.seek(number)


def _reduced(jpeg: JpegImageFile, enough: int | None) -> int:
    """Choose the size that a JPEG is decoded at; return what that costs, in pixels.

    A progressive JPEG is held as coefficients before it is decoded, at whatever size: 2 bytes for
    each of them, where a pixel takes 4.
    """
    width, height = jpeg.size
    whole = width * height
    divisor = next((d for d in (1, 2, 4) if whole <= MAX_PIXELS * d * d), REDUCTION)
    most = whole if enough is None else enough
    if divisor > 1 or enough is not None:
        jpeg.draft(None, (min(width // divisor, most), min(height // divisor, most)))
    held = 0
    if jpeg.info.get("progressive"):
        sampled = [across * down for _, across, down, _ in jpeg.layer]
        held = whole * sum(sampled) // (2 * max(sampled))
    return max(jpeg.width * jpeg.height, whole // REDUCTION, held)


def _check_cost(size: tuple[int, int], cost: int, where: str, max_pixels: int) -> None:
    if cost > max_pixels:
        raise ImageTooLargeError(
            f"{where}: too large: {size[0]} × {size[1]} pixels cost as much as {cost:,}, and "
            f"max_pixels is {max_pixels:,}",
            expected=f"a picture that costs at most {max_pixels:,} pixels",
            todo="raise max_pixels if the picture is to be trusted, or make it smaller",
        )


def _eight_bit(image: Image.Image, where: str) -> Image.Image:
    """Scale deep grey samples to 8 bits; Pillow itself keeps the high byte of deep RGB."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in {"PNG", "PPM"}):
        values = np.asarray(image).astype(np.uint32)
        grey = (values >> (_bits(image) - 8)).astype(np.uint8)
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            grey[values == clear] = 255
        return Image.fromarray(grey)
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


def _upright_rgb(image: Image.Image, exif: bytes) -> Image.Image:
    method = _TRANSPOSE.get(orientation(exif))
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
