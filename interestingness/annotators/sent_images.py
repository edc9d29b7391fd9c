"""Encode an image file for sending: upright, small, without metadata."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from interestingness.data.images import MAX_PIXELS, Skips, decode_image, read_bytes
from interestingness.errors import ConfigError, DataError, ImageError
from interestingness.tables.tables import Tables

GAP = 24
"""White pixels between and around the images of a pair on one picture: without a seam models take
them for one scene."""

Stored = Callable[[str, str, Callable[[], bytes]], bytes]
"""``Ledger.stimulus``: sent bytes by source hash and transcode id, made on first use and kept."""

_RULES = 1
"""Version in the transcode id. Raise it with another rule, such as another resampling filter, but
not for a Pillow that writes other JPEG bytes: that would ask everything again."""


@dataclass(frozen=True)
class Transcode:
    """The rule by which an image is encoded for sending.

    Attributes:
        max_side: longest side in pixels; smaller images stay as large as they are.
        quality: of the JPEG, 1 to 95.
        max_pixels: what an image may cost to decode; no part of the rule.
    """

    max_side: int = 512
    quality: int = 90
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if self.max_side < 16 or not 1 <= self.quality <= 95:
            raise ConfigError(
                f"max_side={self.max_side}, quality={self.quality}",
                expected="a side of at least 16 pixels and a JPEG quality of 1 to 95",
                todo="correct annotator.max_side or annotator.quality",
            )

    @property
    def id(self) -> str:
        """Names the rule, not its result: part of a task's identity."""
        return f"jpeg{_RULES}-{self.max_side}-{self.quality}"

    def fit(self, data: bytes, *, where: str) -> Image.Image:
        """Decode the whole file, turn it upright, make it small; RGB.

        Raises:
            ImageError: see ``data.images.decode_image``: empty, truncated, animated, too large, …
        """
        image = decode_image(data, where=where, max_pixels=self.max_pixels)
        if min(image.size) < 1:
            raise ImageError(f"{where}: no pixels", expected="a picture", todo="remove the file")
        scale = self.max_side / max(image.size)
        if scale < 1:
            size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        return image

    def jpeg(self, image: Image.Image) -> bytes:
        """Encode pixels only: no EXIF, no profile, no comment; equal pixels give equal bytes."""
        sink = BytesIO()
        bare = Image.frombytes("RGB", image.size, image.tobytes())
        bare.save(sink, "JPEG", quality=self.quality, subsampling=0, optimize=False)
        return sink.getvalue()

    def __call__(self, data: bytes, *, where: str) -> bytes:
        """A file's bytes → the bytes to send.

        Raises:
            ImageError: if the file cannot be used.
        """
        return self.jpeg(self.fit(data, where=where))


def source_hash(data: bytes) -> str:
    """Hash a file's bytes (SHA-256), by which tasks name an image."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class ImageSource:
    """An image file and the hash of its bytes.

    Attributes:
        image_id: for messages.
        path: of the file.
        sha256: of its bytes.
        drawn: the bytes themselves, of an image that is made here and lies in no file.
    """

    image_id: str
    path: Path
    sha256: str
    drawn: bytes | None = None

    @classmethod
    def read(cls, image_id: str, path: Path) -> ImageSource:
        """Hash a file.

        Raises:
            ImageError: if it is absent, unreadable or empty.
        """
        data = read_bytes(path)
        if not data:
            raise ImageError(
                f"{path}: the file is empty (0 bytes)",
                expected="a picture",
                todo="obtain the file again or remove it",
            )
        return cls(image_id, path, source_hash(data))

    def bytes(self) -> bytes:
        """The file, if it is still the one that was hashed.

        Raises:
            ImageError: if it was changed meanwhile.
        """
        data = read_bytes(self.path) if self.drawn is None else self.drawn
        if source_hash(data) != self.sha256:
            raise ImageError(
                f"{self.path}: the file was changed after the work was planned",
                expected="the file that was there at the start",
                todo="run the command again",
            )
        return data


def join_side_by_side(first: Image.Image, second: Image.Image) -> Image.Image:
    """One picture for models that take one image: the first left, the second right, on white.

    Both are scaled to the larger height of the two, at most twice their size; what stays lower is
    centred. Exchanging the arguments exchanges the sides and nothing else.

    Args:
        first: RGB.
        second: RGB.

    Returns:
        RGB, as wide as both and three gaps.
    """
    height = max(first.height, second.height)
    one, other = (_raised(image, height) for image in (first, second))
    whole = Image.new("RGB", (one.width + other.width + 3 * GAP, height + 2 * GAP), "white")
    whole.paste(one, (GAP, GAP + (height - one.height) // 2))
    whole.paste(other, (2 * GAP + one.width, GAP + (height - other.height) // 2))
    return whole


def _raised(image: Image.Image, height: int) -> Image.Image:
    scale = min(2.0, height / image.height)
    if scale == 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


@dataclass(frozen=True)
class Images:
    """Image files by id, and why the others cannot be used."""

    sources: dict[str, ImageSource]
    unreadable: dict[str, str]

    def check(self, max_bad_share: float) -> None:
        """Refuse to go on if too many cannot be used.

        Raises:
            DataError: if more than ``max_bad_share`` of the images are unreadable.
        """
        bad, total = len(self.unreadable), len(self.unreadable) + len(self.sources)
        skips = Skips(max_share=max_bad_share, reasons=self.unreadable)
        skips.check(total, what="images cannot be sent")
        if bad == total:
            raise DataError(
                f"none of {total} images can be sent:\n{skips.listing(5)}",
                expected="at least one image",
                todo="obtain the files again, or name another data set",
            )


def read_images(
    tables: Tables, image_ids: Iterable[str], progress: Callable[[int, int], None]
) -> Images:
    """Hash the files of images; absent, unreadable and empty ones are counted."""
    row_of = {name: row for row, name in enumerate(tables.image_ids.tolist())}

    def read(image_id: str) -> ImageSource | str:
        try:
            return ImageSource.read(image_id, tables.image_path(row_of[image_id]))
        except (ImageError, DataError) as error:
            return error.found

    return _sort_out(list(dict.fromkeys(image_ids)), read, progress)


def prepare_images(
    images: Images, transcode: Transcode, stored: Stored, progress: Callable[[int, int], None]
) -> Images:
    """Make every image ready for sending, so that none fails once money is being spent.

    Args:
        images: hashed.
        transcode: the rule.
        stored: keeps the bytes; an image that it has is not decoded again.
        progress: told how far it is.
    """

    def ready(image_id: str) -> ImageSource | str:
        source = images.sources[image_id]

        def make() -> bytes:
            return transcode(source.bytes(), where=image_id)

        try:
            stored(source.sha256, transcode.id, make)
        except ImageError as error:
            return error.found
        return source

    found = _sort_out(list(images.sources), ready, progress)
    return Images(found.sources, {**images.unreadable, **found.unreadable})


def _sort_out(
    names: Sequence[str],
    look: Callable[[str], ImageSource | str],
    progress: Callable[[int, int], None],
) -> Images:
    images = Images({}, {})
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="image") as pool:
        for done, (name, found) in enumerate(zip(names, pool.map(look, names), strict=True), 1):
            if isinstance(found, ImageSource):
                images.sources[name] = found
            else:
                images.unreadable[name] = found
            progress(done, len(names))
    return images
