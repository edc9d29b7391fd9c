"""Read star ratings of photographs from sidecars, XMP and EXIF."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from numpy.typing import NDArray
from PIL import Image

from interestingness.datasets.preparing import Progress

XMP = "{http://ns.adobe.com/xap/1.0/}"
"""Namespace of xmp:Rating and xmp:CreatorTool; MicrosoftPhoto:Rating counts otherwise (to 99)."""
DESCRIPTION = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
EXIF_RATING = 0x4746
OURS = "interestingness"
"""The creator tool of sidecars that ``rank --write-xmp`` wrote: a model's stars, not a person's."""
REJECTED, MOST = -1, 5


@dataclass(frozen=True)
class Rating:
    """The rating of one photograph.

    Attributes:
        stars: 1 to 5, −1 for rejected; None where there is no rating (or 0, which means none).
        source: "sidecar", "xmp" or "exif", where the stars come from; else "" or why there are
            none: "ours" (a sidecar of a model), "strange" (not a number from −1 to 5), "damaged".
    """

    stars: int | None
    source: str = ""


def read_rating(photo: Path) -> Rating:
    """Read the rating of one photograph: the sidecar before the file, XMP before EXIF."""
    problem = ""
    for sidecar in sidecars(photo):
        if sidecar.is_file():
            found = rating_of_xmp(_bytes(sidecar), "sidecar")
            if found.stars is not None:
                return found
            problem = problem or found.source
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(photo) as image:
                xmp = image.info.get("xmp")
                found = rating_of_xmp(xmp, "xmp") if isinstance(xmp, bytes) else Rating(None)
                if found.stars is not None:
                    return found
                exif = image.getexif().get(EXIF_RATING)
    except Exception:  # decoders raise any kind of exception for a damaged file
        return Rating(None, problem or "damaged")
    own = _rating(str(exif), "exif") if exif is not None else Rating(None)
    return own if own.stars is not None else Rating(None, problem or found.source or own.source)


def rating_of_xmp(data: bytes, source: str) -> Rating:
    """Parse the xmp:Rating of an XMP packet, an attribute or an element.

    Args:
        data: XML; entities and document types are refused.
        source: source to put into the result.
    """
    try:
        root = fromstring(data.strip(b"\0 \r\n\t"))
    except (ParseError, DefusedXmlException, ValueError):
        return Rating(None, "damaged")
    text = tool = None
    for node in root.iter(DESCRIPTION):
        inner = {child.tag: child.text for child in node}
        text = text or node.get(f"{XMP}Rating") or inner.get(f"{XMP}Rating")
        tool = tool or node.get(f"{XMP}CreatorTool") or inner.get(f"{XMP}CreatorTool")
    if source == "sidecar" and tool == OURS:
        return Rating(None, "ours")
    return Rating(None) if text is None else _rating(text, source)


def sidecars(photo: Path) -> tuple[Path, Path]:
    """Return possible sidecars: ``photo.jpg.xmp`` (darktable, digiKam), ``photo.xmp`` (Adobe)."""
    return photo.with_name(f"{photo.name}.xmp"), photo.with_suffix(".xmp")


def read_ratings(
    photos: Sequence[Path], progress: Progress | None = None
) -> tuple[NDArray[np.float64], dict[str, int]]:
    """Read the stars of many photographs.

    Returns:
        −1 and 1 to 5, NaN where there is none, shape (photos,); and counts to print: where the
        stars come from, how many are rejected, how many have none, and why not.
    """
    stars = np.full(len(photos), np.nan)
    counts: Counter[str] = Counter()
    names = {
        "ours": "sidecars_of_rank_left_out",
        "strange": "strange_ratings",
        "damaged": "damaged_metadata",
    }
    for i, photo in enumerate(photos):
        found = read_rating(photo)
        if found.stars is None:
            counts["without_stars"] += 1
            if found.source in names:
                counts[names[found.source]] += 1
        else:
            stars[i] = found.stars
            counts[f"from_{found.source}"] += 1
            counts["rejected"] += found.stars == REJECTED
        if progress is not None:
            progress(i + 1, len(photos))
    return stars, {name: count for name, count in sorted(counts.items()) if count}


def sidecar_states(photos: Sequence[Path]) -> list[list[str | int]]:
    """Return name, size and time of each sidecar: the prepared data set depends on them."""
    found: list[list[str | int]] = []
    for photo in photos:
        for sidecar in sidecars(photo):
            if sidecar.is_file():
                status = sidecar.stat()
                found.append([sidecar.name, status.st_size, status.st_mtime_ns])
    return found


def _rating(text: str, source: str) -> Rating:
    try:
        stars = float(text)
    except ValueError:
        return Rating(None, "strange")
    if stars == 0:
        return Rating(None)
    whole = stars.is_integer() and (stars == REJECTED or 1 <= stars <= MOST)
    return Rating(int(stars), source) if whole else Rating(None, "strange")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
