"""Collect one day of Flickr: its list of interesting photos, and as many others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from interestingness.datasets.flickr.api import EXTRAS, Flickr
from interestingness.datasets.flickr.photos import Row, has_tags, row_of

LISTED = 500
"""Most photos in a day's list, and on a page."""
WINDOW_S = 120
"""Others are asked for by the time of their upload, in random windows of so many seconds."""
WINDOWS = 240
"""After so many windows a day is taken as it is."""


@dataclass(frozen=True)
class Day:
    """The collected photos of a day.

    Attributes:
        interesting: rows of the list, in its order.
        others: as many rows that are not in it, or fewer if the day has no more.
        counts: photos left out, and why.
    """

    interesting: list[Row]
    others: list[Row]
    counts: Mapping[str, int]


def collect_day(flickr: Flickr, day: date, *, most: int, seed: int) -> Day:
    """Collect one day.

    Others come from random windows of the day, so that they cover all hours, and from one owner
    only once in a window.

    Args:
        flickr: the API.
        day: the day of the list.
        most: most interesting photos to keep; the same number of others is searched for.
        seed: of the windows and of the choice.

    Raises:
        DataError: what ``Flickr.ask`` raises.
    """
    rng = np.random.default_rng([seed, day.toordinal()])
    listed = _pages(flickr, "flickr.interestingness.getList", date=day.isoformat())
    counts = {"without_address": 0, "without_tags": 0, "surplus": 0}
    interesting = _usable(listed, True, day, counts)
    known = {str(photo.get("id")) for photo in listed}
    if len(interesting) > most:
        counts["surplus"] += len(interesting) - most
        chosen = np.sort(rng.choice(len(interesting), most, replace=False))
        interesting = [interesting[k] for k in chosen.tolist()]
    others: list[Row] = []
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    starts = midnight + WINDOW_S * rng.permutation(24 * 3600 // WINDOW_S)[:WINDOWS]
    for start in starts.tolist():
        if len(others) >= len(interesting):
            break
        found = flickr.ask(
            "flickr.photos.search", min_upload_date=start, max_upload_date=start + WINDOW_S - 1,
            media="photos", safe_search=1, extras=EXTRAS, per_page=LISTED,
            page=1,
        )  # fmt: skip
        owners: set[str] = set()
        fresh = []
        for photo in _photos(found):
            owner = str(photo.get("owner"))
            if str(photo.get("id")) not in known and owner not in owners:
                known.add(str(photo.get("id")))
                owners.add(owner)
                fresh.append(photo)
        rows = _usable(fresh, False, day, counts)
        # an even share of each window, or a few windows would dominate the day
        share = max(1, -(-len(interesting) // 20))
        rows = [rows[k] for k in rng.permutation(len(rows))[:share].tolist()]
        others += rows[: len(interesting) - len(others)]
    return Day(interesting, others, counts)


def _pages(flickr: Flickr, method: str, **arguments: str) -> list[Mapping[str, Any]]:
    photos: list[Mapping[str, Any]] = []
    page, pages = 1, 1
    while page <= pages and len(photos) < LISTED:
        answer = flickr.ask(method, extras=EXTRAS, per_page=LISTED, page=page, **arguments)
        photos += _photos(answer)
        found = answer.get("photos")
        pages = int(found.get("pages", 1)) if isinstance(found, dict) else 1
        page += 1
    return photos


def _photos(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    inner = answer.get("photos")
    photos = inner.get("photo", []) if isinstance(inner, dict) else []
    return [photo for photo in photos if isinstance(photo, dict)]


def _usable(
    photos: list[Mapping[str, Any]], interesting: bool, day: date, counts: dict[str, int]
) -> list[Row]:
    rows, seen = [], set()
    for photo in photos:
        row = row_of(photo, interesting=interesting, day=day.isoformat())
        if row is None:
            counts["without_address"] += 1
        elif not has_tags(row):
            counts["without_tags"] += 1
        elif row["photo_id"] not in seen:
            seen.add(row["photo_id"])
            rows.append(row)
    return rows


def days_between(first: date, last: date) -> list[date]:
    """Return the days between two dates, both included."""
    return [first + timedelta(days=k) for k in range((last - first).days + 1)]
