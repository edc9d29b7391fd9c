"""What leaves the machine: upright, small, without metadata, the same bytes each time."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interestingness.annotators.sent_images import GAP, ImageSource, Transcode, join_side_by_side
from interestingness.errors import ConfigError, ImageError

SMALL = Transcode(max_side=64)


def picture(width: int = 120, height: int = 80, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3))
    return Image.fromarray(values.astype(np.uint8)).resize((width, height))


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    sink = BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def test_metadata_stays_here() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAMERA"
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 0.0)}
    data = saved(picture(), exif=exif, comment=b"SECRETCOMMENT", icc_profile=b"SECRETPROFILE" * 20)
    assert b"SECRETCAMERA" in data and b"SECRETCOMMENT" in data
    sent = SMALL(data, where="x")
    assert b"SECRET" not in sent and b"Exif" not in sent
    with Image.open(BytesIO(sent)) as image:
        assert not image.getexif() and "icc_profile" not in image.info
        assert max(image.size) == 64 and image.format == "JPEG"


def test_the_orientation_is_applied_before_it_is_dropped() -> None:
    image = Image.new("RGB", (80, 40), "white")
    image.paste("red", (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise
    with Image.open(BytesIO(SMALL(saved(image, exif=exif, quality=95), where="x"))) as sent:
        assert sent.height > sent.width
        assert sent.getpixel((10, 5))[1] < 60 and sent.getpixel((10, sent.height - 5))[1] > 200


def test_equal_pixels_give_equal_bytes_and_small_images_are_not_blown_up() -> None:
    image = picture(40, 24)
    sent = {SMALL(saved(image, kind), where="x") for kind in ("PNG", "BMP", "TIFF")}
    assert len(sent) == 1
    with Image.open(BytesIO(sent.pop())) as same:
        assert same.size == (40, 24)


def test_the_id_names_the_rule() -> None:
    ids = {Transcode().id, Transcode(max_side=256).id, Transcode(quality=80).id}
    assert len(ids) == 3 and Transcode().id == Transcode(512, 90).id
    for wrong in ({"max_side": 8}, {"quality": 0}, {"quality": 100}):
        with pytest.raises(ConfigError):
            Transcode(**wrong)


def _bomb() -> bytes:
    """A PNG that says it has 900 million pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"no image at all", "not an image"),
        (saved(picture())[:900], "cut short"),
        (saved(picture(), "GIF", save_all=True, append_images=[picture(seed=1)]), "animation"),
        (_bomb(), "too large"),
    ],
    ids=["empty", "text", "truncated", "animated", "bomb"],
)
def test_what_cannot_be_sent_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        SMALL(data, where="x.jpg")


def test_cmyk_is_sent_as_rgb() -> None:
    with Image.open(BytesIO(SMALL(saved(picture().convert("CMYK")), where="x"))) as sent:
        assert sent.mode == "RGB"


def test_a_source_is_the_file_that_was_hashed(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(picture()))
    source = ImageSource.read("a.jpg", path)
    assert source.bytes() == path.read_bytes()
    path.write_bytes(saved(picture(seed=1)))
    with pytest.raises(ImageError, match="changed"):
        source.bytes()
    path.write_bytes(b"")
    with pytest.raises(ImageError, match="empty"):
        ImageSource.read("a.jpg", path)
    with pytest.raises(ImageError):
        ImageSource.read("b.jpg", tmp_path / "b.jpg")


def test_the_canvas_shows_the_first_on_the_left() -> None:
    red, blue = Image.new("RGB", (60, 40), "red"), Image.new("RGB", (30, 80), "blue")
    both = join_side_by_side(red, blue)
    assert both.size == (120 + 30 + 3 * GAP, 80 + 2 * GAP)
    assert both.getpixel((GAP + 60, GAP + 40)) == (255, 0, 0)
    assert both.getpixel((2 * GAP + 120 + 15, GAP + 40)) == (0, 0, 255)
    assert both.getpixel((GAP + 120 + GAP // 2, GAP + 40)) == (255, 255, 255)
    other = join_side_by_side(blue, red)
    left = np.asarray(both.crop((GAP, GAP, GAP + 120, GAP + 80)))
    right = np.asarray(other.crop((2 * GAP + 30, GAP, 2 * GAP + 150, GAP + 80)))
    assert (left == right).all()
