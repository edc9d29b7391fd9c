"""Every odd picture a folder of photographs may hold gives RGB or one clear error."""

from __future__ import annotations

import builtins
import io
import pickle
import struct
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from interestingness.data import images
from interestingness.data.image_kinds import image_kind
from interestingness.data.images import Skips, decode_image, orientation, read_image
from interestingness.errors import ConfigError, DataError, ImageError


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """A smooth synthetic picture without symmetry: its corners are red, green, blue and grey."""
    corners = np.array([[[220, 30, 30], [30, 200, 40]], [[30, 40, 210], [128, 128, 128]]], "uint8")
    return Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR)


def difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


LOSSLESS = ["PNG", "TIFF", "BMP", "PPM", "JPEG2000"]
LOSSY = ["JPEG", "WEBP", "AVIF", "GIF"]


@pytest.mark.parametrize("format", LOSSLESS + LOSSY)
def test_formats(format: str) -> None:
    image = decode_image(encode(scene(), format), where="x")
    assert image.mode == "RGB"
    assert difference(image, scene()) <= (0 if format in LOSSLESS else 12)


def test_a_decoded_image_is_whole_and_carries_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode_image(encode(scene(), "JPEG", exif=exif, dpi=(72, 72)), where="x")
    assert image.info == {}
    assert image.getexif().get(0x0112) is None
    assert pickle.loads(pickle.dumps(image)).tobytes() == image.tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("value", range(1, 9))
def test_exif_orientation_is_applied_once(format: str, value: int) -> None:
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[value]
    stored = scene() if undo is None else scene().transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = value
    image = decode_image(encode(stored, format, exif=exif), where="x")
    assert difference(image, scene()) < 8


def test_orientation_of_damaged_exif_is_upright() -> None:
    good = b"Exif\0\0II*\0" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, 6, 0)
    assert orientation(good) == 6
    assert orientation(b"Exif\0\0MM\0*" + struct.pack(">IHHHIHH", 8, 1, 0x0112, 3, 1, 8, 0)) == 8
    assert orientation(good.replace(struct.pack("<HH", 6, 0), struct.pack("<HH", 99, 0))) == 1
    for cut in range(len(good)):
        assert orientation(good[:cut]) in {1, 6}
    assert orientation(None) == orientation(b"") == orientation(b"nonsense at all") == 1


def test_cmyk_jpeg_keeps_its_colours() -> None:
    image = decode_image(encode(scene().convert("CMYK"), "JPEG", quality=95), where="x")
    assert difference(image, scene()) < 4


def test_palette_and_grey() -> None:
    assert difference(decode_image(encode(scene().quantize(64), "PNG"), where="x"), scene()) < 12
    grey = scene().convert("L")
    for format in ("JPEG", "PNG"):
        image = decode_image(encode(grey, format), where="x")
        assert difference(image, grey.convert("RGB")) < 2
    bits = scene().convert("1")
    assert difference(decode_image(encode(bits, "PNG"), where="x"), bits.convert("RGB")) == 0


@pytest.mark.parametrize(
    ("mode", "format"),
    [("RGBA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "TIFF"), ("LA", "PNG"), ("LA", "TIFF")],
)
def test_transparency_is_laid_on_white(mode: str, format: str) -> None:
    picture = scene().convert(mode)
    alpha = Image.linear_gradient("L").resize(picture.size)
    picture.putalpha(alpha)
    options: dict[str, Any] = {"lossless": True, "exact": True} if format == "WEBP" else {}
    image = decode_image(encode(picture, format, **options), where="x")
    share = np.asarray(alpha, dtype=float)[..., None] / 255
    colours = np.asarray(scene().convert(mode).convert("RGB"), dtype=float)
    expected = share * colours + (1 - share) * 255
    assert np.abs(np.asarray(image) - expected).max() <= 2


def test_transparent_palette_and_colour_keys_are_laid_on_white() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 10, 10])
    palette.putpixel((0, 0), 0)
    for transparency in (0, bytes([0, 255])):
        image = decode_image(encode(palette, "PNG", transparency=transparency), where="x")
        assert image.getpixel((0, 0)) == (255, 255, 255)
        assert image.getpixel((1, 1)) == (200, 10, 10)
    key = Image.new("RGB", (4, 4), (1, 2, 3))
    key.putpixel((0, 0), (9, 9, 9))
    image = decode_image(encode(key, "PNG", transparency=(9, 9, 9)), where="x")
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((1, 1)) == (1, 2, 3)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_deep_grey_is_scaled_not_clipped(format: str) -> None:
    values = np.linspace(0, 65535, 48 * 32).reshape(32, 48).astype(np.uint16)
    image = decode_image(encode(Image.fromarray(values), format), where="x")
    expected = np.repeat((values >> 8)[..., None], 3, axis=2)
    assert (np.asarray(image) == expected).all()


def tiff(bits: int, data: bytes, *, width: int, height: int, **tags: int) -> bytes:
    """A plain grey TIFF, of depths that Pillow reads and does not write."""
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height}
    entries |= {279: len(data)} | {int(tag[1:]): value for tag, value in tags.items()}
    directory = struct.pack("<H", len(entries))
    for tag, value in sorted(entries.items()):
        directory += struct.pack("<HHII", tag, 4, 1, value)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + b"\0" * 4


def test_twelve_bits_are_scaled_by_twelve_bits() -> None:
    image = decode_image(tiff(12, b"\x80\x08\x00" * 2, width=2, height=2), where="x")
    assert {image.getpixel((x, y)) for x in (0, 1) for y in (0, 1)} == {(128, 128, 128)}


def test_damaged_metadata_does_not_warn() -> None:
    image = decode_image(tiff(8, bytes(4), width=2, height=2, t34665=10**6), where="x")
    assert image.getpixel((0, 0)) == (0, 0, 0)


def test_deep_grey_with_a_transparent_value() -> None:
    values = np.full((4, 4), 30000, dtype=np.uint16)
    values[0, 0] = 500
    data = encode(Image.fromarray(values), "PNG")
    key = b"tRNS" + struct.pack(">H", 500)
    chunk = struct.pack(">I", 2) + key + struct.pack(">I", zlib.crc32(key))
    at = data.index(b"IDAT") - 4
    image = decode_image(data[:at] + chunk + data[at:], where="x")
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((1, 1)) == (30000 >> 8,) * 3


def png(kind: int, samples: np.ndarray, *, extra: bytes = b"") -> bytes:
    """A 16-bit PNG, which Pillow itself cannot write in colour."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    height, width = samples.shape[:2]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = [chunk(b"IHDR", header)]
    if extra:
        parts.append(chunk(b"tRNS", extra))
    parts += [chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_deep_colour_is_scaled_not_clipped() -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (6, 5, 3))
    assert (np.asarray(decode_image(png(2, samples), where="x")) == samples >> 8).all()
    alpha = np.full((6, 5, 1), 65535)
    deep = np.concatenate([samples, alpha], axis=2)
    assert (np.asarray(decode_image(png(6, deep), where="x")) == samples >> 8).all()
    grey = np.concatenate([samples[..., :1], alpha * 0], axis=2)
    assert (np.asarray(decode_image(png(4, grey), where="x")) == 255).all()
    key = png(2, samples, extra=struct.pack(">HHH", 40000, 50000, 60000))
    assert (np.asarray(decode_image(key, where="x")) == samples >> 8).all()


@pytest.mark.parametrize("mode", ["F", "I"])
def test_samples_of_unknown_range_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match="range is not known"):
        decode_image(encode(scene().convert("L").convert(mode), "TIFF"), where="deep.tif")


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_animations_and_pages_are_refused(format: str) -> None:
    frames = [scene(), scene().transpose(Image.Transpose.ROTATE_180)]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match=r"many\.x: an animation"):
        decode_image(data, where="many.x")


def test_multi_picture_jpeg_is_its_main_picture() -> None:
    data = encode(scene(), "MPO", save_all=True, append_images=[scene(8, 8)])
    assert difference(decode_image(data, where="x"), scene()) < 8


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
def test_cut_files_are_refused(format: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encode(noise, format)
    with pytest.raises(ImageError, match=r"cut\.x: ") as caught:
        decode_image(data[: int(len(data) * share)], where="cut.x")
    assert caught.value.todo


@pytest.mark.parametrize(
    "data",
    [b"\0", b"hello", b"%PDF-1.7", b"%!PS-Adobe", b"<svg></svg>", b"\xff\xd8\xff", b"PK\3\4"],
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode_image(data, where="x")


def test_empty_file() -> None:
    with pytest.raises(ImageError, match="0 bytes"):
        decode_image(b"", where="x")


def test_any_bytes_give_an_image_or_an_image_error() -> None:
    rng = np.random.default_rng(3)
    starts = [encode(scene(), format) for format in LOSSLESS + LOSSY]
    for start in starts * 6:
        damaged = bytearray(start)
        for at in rng.integers(0, len(damaged), 8):
            damaged[at] = rng.integers(0, 256)
        try:
            assert decode_image(bytes(damaged), where="x").mode == "RGB"
        except ImageError as error:
            assert error.found.startswith("x: ")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_large_pictures_are_refused_before_decoding(format: str) -> None:
    data = encode(scene(), format)
    with pytest.raises(ImageError, match="too large"):
        decode_image(data, where="x", max_pixels=48 * 32 - 1)
    decode_image(data, where="x", max_pixels=48 * 32)


def test_bombs_are_refused_without_a_warning() -> None:
    width, height = 60_000, 60_000
    data = bytearray(png(2, np.zeros((1, 1, 3))))
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    data[12:33] = body + struct.pack(">I", zlib.crc32(body))
    with pytest.raises(ImageError, match="too large"):
        decode_image(bytes(data), where="x")
    jpeg = bytearray(encode(scene(), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", height, width)
    with pytest.raises(ImageError, match="too large"):
        decode_image(bytes(jpeg), where="x")


def test_pictures_that_pillow_only_warns_about_do_not_warn() -> None:
    # 90 to 100 million pixels: between Pillow's warning and our limit.
    data = encode(Image.new("1", (9_600, 9_600)), "PNG")
    with pytest.raises(ImageError, match="9600 × 9600"):
        decode_image(data, where="x", max_pixels=9_600 * 9_600 - 1)


@pytest.mark.parametrize("size", [(11_648, 8_736), (50_000, 2_200), (40_000, 10_000)])
def test_jpegs_of_more_than_100_million_pixels_decode_reduced(size: tuple[int, int]) -> None:
    """Medium format, a panorama, and one that is refused by Pillow's own limit."""
    data = encode(scene().resize((size[0] // 8, size[1] // 8)), "JPEG")
    whole = bytearray(data)
    at = data.index(b"\xff\xc0") + 5
    whole[at : at + 4] = struct.pack(">HH", size[1], size[0])
    jpeg = images.JpegImageFile(io.BytesIO(bytes(whole)))
    cost = images._reduced(jpeg, None)
    assert cost <= images.MAX_PIXELS and size[0] * size[1] > images.MAX_PIXELS
    assert jpeg.size[0] * jpeg.size[1] <= images.MAX_PIXELS
    assert size[0] / jpeg.size[0] == pytest.approx(2, rel=0.01)


def test_a_reduced_jpeg_shows_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 480 * 320 // 3)
    image = decode_image(encode(scene(480, 320), "JPEG"), where="x")
    assert image.size == (240, 160)
    assert difference(image, scene(240, 160)) < 4


def test_a_progressive_jpeg_costs_its_coefficients() -> None:
    for sampling, share in ((0, 1.5), (2, 0.75)):
        data = encode(scene(480, 320), "JPEG", progressive=True, subsampling=sampling)
        jpeg = images.JpegImageFile(io.BytesIO(data))
        assert images._reduced(jpeg, 10) == share * 480 * 320
    plain = images.JpegImageFile(io.BytesIO(encode(scene(480, 320), "JPEG")))
    assert images._reduced(plain, 10) == 480 * 320 // 8


def test_the_limit_can_be_raised_beyond_that_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # it refuses twice as many
    for format in LOSSLESS + LOSSY:
        assert decode_image(encode(scene(), format), where="x", max_pixels=48 * 32).size == (48, 32)


def pages(*sizes: tuple[int, int], tags: list[dict[int, int]] | None = None) -> bytes:
    """A TIFF whose pages have these sizes and tags; the corners tell pages apart by size only."""
    buffer, tags = io.BytesIO(), tags or [{} for _ in sizes]
    with TiffImagePlugin.AppendingTiffWriter(buffer, True) as tiff:
        for size, tag in zip(sizes, tags, strict=True):
            info = TiffImagePlugin.ImageFileDirectory_v2()
            for number, value in tag.items():
                info[number] = value
            scene(*size).save(tiff, "TIFF", tiffinfo=info)
            tiff.newFrame()
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pages((48, 32), (12, 9), tags=[{}, {254: 1}]),  # as scanners mark a thumbnail
        pages((12, 9), (48, 32), tags=[{254: 1}, {254: 0}]),  # first the thumbnail, as cameras do
        pages((48, 32), (12, 9), tags=[{}, {255: 2}]),  # the older mark
        pages((48, 32), (48, 32), tags=[{}, {254: 4}]),  # a mask
        pages((48, 32), (24, 16), (12, 8)),  # a pyramid without marks
    ],
)
def test_a_page_that_is_a_thumbnail_is_no_second_picture(data: bytes) -> None:
    assert difference(decode_image(data, where="x"), scene()) == 0


@pytest.mark.parametrize(
    "data", [pages((48, 32), (48, 32)), pages((48, 32), (24, 24)), pages((48, 32), (40, 27))]
)
def test_pages_of_other_pictures_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="2 pages"):
        decode_image(data, where="x")


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    total = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", total)


TURN = b"II*\0" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, 6, 0)


@pytest.mark.parametrize(
    ("metadata", "turned"),
    [
        (chunk(b"tEXt", b"Comment\0" + b"x" * 3_000_000), False),
        (chunk(b"zTXt", b"Raw\0\0" + zlib.compress(b"x" * 80_000_000)), False),
        (chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"<x/>", checksum=1), False),
        (chunk(b"iCCP", b"broken"), False),
        (chunk(b"pHYs", b"\0"), False),
        (chunk(b"prVt", b"of some program", checksum=7), False),
        (chunk(b"eXIf", TURN, checksum=9), True),
        (chunk(b"eXIf", b"II"), False),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_metadata_of_a_png_never_decide_about_its_pixels(
    metadata: bytes, turned: bool, late: bool
) -> None:
    good = encode(scene(), "PNG")
    at = good.index(b"IEND") - 4 if late else 33
    image = decode_image(good[:at] + metadata + good[at:], where="x")
    expected = scene().transpose(Image.Transpose.ROTATE_270) if turned else scene()
    assert difference(image, expected) == 0


def test_a_wrong_checksum_of_pixels_is_damage() -> None:
    good = bytearray(encode(scene(), "PNG"))
    good[good.index(b"IDAT") + 10] ^= 1
    with pytest.raises(ImageError, match="damaged PNG"):
        decode_image(bytes(good), where="x")


def test_damaged_metadata_of_other_formats_do_not_decide_either() -> None:
    for format in ("JPEG", "WEBP", "AVIF"):
        exif = Image.Exif()
        exif[0x010E] = "a description to be damaged"
        data = encode(scene(), format, exif=exif)
        at = data.index(b"a description") - 30
        for place in range(at, at + 30):
            damaged = bytearray(data)
            damaged[place] = 0xFF
            assert decode_image(bytes(damaged), where="x").size in {(48, 32), (32, 48)}


def heic(image: Image.Image, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the heic extra is not installed")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    return buffer.getvalue()


def test_heic() -> None:
    data = heic(scene())
    assert image_kind(data) == "HEIC"
    assert difference(decode_image(data, where="x"), scene()) < 8
    with pytest.raises(ImageError):
        decode_image(data[: len(data) // 2], where="x")
    with pytest.raises(ImageError, match="too large"):
        decode_image(data, where="x", max_pixels=10)


def test_heic_orientation_is_applied_once() -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the heic extra is not installed")
    pillow_heif.register_heif_opener()  # the only way to write the rotation as phones do
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(scene().transpose(Image.Transpose.ROTATE_90), "HEIF", exif=exif.tobytes())
    assert difference(decode_image(data, where="x"), scene()) < 8


def test_heic_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(scene())
    monkeypatch.delitem(sys.modules, "pillow_heif", raising=False)
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("pillow_heif"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImageError, match=r"pip install interestingness\[heic\]"):
        decode_image(data, where="x")


def test_read_image(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(scene(), "PNG"))
    assert difference(read_image(path), scene()) == 0
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(ImageError, match=str(tmp_path)):
        read_image(tmp_path)


def test_decoding_in_threads_leaves_the_warning_filters_alone() -> None:
    import warnings

    before = list(warnings.filters)
    pictures = [encode(scene(), format) for format in ("PNG", "TIFF", "GIF")] * 8
    threads = [
        threading.Thread(target=decode_image, args=(p,), kwargs={"where": "x"}) for p in pictures
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_skips_are_counted_listed_and_limited() -> None:
    skips = Skips(max_share=0.02)
    skips.check(0)
    skips.add("a.jpg", ImageError("a.jpg: 0 bytes", todo="x"))
    skips.add("a.jpg", "another reason")
    skips.update({"b.jpg": "cut short"})
    assert len(skips) == 2 and "a.jpg" in skips
    skips.check(100)
    with pytest.raises(DataError, match=r"2 of 99 images cannot be read:\n    a\.jpg: a\.jpg"):
        skips.check(99)
    one = Skips(max_share=0.02, reasons={"a.jpg": "cut short"})
    one.check(3)  # one bad file is never too many …
    with pytest.raises(DataError, match=r"data\.max_bad_share=0"):  # … unless none is allowed
        Skips(0, group="data.", reasons={"a.jpg": "too large: max_pixels is 9"}).check(100)
    for i in range(10):
        skips.add(f"c{i}", "gone")
    assert skips.listing(3).count("\n") == 3 and "9 more" in skips.listing(3)


def test_real_photographs_decode_as_pillow_does(shared_data: Path) -> None:
    paths = sorted((shared_data / "oasis" / "images").glob("*"))[:5]
    assert len(paths) == 5
    for path in paths:
        assert difference(read_image(path), Image.open(path).convert("RGB")) == 0


@pytest.mark.parametrize("share", [-0.1, 2, float("nan"), "many", True])
def test_a_share_lies_between_0_and_1(share: Any) -> None:
    with pytest.raises(ConfigError, match=f"max_bad_share={share}"):
        Skips(max_share=share)
    assert Skips(max_share=0).max_share == 0 and Skips(max_share=1).max_share == 1
