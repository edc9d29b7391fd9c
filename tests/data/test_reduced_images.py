"""Decoding at a part of the size: as much as suffices, of JPEGs only, and the same picture."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interestingness.data.images import decode_image


def scene(width: int, height: int) -> Image.Image:
    """A smooth synthetic picture without symmetry, with some texture."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    waves = [np.sin(9 * x + 5 * y), np.cos(7 * x), np.sin(40 * y)]
    return Image.fromarray((127 + 100 * np.stack(waves, axis=-1)).astype(np.uint8))


def stored(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def small(image: Image.Image, side: int = 64) -> np.ndarray:
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC), dtype=float)


@pytest.mark.parametrize(
    ("enough", "size"),
    [(None, (640, 480)), (241, (640, 480)), (240, (320, 240)), (121, (320, 240)),
     (120, (160, 120)), (60, (80, 60)), (1, (80, 60)), (5000, (640, 480))],
)  # fmt: skip
def test_the_shorter_side_keeps_what_suffices(enough: int | None, size: tuple[int, int]) -> None:
    for width, height in ((640, 480), (480, 640)):
        image = decode_image(stored(scene(width, height)), where="x", enough=enough)
        assert image.mode == "RGB"
        assert image.size == (size if width > height else size[::-1])


def test_it_is_the_same_picture() -> None:
    data = stored(scene(640, 480), quality=95)
    whole = small(decode_image(data, where="x"))
    reduced = small(decode_image(data, where="x", enough=96))
    assert 0 < np.abs(whole - reduced).mean() < 1.5
    assert np.abs(whole - small(scene(640, 480).transpose(Image.Transpose.ROTATE_180))).mean() > 30


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs(mode: str) -> None:
    data = stored(scene(640, 480).convert(mode), quality=95)
    image = decode_image(data, where="x", enough=96)
    assert (image.mode, image.size) == ("RGB", (160, 120))
    assert np.abs(small(decode_image(data, where="x")) - small(image)).mean() < 1.5


def test_orientation_is_applied_to_what_is_left() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° to the right
    image = decode_image(stored(scene(640, 480), exif=exif), where="x", enough=96)
    assert image.size == (120, 160)
    upright = scene(640, 480).transpose(Image.Transpose.ROTATE_270)
    assert np.abs(small(image) - small(upright)).mean() < 3


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_other_formats_are_decoded_in_full(format: str) -> None:
    assert decode_image(stored(scene(320, 240), format), where="x", enough=10).size == (320, 240)
