"""Write stars to XMP sidecars beside photographs; photographs and people's sidecars stay."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from interestingness.datasets.capture_times import RawFiles
from interestingness.datasets.star_ratings import (
    OURS,
    START,
    Sidecars,
    metadata,
    rating_inside,
    rating_of_xmp,
)
from interestingness.disk import appearing

_HOLDS_ITS_OWN = (".dng",)
"""Adobe's programs write the metadata of these into the file, and read no sidecar."""

PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
   xmp:CreatorTool="{tool}" xmp:Rating="{stars}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def write_sidecar(
    photo: Path, stars: int, sidecars: Sidecars | None = None, *, raws: RawFiles | None = None
) -> str:
    """Write ``photo.jpg.xmp`` or ``photo.xmp``, unless a person has, or may have, rated the photo.

    A sidecar of ours is replaced. If there is a person's sidecar, or the photograph itself has a
    rating or metadata that cannot be read, nothing is written: the person's rating counts.

    Args:
        photo: never changed.
        stars: 1 to 5.
        sidecars: of the photographs before this one, so that a folder is listed once.
        raws: write as Adobe's programs read it: beside raw files of the photograph only, under
            their name with the ending ``.xmp``. None writes beside the photograph.

    Returns:
        "written", or a key of ``OUTCOMES`` that says why not.

    Raises:
        OSError: if the folder cannot be read or written to.
    """
    target = photo.with_name(f"{photo.name}.xmp")
    if raws is not None:
        own = raws.of(photo)
        raw = next((file for file in own if file.suffix.lower() not in _HOLDS_ITS_OWN), None)
        if raw is None:
            return "metadata inside" if own else "no raw file"
        if _rated(raw):
            return "has a rating"
        target = raw.with_suffix(".xmp")
    there = (sidecars or Sidecars()).of(photo)
    for sidecar in dict.fromkeys([*there, *([target] if target.exists() else [])]):
        if rating_of_xmp(sidecar.read_bytes(), "sidecar").source != "ours":
            return "has a sidecar"
    found = rating_inside(photo)
    if found.stars is not None or found.source == "strange":
        return "has a rating"
    if found.source:
        return "may have a rating"
    with appearing(target) as part:
        part.write_text(PACKET.format(tool=OURS, stars=stars), encoding="utf-8")
    return "written"


def _rated(raw: Path) -> bool:
    """Check whether the camera has put a rating into a raw file, as far as its beginning tells."""
    with raw.open("rb") as file:
        xmp, _, _ = metadata(file.read(START))
    return bool(xmp) and rating_of_xmp(xmp, "xmp").stars is not None


OUTCOMES = {
    "written": "sidecars written",
    "has a sidecar": "left alone because they have a sidecar",
    "has a rating": "left alone because they carry a rating",
    "may have a rating": "left alone because their metadata cannot be read and may hold a rating",
    "no raw file": "without a raw file, so that Lightroom would read no sidecar of theirs",
    "metadata inside": "with a DNG only, whose metadata Lightroom reads inside the file",
    "no file": "in tar files or behind addresses, which get none",
    "not written": "not written",
}


def describe_counts(counts: Counter[str]) -> str:
    """Summarise the results for all photographs in one line."""
    return "; ".join(f"{counts[name]:,} {text}" for name, text in OUTCOMES.items() if counts[name])
