"""Read the times of votes, as spreadsheets, MTurk, PsychoPy and arenas write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_ZONES = {"UTC": 0, "GMT": 0, "PST": -8, "PDT": -7, "MST": -7, "MDT": -6, "CST": -6, "CDT": -5,
          "EST": -5, "EDT": -4}  # fmt: skip
_MTURK = re.compile(r"(\w{3} \w{3} \d{2} \d{2}:\d{2}:\d{2}) ([A-Z]{3}) (\d{4})")
_PSYCHOPY = re.compile(r"(\d{4}-\d{2}-\d{2})_(\d{2})h(\d{2})\.(\d{2})(\.\d+)?")


def time_of(cell: str) -> datetime | None:
    """Return a moment, in UTC where no zone is given; None for what is none, such as a duration.

    ISO 8601, also with `` UTC`` at its end; MTurk's ``Tue Mar 01 12:30:05 PST 2022``; PsychoPy's
    ``2023-05-11_14h23.51.123``; seconds or milliseconds since 1970, where they lie between 2001 and
    2065.
    """
    try:
        number = float(cell)
    except ValueError:
        return _written(cell)
    for seconds in (number, number / 1000):
        if 1e9 <= seconds < 3e9:
            return datetime.fromtimestamp(seconds, UTC)
    return _written(cell)


def _written(cell: str) -> datetime | None:
    if match := _PSYCHOPY.fullmatch(cell):
        day, hour, minute, second, part = match.groups()
        cell = f"{day}T{hour}:{minute}:{second}{(part or '')[:7]}"
    try:
        if match := _MTURK.fullmatch(cell):
            moment, zone, year = match.groups()
            local = datetime.strptime(f"{moment} {year}", "%a %b %d %H:%M:%S %Y")
            return local.replace(tzinfo=UTC) - timedelta(hours=_ZONES[zone])
        time = datetime.fromisoformat(re.sub(r" UTC$", "Z", cell))
    except (ValueError, KeyError):
        return None
    return time.replace(tzinfo=time.tzinfo or UTC)
