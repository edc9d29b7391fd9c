"""From an image file to the bytes that leave this machine: upright, small, without metadata."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from interestingness.data.images import decode_image, read_bytes
from interestingness.errors import ConfigError, ImageError

_RULES = 1
"""Goes into the transcode id. A Pillow whose JPEG bytes differ is no reason to raise it: what was
labelled stays labelled. Another rule, such as another resampling filter, is."""


@dataclass(frozen=True)
class Transcode:
    """How an image is made ready for sending.

    Attributes:
        max_side: longest side in pixels; smaller images stay as large as they are.
        quality: of the JPEG, 1 to 95.
    """

    max_side: int = 512
    quality: int = 90

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
        image = decode_image(data, where=where)
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
    """SHA-256 of a file as it lies on disk: how tasks name an image."""
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
