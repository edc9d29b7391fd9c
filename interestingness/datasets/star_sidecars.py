"""Write stars to XMP sidecars beside photographs; photographs and people's sidecars stay."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from interestingness.datasets.star_ratings import OURS, Sidecars, rating_inside, rating_of_xmp
from interestingness.disk import appearing

PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
   xmp:CreatorTool="{tool}" xmp:Rating="{stars}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def write_sidecar(photo: Path, stars: int, sidecars: Sidecars | None = None) -> str:
    """Write ``photo.jpg.xmp``, unless a person has, or may have, rated the photograph.

    A sidecar of ours is replaced. If there is a person's sidecar, or the photograph itself has a
    rating or metadata that cannot be read, nothing is written: the person's rating counts.

    Args:
        photo: never changed.
        stars: 1 to 5.
        sidecars: of the photographs before this one, so that a folder is listed once.

    Returns:
        "written", or a key of ``OUTCOMES`` that says why not.

    Raises:
        OSError: if the folder cannot be read or written to.
    """
    target = photo.with_name(f"{photo.name}.xmp")
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


OUTCOMES = {
    "written": "sidecars written",
    "has a sidecar": "left alone because they have a sidecar",
    "has a rating": "left alone because they carry a rating",
    "may have a rating": "left alone because their metadata cannot be read and may hold a rating",
    "no file": "in tar files, which get none",
    "not written": "not written",
}


def describe_counts(counts: Counter[str]) -> str:
    """Summarise the results for all photographs in one line."""
    return "; ".join(f"{counts[name]:,} {text}" for name, text in OUTCOMES.items() if counts[name])
