"""Collect many days into one balanced list; each day is stored when it is complete."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from interestingness.datasets.flickr.api import Flickr
from interestingness.datasets.flickr.days import Day, collect_day, days_between
from interestingness.datasets.flickr.photos import COLUMNS, Row
from interestingness.errors import DataError

TABLE = "photos.csv"
DAYS = "days"


@dataclass(frozen=True)
class Collection:
    """The result of a collection.

    Attributes:
        table: the list.
        interesting: rows of each class: the two are equally many.
        counts: photos left out, and why.
        queries: number of queries of this run.
        days: number of all days, and of those that an earlier run had collected.
    """

    table: Path
    interesting: int
    counts: Counter[str]
    queries: int
    days: tuple[int, int]


def collect(
    flickr: Flickr,
    out: str | Path,
    *,
    first: date,
    last: date,
    per_day: int = 500,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Collection:
    """Collect days, then write ``photos.csv``: as many interesting photos as others of each day.

    Safe to interrupt and to call again: collected days are not requested again. A photo in the
    list of any of the days is never among the others.

    Args:
        flickr: the API.
        out: folder; created if it is absent.
        first: day of the first list.
        last: day of the last one.
        per_day: most interesting photos of a day.
        seed: of all draws.
        progress: called with the number of days done.

    Raises:
        DataError: another run in the folder, a folder of other options, or a refusal of Flickr's.
    """
    folder = Path(out).expanduser()
    (folder / DAYS).mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".collect.lock", timeout=0):
            return _collect(flickr, folder, days_between(first, last), per_day, seed, progress)
    except Timeout:
        raise DataError(
            f"{folder}: another collection into this folder is under way",
            expected="one at a time",
            todo="wait for it, or name another folder",
        ) from None


def _collect(
    flickr: Flickr,
    folder: Path,
    days: list[date],
    per_day: int,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> Collection:
    found: list[Day] = []
    before = 0
    for at, day in enumerate(days):
        path = folder / DAYS / f"{day.isoformat()}.json"
        options = {"most": per_day, "seed": seed}
        known = _read(path, options)
        before += known is not None
        if known is None:
            known = collect_day(flickr, day, **options)
            _write(path, json.dumps({"options": options, "day": asdict(known)}))
        found.append(known)
        if progress is not None:
            progress(at + 1, len(days))
    rows, counts = balanced(found, seed=seed)
    if not rows:
        raise DataError(
            f"{folder}: no photos from {days[0]} to {days[-1]}",
            expected="days with a list and photos with tags",
            todo="choose other days: lists exist from 2004-07-01 until yesterday",
        )
    unfinished = folder / f".{TABLE}.part"
    with unfinished.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    unfinished.replace(folder / TABLE)
    return Collection(folder / TABLE, len(rows) // 2, counts, flickr.queries, (len(days), before))


def balanced(days: list[Day], *, seed: int) -> tuple[list[Row], Counter[str]]:
    """Balance each day's classes; no photo occurs twice or in both classes."""
    listed = {row["photo_id"] for day in days for row in day.interesting}
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    rows: list[Row] = []
    rng = np.random.default_rng(seed)
    for day in days:
        counts.update(day.counts)
        others = [row for row in day.others if row["photo_id"] not in listed | taken]
        interesting = [row for row in day.interesting if row["photo_id"] not in taken]
        number = min(len(interesting), len(others))
        counts["surplus"] += len(interesting) + len(others) - 2 * number
        # a list is sorted by interestingness: its first photos would be a biased sample
        chosen = np.sort(rng.permutation(len(interesting))[:number]).tolist()
        kept = [interesting[k] for k in chosen] + others[:number]
        taken |= {row["photo_id"] for row in kept}
        rows += kept
    return rows, counts


def _read(path: Path, options: dict[str, int]) -> Day | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        day = Day(**content["day"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error})",
            expected="a day that was collected before",
            todo="remove the file: the day is then collected again",
        ) from None
    if content["options"] != options:
        raise DataError(
            f"{path}: collected with {content['options']}, not {options}",
            expected="the same options for all days",
            todo="give the options of that time, or name another folder",
        )
    return day


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
