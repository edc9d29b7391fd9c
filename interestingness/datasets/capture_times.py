"""When a photograph was taken, and which raw files belong to it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from interestingness.data.image_kinds import without_metadata
from interestingness.datasets.beside import FilesBeside, name_key
from interestingness.datasets.image_files import RAW
from interestingness.datasets.star_ratings import START, beginning, metadata
from interestingness.errors import ImageError

_TIFF = (b"II*\0", b"MM\0*")
_EXIF_IFD = 0x8769
_ORIGINAL, _ORIGINAL_FRACTION = 0x9003, 0x9291
_DIGITIZED, _DIGITIZED_FRACTION = 0x9004, 0x9292
SAME_SHOT_S = 2.0
"""A camera writes both files of one shot with one time, or with one of the next second."""
_NAN = float("nan")


def capture_time(read: Callable[[], bytes]) -> float:
    """Return when a picture was taken, by its EXIF block.

    ``DateTimeOriginal``, else ``DateTimeDigitized``, with the fraction of the second. The clock of
    the camera counts and its time zone does not: what is asked is how far apart two pictures are.
    The time of a file's change is no time of capture and is not used.

    Args:
        read: gives the file's bytes, or as many as hold the metadata.

    Returns:
        Seconds, NaN where it is unknown.
    """
    try:
        data = read()
    except (OSError, ImageError):
        return _NAN
    if data.startswith(_TIFF):
        return time_of_exif(data)
    return time_of_exif(without_metadata(data)[1] or metadata(data)[1])


def capture_time_of(photo: Path) -> float:
    """Return when the picture of a file was taken, in seconds; NaN where it is unknown."""
    return capture_time(lambda: beginning(photo))


def time_of_exif(data: bytes) -> float:
    """Return the time of capture that an EXIF block, or a TIFF, holds; NaN for none."""
    if not data:
        return _NAN
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif.load(data)
            tags = exif.get_ifd(_EXIF_IFD)
    except Exception:  # Pillow raises any kind of exception for a damaged block
        return _NAN
    for when, fraction in ((_ORIGINAL, _ORIGINAL_FRACTION), (_DIGITIZED, _DIGITIZED_FRACTION)):
        found = _seconds(tags.get(when), tags.get(fraction))
        if found == found:
            return found
    return _NAN


def _seconds(when: object, fraction: object) -> float:
    text = str(when or "").strip("\0 ")
    try:
        day = datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:  # cameras without a clock write zeros
        return _NAN
    digits = str(fraction or "").strip("\0 ")
    return day.timestamp() + (float(f"0.{digits}") if digits.isdecimal() else 0.0)


class RawFiles:
    """Finds the raw files of a picture: the same name beside it, and not taken at another time.

    A camera's counter begins again at 0001, so that equal names in one folder may be two shots;
    where both files tell their time, it decides. A folder is listed once.
    """

    def __init__(self) -> None:
        """Start without folders."""
        self._files = FilesBeside(_key_of_raw)

    def of(self, photo: Path) -> list[Path]:
        """Return the raw files of a picture, sorted by name."""
        found = self._files.of(photo.parent, name_key(photo.stem))
        if not found:
            return []
        taken = capture_time_of(photo)
        return [raw for raw in found if not abs(_raw_time(raw) - taken) > SAME_SHOT_S]


def _key_of_raw(name: str) -> str | None:
    stem, ending = os.path.splitext(name)  # noqa: PTH122  as many as a million names
    return name_key(stem) if ending.lower() in RAW and not name.startswith(".") else None


def _raw_time(raw: Path) -> float:
    """Most raw files are TIFFs, whose tags stand at the beginning; others tell no time here."""
    try:
        with raw.open("rb") as file:
            return time_of_exif(file.read(START))
    except OSError:
        return _NAN
