"""Convert a photo of Flickr's API to a row of our list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interestingness.datasets.flickr.api import LICENSES
from interestingness.datasets.tags import tags_of, without_leak

SIZES = ("url_o", "url_k", "url_h", "url_l", "url_c", "url_z", "url_m")
"""Addresses from the largest to the smallest; LaFin takes the highest resolution."""
COLUMNS = (
    "photo_id", "url", "interesting", "tags", "title", "description", "owner", "owner_name",
    "date", "date_upload", "license", "views", "favorites", "comments", "original_format",
    "location",
)  # fmt: skip

Row = dict[str, str]


def row_of(photo: Mapping[str, Any], *, interesting: bool, day: str) -> Row | None:
    """Return the row of a photo; None if it has no address.

    Args:
        photo: the API's record with our ``EXTRAS``.
        interesting: whether it is in the day's list.
        day: day of the list, in ISO format.
    """
    url = next((str(photo[name]) for name in SIZES if photo.get(name)), "")
    if not url or not photo.get("id"):
        return None
    place = f"{photo.get('latitude', '')},{photo.get('longitude', '')}"
    return {
        "photo_id": str(photo["id"]),
        "url": url,
        "interesting": "1" if interesting else "0",
        "tags": str(photo.get("tags") or ""),
        "title": _text(photo.get("title")),
        "description": _text(photo.get("description")),
        "owner": str(photo.get("owner") or ""),
        "owner_name": str(photo.get("ownername") or ""),
        "date": day,
        "date_upload": str(photo.get("dateupload") or ""),
        "license": LICENSES.get(str(photo.get("license")), ""),
        "views": str(photo.get("views") or ""),
        "favorites": str(photo.get("count_faves") or ""),
        "comments": str(photo.get("count_comments") or ""),
        "original_format": str(photo.get("originalformat") or ""),
        # the API gives 0,0 for photos without a place
        "location": "" if set(place) <= set("0.,") else place,
    }


def _text(value: object) -> str:
    inner = value.get("_content") if isinstance(value, dict) else value
    return str(inner or "")


def has_tags(row: Row) -> bool:
    """Return whether the photo has a tag that does not give the label away."""
    return bool(without_leak([tags_of(row["tags"])]).tags[0])
