"""Times of capture, and raw files of a shot."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from PIL import Image

from interestingness.datasets.capture_times import RawFiles, capture_time, capture_time_of


def exif(when: str, fraction: str = "", tag: int = 0x9003) -> Image.Exif:
    made = Image.Exif()
    made[0x010F] = "camera"
    tags = made.get_ifd(0x8769)
    tags[tag] = when
    if fraction:
        tags[tag + 0x28E] = fraction  # SubSecTimeOriginal, SubSecTimeDigitized
    return made


def photo(path: Path, when: str | None = None, fraction: str = "", tag: int = 0x9003) -> Path:
    more = {} if when is None else {"exif": exif(when, fraction, tag).tobytes()}
    Image.new("RGB", (8, 8)).save(path, **more)
    return path


def raw(path: Path, when: str | None = None) -> Path:
    """A TIFF with the tags of a camera under the name of a raw file."""
    data = exif(when).tobytes().removeprefix(b"Exif\0\0") if when else b"II*\0\x08\0\0\0\0\0"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_times_of_every_format(tmp_path: Path, ending: str) -> None:
    early = photo(tmp_path / f"a{ending}", "2024:05:01 23:59:59", "25")
    late = photo(tmp_path / f"b{ending}", "2024:05:02 00:00:00", "75")
    assert capture_time_of(late) - capture_time_of(early) == pytest.approx(1.5)
    digitized = photo(tmp_path / f"c{ending}", "2024:05:01 23:59:59", "25", tag=0x9004)
    assert capture_time_of(digitized) == capture_time_of(early)
    assert capture_time(late.read_bytes) == capture_time_of(late)


def test_no_time(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    cut = photo(tmp_path / "cut.jpg", "2024:05:01 10:00:00").read_bytes()[:60]
    (tmp_path / "cut.jpg").write_bytes(cut)
    files = [tmp_path / name for name in ("text.jpg", "empty.jpg", "cut.jpg", "gone.jpg")]
    files += [photo(tmp_path / "none.jpg"), photo(tmp_path / "zero.jpg", "0000:00:00 00:00:00")]
    changed = Image.Exif()
    changed[0x0132] = "2024:05:01 10:00:00"  # when the file was edited
    Image.new("RGB", (8, 8)).save(tmp_path / "edited.jpg", exif=changed)
    assert all(math.isnan(capture_time_of(file)) for file in [*files, tmp_path / "edited.jpg"])


def test_raw_files_by_name_and_time(tmp_path: Path) -> None:
    shot = photo(tmp_path / "IMG_1.jpg", "2024:05:01 10:00:00")
    own = raw(tmp_path / "img_1.CR2", "2024:05:01 10:00:01")
    raw(tmp_path / "IMG_1.nef", "2022:01:01 10:00:00")  # the counter began again
    unknown = tmp_path / "IMG_1.RAF"
    unknown.write_bytes(b"FUJIFILM")
    raw(tmp_path / "IMG_10.dng", "2024:05:01 10:00:00")
    (tmp_path / "._IMG_1.dng").write_bytes(b"")
    found = RawFiles()
    assert set(found.of(shot)) == {own, unknown}
    assert found.of(photo(tmp_path / "IMG_2.jpg")) == []
    timeless = photo(tmp_path / "IMG_10.png")
    assert [file.name for file in found.of(timeless)] == ["IMG_10.dng"]
