"""Thumbnails: any mode becomes a small JPEG, made once."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from interestingness.reports.thumbnails import LIMIT, SIDE, Thumbnails, data_uri


def decoded(uri: str) -> Image.Image:
    head, data = uri.split(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_any_mode_becomes_rgb_within_the_side(mode: str) -> None:
    image = decoded(data_uri(Image.new(mode, (1000, 40))))
    assert image.mode == "RGB" and max(image.size) == SIDE


def test_small_pictures_are_not_enlarged_and_the_original_stays() -> None:
    original = Image.new("RGB", (20, 10), "red")
    assert decoded(data_uri(original)).size == (20, 10)
    assert original.size == (20, 10)


def test_transparent_parts_are_white() -> None:
    image = decoded(data_uri(Image.new("RGBA", (20, 20), (0, 0, 0, 0))))
    assert image.getpixel((10, 10)) == (255, 255, 255)


def test_noise_is_kept_within_the_limit() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    assert len(base64.b64decode(data_uri(Image.fromarray(noise)).split(",")[1])) <= LIMIT


def test_each_picture_is_made_once_and_errors_are_no_picture() -> None:
    asked = []

    def load(name: str) -> Image.Image | None:
        asked.append(name)
        if name == "broken":
            raise OSError("truncated")
        return None if name == "absent" else Image.new("RGB", (4, 4))

    thumbnails = Thumbnails(load)
    assert thumbnails("a") == thumbnails("a") is not None
    assert thumbnails("broken") is None and thumbnails("absent") is None
    assert thumbnails("broken") is None
    assert asked == ["a", "broken", "absent"]


def test_the_side_and_the_limit_may_be_smaller() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    uri = Thumbnails(lambda _: Image.fromarray(noise), limit=4_000, side=112)("a")
    assert uri is not None
    assert max(decoded(uri).size) <= 112 and len(base64.b64decode(uri.split(",")[1])) <= 4_000
