"""What becomes of each image address: the kinds of outcome, their record on disk, a report.

A line is recorded as it happens, and a table of all at the end of a run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from interestingness.datasets.download.addresses import host_of
from interestingness.errors import DataError
from interestingness.number_text import percent

Kind = Literal[
    "downloaded", "already there",
    "gone", "refused", "placeholder", "page", "not an image", "too large", "redirects", "address",
    "unreachable", "server error", "busy",
]  # fmt: skip

KEPT: tuple[Kind, ...] = ("downloaded", "already there")
PASSING: tuple[Kind, ...] = ("unreachable", "server error", "busy")
"""Tried several times, and again in the next run; all other losses are final."""

MEANING: dict[Kind, str] = {
    "downloaded": "fetched and decoded",
    "already there": "a file of yours, used as it is",
    "gone": "the host says that there is no such image (404, 410)",
    "refused": "the host does not give it out (401, 403, 451 or another 4xx)",
    "placeholder": "a picture that says that the photo is no longer available",
    "page": "a web page or text where an image should be",
    "not an image": "bytes that do not decode to one still picture, or a format not allowed",
    "too large": "more bytes or pixels than allowed",
    "redirects": "too many redirects, or a circle of them",
    "address": "no public http(s) address, or it leads to one that is not public",
    "unreachable": "no connection, or the answer was cut or too slow, several times",
    "server error": "the host failed (5xx), several times",
    "busy": "the host asks to come back later (429, 503), several times",
}


@dataclass(frozen=True)
class Item:
    """One image to obtain.

    Attributes:
        image_id: its name, distinct.
        url: its address; "" where the table has none.
        license: from the table, or "".
        sha256: expected hash of the bytes, or "".
    """

    image_id: str
    url: str
    license: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class DownloadOutcome:
    """The outcome of one item.

    Attributes:
        image_id: the item.
        url: the address as given.
        kind: see ``MEANING``.
        detail: one line for people: the status, the address that was refused, …
        file: name below the folder of images; "" for a loss.
        sha256: of the file; "" for a loss and for files that were there before.
        bytes: size of the file.
        width: pixels after EXIF rotation; 0 if unknown.
        height: the same.
        final_url: address after all redirects.
        status: last HTTP status, 0 if there was none.
        attempts: requests made for it (redirects not counted).
        license: from the table.
    """

    image_id: str
    url: str
    kind: Kind
    detail: str = ""
    file: str = ""
    sha256: str = ""
    bytes: int = 0
    width: int = 0
    height: int = 0
    final_url: str = ""
    status: int = 0
    attempts: int = 0
    license: str = ""
    final: bool = True
    """Whether another attempt would be pointless."""

    @property
    def kept(self) -> bool:
        """Return whether there is a usable file."""
        return self.kind in KEPT


TABLE = "downloads.parquet"
JOURNAL = ".downloads.jsonl"
_TYPES = {"bytes": pa.int64(), "width": pa.int32(), "height": pa.int32(), "status": pa.int32()}
_TYPES |= {"attempts": pa.int32(), "final": pa.bool_()}
SCHEMA = pa.schema([(f.name, _TYPES.get(f.name, pa.string())) for f in fields(DownloadOutcome)])
"""Columns of ``downloads.parquet``: the attributes of an outcome."""


def read_outcomes(folder: Path) -> dict[str, DownloadOutcome]:
    """Read outcomes of earlier runs by image id, including the journal of a killed run.

    Raises:
        DataError: if the table is damaged or another program's.
    """
    found: dict[str, DownloadOutcome] = {}
    table = folder / TABLE
    if table.is_file():
        try:
            rows = pq.read_table(table, schema=SCHEMA).to_pylist()
        except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
            raise DataError(
                f"{table}: cannot be read ({error})",
                expected="the table that `interestingness download` writes",
                todo="move it away: files that are there are then used as they are",
            ) from None
        found |= {row["image_id"]: DownloadOutcome(**row) for row in rows}
    journal = folder / JOURNAL
    if journal.is_file():
        with journal.open(encoding="utf-8") as stream:
            for line in stream:
                outcome = _parsed(line)
                if outcome is not None:
                    found[outcome.image_id] = outcome
    return found


def _parsed(line: str) -> DownloadOutcome | None:
    """Parse a line of the journal; None for a line that a kill cut short."""
    try:
        values: Mapping[str, Any] = json.loads(line)
        return DownloadOutcome(**values)
    except (ValueError, TypeError):
        return None


class Journal:
    """Appends outcomes; each line is flushed at once."""

    def __init__(self, folder: Path) -> None:
        """Open it to append after an earlier run's lines."""
        path = folder / JOURNAL
        torn = path.is_file() and path.stat().st_size and not path.read_bytes().endswith(b"\n")
        self._stream: TextIO = path.open("a", encoding="utf-8")
        if torn:
            self._stream.write("\n")

    def add(self, outcome: DownloadOutcome) -> None:
        """Write one line."""
        self._stream.write(json.dumps(asdict(outcome)) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def write_outcomes(folder: Path, outcomes: Iterable[DownloadOutcome]) -> Path:
    """Write the table atomically, then remove the journal."""
    path, unfinished = folder / TABLE, folder / f".{TABLE}.part"
    rows = [asdict(outcome) for outcome in outcomes]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), unfinished)
    unfinished.replace(path)
    (folder / JOURNAL).unlink(missing_ok=True)
    return path


SAME = 5
"""So many images of one content are probably a placeholder that we do not know."""


def counts(outcomes: Sequence[DownloadOutcome]) -> dict[str, int]:
    """Count images by outcome, without outcomes that no image has."""
    found = Counter(outcome.kind for outcome in outcomes)
    return {kind: found[kind] for kind in MEANING if found[kind]}


def repeated(outcomes: Sequence[DownloadOutcome], least: int = SAME) -> list[tuple[str, int, str]]:
    """Return contents that several images share: hash, number of images, one of their files."""
    groups = Counter(o.sha256 for o in outcomes if o.kept and o.sha256)
    file = {o.sha256: o.file for o in reversed(outcomes) if o.sha256}
    return [(sha, count, file[sha]) for sha, count in groups.most_common() if count >= least]


def report(outcomes: Sequence[DownloadOutcome], *, examples: int = 3) -> str:
    """Report losses by kind with examples, licences, and likely placeholders."""
    kept = [o for o in outcomes if o.kept]
    size = sum(o.bytes for o in kept)
    share = len(kept) / max(len(outcomes), 1)
    there = f"{len(kept):,} of {len(outcomes):,} images are there"
    lines = [f"{there} ({percent(share)}, {_size(size)})"]
    for name, count in counts(outcomes).items():
        kind: Kind = next(k for k in MEANING if k == name)
        lines.append(f"  {count:>9,}  {kind}: {MEANING[kind]}")
        lost = [o for o in outcomes if o.kind == kind and not o.kept]
        for outcome in lost[:examples]:
            lines.append(
                f"             {outcome.image_id}  {outcome.url}  {outcome.detail}".rstrip()
            )
        if len(lost) > examples:
            lines.append(f"             … and {len(lost) - examples:,} more")
    lines += _hosts(outcomes)
    lines += _licenses(outcomes)
    for sha, count, file in repeated(outcomes):
        lines.append(
            f"{count:,} images have the same content, like {file}: probably a placeholder; "
            f"if so, remove the files and say --placeholder {sha}"
        )
    if any(o.kind in PASSING for o in outcomes):
        lines.append("Some losses may pass: the same command tries these again.")
    return "\n".join(lines)


def _hosts(outcomes: Sequence[DownloadOutcome]) -> list[str]:
    """Return the hosts with most losses, where there are several."""
    asked = [(host_of(o.url), o.kept) for o in outcomes if o.url and o.kind != "address"]
    lost = Counter(host for host, kept in asked if not kept)
    total = Counter(host for host, _ in asked)
    if len(total) < 2 or not lost:
        return []
    worst = [f"{host} {count:,} of {total[host]:,}" for host, count in lost.most_common(5)]
    return [f"lost by host: {', '.join(worst)}"]


def _licenses(outcomes: Sequence[DownloadOutcome]) -> list[str]:
    if not any(o.license for o in outcomes):
        return ["licences: the table states none; the rights are with the photographers"]
    kept = Counter(o.license or "none stated" for o in outcomes if o.kept)
    total = Counter(o.license or "none stated" for o in outcomes)
    lines = ["licences, as the table states them:"]
    for name, count in total.most_common():
        lines.append(f"  {kept[name]:>9,}  {name} (of {count:,})")
    return lines


def _size(size: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}"
        size //= 1000
    return f"{size:,.0f} GB"
