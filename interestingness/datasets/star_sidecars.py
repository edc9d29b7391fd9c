"""Write stars to XMP sidecars beside photographs; photographs and people's sidecars stay."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from interestingness.datasets.star_ratings import OURS, rating_of_xmp, read_rating, sidecars
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


def write_sidecar(photo: Path, stars: int) -> str:
    """Write ``photo.jpg.xmp``, unless a person has rated the photograph.

    A sidecar of ours is replaced. If there is a person's sidecar, or the photograph itself has a
    rating, nothing is written: the person's rating counts.

    Args:
        photo: never changed.
        stars: 1 to 5.

    Returns:
        "written", "has a sidecar" or "has a rating".

    Raises:
        OSError: if the folder cannot be written to.
    """
    for sidecar in sidecars(photo):
        if sidecar.exists() and rating_of_xmp(sidecar.read_bytes(), "sidecar").source != "ours":
            return "has a sidecar"
    if read_rating(photo).stars is not None:
        return "has a rating"
    with appearing(sidecars(photo)[0]) as part:
        part.write_text(PACKET.format(tool=OURS, stars=stars), encoding="utf-8")
    return "written"


def describe_counts(counts: Counter[str]) -> str:
    """Summarise the results for all photographs in one line."""
    names = {
        "written": "sidecars written",
        "has a sidecar": "left alone because they have a sidecar",
        "has a rating": "left alone because they carry a rating",
        "no file": "in tar files, which get none",
        "not written": "not written",
    }
    return "; ".join(f"{counts[name]:,} {text}" for name, text in names.items() if counts[name])
