"""Make small pictures as data URIs, each within a limit of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

from PIL import Image

from interestingness.errors import InterestingnessError

SIDE = 320
"""Longest side in pixels: sharp at 160 CSS pixels on a screen of double density."""
LIMIT = 20_000
"""Bytes of one JPEG. A page shows at most 60 pictures, so it stays below 2 MB with base64."""

_STEPS = ((SIDE, 78), (SIDE, 60), (SIDE, 42), (240, 42), (160, 40), (96, 30), (48, 20))


class Thumbnails:
    """Data URIs by image id, each made once."""

    def __init__(
        self,
        load: Callable[[str], Image.Image | None],
        *,
        limit: int = LIMIT,
        side: int = SIDE,
    ) -> None:
        """Keep the loader.

        Args:
            load: image id to picture; None, or an error that one image may cause (unreadable,
                absent), stands for "no picture".
            limit: bytes of one JPEG, before base64.
            side: longest side in pixels.
        """
        self._load = load
        self._limit, self._side = limit, side
        self._made: dict[str, str | None] = {}

    def __call__(self, image_id: str) -> str | None:
        """Return a ``data:image/jpeg`` URI, or None where there is no picture."""
        if image_id not in self._made:
            try:
                image = self._load(image_id)
                self._made[image_id] = (
                    None if image is None else data_uri(image, limit=self._limit, side=self._side)
                )
            except (InterestingnessError, OSError, ValueError):
                self._made[image_id] = None
        return self._made[image_id]


def data_uri(image: Image.Image, *, limit: int = LIMIT, side: int = SIDE) -> str:
    """Encode a JPEG of at most ``limit`` bytes as a data URI; transparent parts become white.

    Args:
        image: any mode and size; it is not changed.
        limit: bytes before base64. Noise in the extreme may exceed it at the last, smallest step.
        side: longest side in pixels to begin with.
    """
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.new("RGB", rgba.size, "white")
        image.paste(rgba, mask=rgba.getchannel("A"))
    data = b""
    for most, quality in _STEPS:
        small = image.convert("RGB")
        small.thumbnail((min(side, most), min(side, most)), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        data = buffer.getvalue()
        if len(data) <= limit:
            break
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
