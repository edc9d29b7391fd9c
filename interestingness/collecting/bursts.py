"""Frames of one burst, by the camera's clock: within seconds of each other, of one camera."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from io import BytesIO
from pathlib import Path

from PIL import Image

from interestingness.data.images import quiet_pillow
from interestingness.datasets.photographs import Photographs
from interestingness.errors import ImageError

GAP_S = 2.0
"""Seconds between two frames of a burst, at most."""
_EXIF, _TAKEN, _SUBSECOND, _MODEL = 0x8769, 0x9003, 0x9291, 0x0110


def bursts_of(photographs: Photographs) -> dict[str, int]:
    """Number the bursts; photographs alone, and those without a time, are in none.

    Returns:
        Number of the burst by the name of a photograph.
    """
    taken: dict[str, list[tuple[float, str]]] = {}
    for row, name in enumerate(photographs.image_ids):
        try:
            path = photographs.path(row)
            # Of a file the header is read alone.
            found = _taken(BytesIO(photographs[row].read()) if path is None else path)
        except (ImageError, OSError):
            continue
        if found is not None:
            taken.setdefault(found[1], []).append((found[0], name))
    groups = (group for times in taken.values() for group in _chained(sorted(times)))
    return {name: number for number, group in enumerate(groups) for name in group}


def _chained(times: Iterable[tuple[float, str]]) -> list[list[str]]:
    """Groups of two or more whose neighbours are at most ``GAP_S`` apart."""
    groups: list[list[str]] = []
    before = float("-inf")
    for time, name in times:
        if time - before > GAP_S:
            groups.append([])
        groups[-1].append(name)
        before = time
    return [group for group in groups if len(group) > 1]


def _taken(file: Path | BytesIO) -> tuple[float, str] | None:
    """Return when a photograph was taken, in seconds, and by what; None where it does not say."""
    try:
        with quiet_pillow(), Image.open(file) as image:
            exif = image.getexif()
            detail = exif.get_ifd(_EXIF)
        time = datetime.strptime(str(detail[_TAKEN]).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except Exception:  # metadata never decide whether a picture can be used
        return None
    digits = "".join(filter(str.isdigit, str(detail.get(_SUBSECOND, ""))))
    return (time - datetime(1970, 1, 1)).total_seconds() + float(f"0.{digits or 0}"), str(
        exif.get(_MODEL, "")
    )
