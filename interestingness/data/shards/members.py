"""Bytes of an image in a shard: the original ones if they are JPEG, PNG or WebP."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from interestingness.data.image_kinds import image_kind
from interestingness.data.images import MAX_PIXELS, decode_image, read_bytes
from interestingness.data.shards.layout import IMAGE_EXTENSIONS
from interestingness.errors import ShardError

QUALITY = 95


@dataclass(frozen=True)
class StoredImage:
    """An image as it is stored in shards.

    Attributes:
        path: file whose bytes go into the shards.
        extension: "jpg", "png" or "webp".
        sha256: of these bytes.
        reencoded: whether the original's format is one that shards do not keep.
        resized: whether it was made smaller.
    """

    path: Path
    extension: str
    sha256: str
    reencoded: bool = False
    resized: bool = False

    def read(self) -> bytes:
        """Read the bytes again.

        Raises:
            ShardError: if the file has changed since it was prepared.
        """
        data = read_bytes(self.path)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise ShardError(
                f"{self.path}: changed while the shards were written",
                expected="image files that stay as they are",
                todo="write the shards again",
            )
        return data


def prepare_image(
    path: Path, *, max_side: int | None, spool: Path, max_pixels: int = MAX_PIXELS
) -> tuple[StoredImage, bytes]:
    """Check that an image decodes, and re-encode it if shards cannot keep its bytes.

    Args:
        path: the original file.
        max_side: longest side in pixels beyond which the image is made smaller; None for never.
        spool: file for re-encoded bytes, so that each image is re-encoded once.
        max_pixels: what an image may cost to decode.

    Returns:
        How the image is stored, and its bytes.

    Raises:
        ImageError: if it cannot be read.
    """
    data = read_bytes(path)
    image = decode_image(data, where=str(path), max_pixels=max_pixels)
    extension = IMAGE_EXTENSIONS.get(image_kind(data) or "")
    resized = max_side is not None and max(image.size) > max_side
    if extension is not None and not resized:
        return StoredImage(path, extension, hashlib.sha256(data).hexdigest()), data
    if resized and max_side is not None:
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, subsampling="4:4:4")
    data = buffer.getvalue()
    spool.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return StoredImage(spool, "jpg", digest, extension is None, resized), data
