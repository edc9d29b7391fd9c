"""Read star ratings of photographs from sidecars, XMP and EXIF."""

from __future__ import annotations

import codecs
import re
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

from interestingness.data.image_kinds import header_is_whole, image_kind, without_metadata
from interestingness.data.images import open_image, quiet_pillow
from interestingness.datasets.beside import FilesBeside, name_key
from interestingness.datasets.preparing import Progress
from interestingness.errors import ImageError

XMP = "{http://ns.adobe.com/xap/1.0/}"
"""Namespace of xmp:Rating and xmp:CreatorTool."""
DESCRIPTION = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
OTHER_SCALES = ("}rating", "}ratingpercent")
"""Ratings by other programs, such as MicrosoftPhoto:Rating (to 99): seen, but not converted."""
EXIF_RATING, EXIF_RATING_PERCENT = 0x4746, 0x4749
OURS = "interestingness"
"""The creator tool of sidecars that ``rank --write-xmp`` wrote: a model's stars, not a person's."""
REJECTED, MOST = -1, 5
PACKET = re.compile(rb"<(x:xmpmeta|rdf:RDF)[\s>].*?</\1>", re.DOTALL)
"""An XMP packet, which stands in files of every format uncompressed so that it can be found so."""
START = 1 << 18
"""Bytes that nearly always hold the metadata of a JPEG."""
NO_METADATA = ("BMP", "PPM")
"""Formats that cannot carry a rating."""


@dataclass(frozen=True)
class Rating:
    """The rating of one photograph.

    Attributes:
        stars: 1 to 5, −1 for rejected; None where there is no rating (or 0, which means none).
        source: "sidecar", "xmp" or "exif", where the stars come from; else "" or why there are
            none: "ours" (a sidecar of a model), "strange" (not a number from −1 to 5, or one on
            another scale, such as MicrosoftPhoto:Rating), "damaged" (metadata that cannot be read).
    """

    stars: int | None
    source: str = ""


class Sidecars:
    """Finds sidecars: ``photo.jpg.xmp`` (darktable, digiKam), ``photo.xmp`` (Adobe).

    Letter case and the form of Unicode make no difference, because programs and file systems change
    both. A folder is listed once.
    """

    def __init__(self) -> None:
        """Start without folders."""
        self._files = FilesBeside(_key_of_xmp)

    def of(self, photo: Path) -> list[Path]:
        """Return the sidecars of a photograph that exist, the more specific name first."""
        names = (f"{photo.name}.xmp", f"{photo.stem}.xmp")
        keys = dict.fromkeys(name_key(name) for name in names)
        return [file for key in keys for file in self._files.of(photo.parent, key)]


def _key_of_xmp(name: str) -> str | None:
    return name_key(name) if name.lower().endswith(".xmp") else None


def read_rating(photo: Path, sidecars: Sidecars | None = None) -> Rating:
    """Read the rating of one photograph: the sidecar before the file, XMP before EXIF."""
    problem = ""
    for sidecar in (sidecars or Sidecars()).of(photo):
        found = rating_of_xmp(_bytes(sidecar), "sidecar")
        if found.stars is not None:
            return found
        problem = problem or found.source
    inside = rating_inside(photo)
    return inside if inside.stars is not None else Rating(None, problem or inside.source)


def rating_inside(photo: Path) -> Rating:
    """Read the rating that a file itself carries, XMP before EXIF."""
    try:
        data = beginning(photo)
    except OSError:
        return Rating(None, "damaged")
    xmp, exif, whole = metadata(data)
    found = rating_of_xmp(xmp, "xmp") if xmp else Rating(None)
    if found.stars is not None:
        return found
    own = _rating_of_exif(exif)
    if own.stars is not None:
        return own
    return Rating(None, found.source or own.source or ("" if whole else "damaged"))


def beginning(photo: Path) -> bytes:
    """Read as much of a file as holds its metadata, the whole file where that is not known.

    Raises:
        OSError: if it cannot be read.
    """
    with photo.open("rb") as file:
        data = file.read(START)
        return data if header_is_whole(data) else data + file.read()


def metadata(data: bytes) -> tuple[bytes, bytes, bool]:
    """Find the XMP packet and the EXIF block of a picture, without decoding its pixels.

    Args:
        data: the whole file.

    Returns:
        Both, b"" for none; and whether all metadata could be read.
    """
    kind = image_kind(data)
    xmp, exif, whole = b"", without_metadata(data)[1], kind in NO_METADATA
    if kind is not None:
        try:
            with quiet_pillow():
                image = open_image(data, where="")
                found = image.info.get("xmp", b"")
                xmp = found if isinstance(found, bytes) else str(found).encode()
                exif = exif or image.info.get("exif", b"") or _tiff_exif(image)
            whole = whole or kind != "JPEG2000"  # of which Pillow reads neither
        except ImageError:  # HEIC without the extra
            pass
        except Exception:  # decoders raise any kind of exception for damaged metadata
            pass
    if not xmp and (packet := PACKET.search(data)):
        xmp = packet[0]
    return xmp, exif, whole


def _tiff_exif(image: Image.Image) -> bytes:
    """Copy the rating of a TIFF, whose tags are its EXIF."""
    tags = getattr(image, "tag_v2", None) or {}
    exif = Image.Exif()
    for tag in (EXIF_RATING, EXIF_RATING_PERCENT):
        if tag in tags:
            exif[tag] = tags[tag]
    return exif.tobytes() if len(exif) else b""


def _rating_of_exif(data: bytes) -> Rating:
    if not data:
        return Rating(None)
    exif = Image.Exif()
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            exif.load(data)
            stars, percent = exif.get(EXIF_RATING), exif.get(EXIF_RATING_PERCENT)
    except Exception:  # Pillow raises any kind of exception for a damaged block
        return Rating(None, "damaged")
    found = _rating(str(stars), "exif") if stars is not None else Rating(None)
    if found.stars is None and not found.source:
        return Rating(None, "strange" if percent else "damaged" if said else "")
    return found


def rating_of_xmp(data: bytes, source: str) -> Rating:
    """Parse the xmp:Rating of an XMP packet, an attribute or an element.

    Args:
        data: XML in UTF-8, UTF-16 or UTF-32; entities and document types are refused.
        source: source to put into the result.
    """
    try:
        root = fromstring(_text(data))
    except (ParseError, DefusedXmlException, ValueError):
        return Rating(None, "damaged")
    text = tool = other = None
    for node in root.iter(DESCRIPTION):
        inner = {child.tag: child.text for child in node}
        fields = {**inner, **node.attrib}
        text = text or fields.get(f"{XMP}Rating")
        tool = tool or fields.get(f"{XMP}CreatorTool")
        other = other or any(name.lower().endswith(OTHER_SCALES) for name in fields)
    if source == "sidecar" and tool == OURS:
        return Rating(None, "ours")
    if text is None:
        return Rating(None, "strange" if other else "")
    return _rating(text, source)


def _text(data: bytes) -> str | bytes:
    """Decode XML in 16 or 32 bits a character; leave the rest to the parser."""
    marks = (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
        ("<".encode("utf-32-le"), "utf-32-le"),
        ("<".encode("utf-32-be"), "utf-32-be"),
        ("<".encode("utf-16-le"), "utf-16-le"),
        ("<".encode("utf-16-be"), "utf-16-be"),
    )
    coding = next((name for mark, name in marks if data.startswith(mark)), None)
    if coding is None:
        return data.removeprefix(codecs.BOM_UTF8).strip(b"\0 \r\n\t")
    whole = len(data) - len(data) % (4 if "32" in coding else 2)
    return data[:whole].decode(coding).strip("\0 \r\n\t\ufeff")


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
    sidecars = Sidecars()
    for i, photo in enumerate(photos):
        found = read_rating(photo, sidecars)
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
    sidecars = Sidecars()
    for photo in photos:
        for sidecar in sidecars.of(photo):
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
