"""Read Label Studio's export of pairwise comparisons as a table of votes.

The JSON export holds tasks with ``data`` and ``annotations``, whose results of the type
``pairwise`` say ``left`` or ``right``. Another result beside it (a text area) is the reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from interestingness.errors import DataError
from interestingness.tables.spellings import SUFFIXES, spelling
from interestingness.tables.user_tables import TextTable, existing_file, read_user_table

_COLUMNS = ("left", "right", "choice", "first", "rater", "reason", "time", "provenance", "vote_id")


def read_vote_table(
    path: str | Path,
    mapping: Mapping[str, str] | None = None,
    *,
    columns_option: str | None = None,
) -> TextTable:
    """Read a table of votes: CSV or Parquet, or Label Studio's JSON export.

    Args:
        path: the file.
        mapping: ``dataset.columns``; for Label Studio, ``left`` and ``right`` name the keys of a
            task's data.
        columns_option: option that says which column is which, for messages.

    Raises:
        DataError: what ``read_user_table`` and ``read_label_studio`` raise.
    """
    path = existing_file(path)
    with path.open("rb") as stream:
        start = stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start in (b"[", b"{"):
        return read_label_studio(path, mapping or {})
    return read_user_table(path, columns_option=columns_option)


def read_label_studio(path: Path, mapping: Mapping[str, str]) -> TextTable:
    """Return a row per annotation of each task; cancelled and empty ones have no choice.

    The left image counts as shown first, because people read from the left.

    Raises:
        DataError: no JSON, another kind of export, no pairwise result, or a task whose two images
            cannot be determined.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, ValueError) as error:
        raise DataError(
            f"{path}: not JSON ({error})",
            expected="the JSON export of Label Studio",
            todo="export the project again, as JSON",
        ) from None
    if not isinstance(tasks, list) or not all(
        isinstance(t, dict) and isinstance(t.get("data"), dict) and _annotations(t) is not None
        for t in tasks
    ):
        raise DataError(
            f"{path}: JSON, but no list of tasks with data and annotations",
            expected="the JSON export of Label Studio (not JSON-MIN)",
            todo="export the project again, as JSON",
        )
    rows = [row for task in tasks for row in _rows(path, task, mapping)]
    if not any(row["choice"] for row in rows):
        kinds = Counter(r.get("type") for t in tasks for a in _annotations(t) or [] for r in _of(a))
        found = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common(3)) or "nothing"
        raise DataError(
            f"{path}: no pairwise result in {len(tasks)} tasks (found {found})",
            expected="annotations made with <Pairwise name=… toName=…/>",
            todo="name the export of a project with pairwise comparisons",
        )
    names = {column: mapping.get(column, column) for column in _COLUMNS}
    columns = {
        names[column]: pa.array([row[column] for row in rows], pa.string()) for column in _COLUMNS
    }
    # lines mean nothing in JSON, so annotations are counted
    return TextTable(path, columns, lambda: np.arange(1, len(rows) + 1, dtype=np.int64))


def _annotations(task: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    # old versions export "completions"
    found = task.get("annotations", task.get("completions"))
    good = isinstance(found, list) and all(isinstance(entry, dict) for entry in found)
    return found if good else None


def _of(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = annotation.get("result")
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _rows(
    path: Path, task: Mapping[str, Any], mapping: Mapping[str, str]
) -> Iterator[dict[str, str | None]]:
    left, right = _images(path, task, mapping)
    for annotation in _annotations(task) or []:
        results = _of(annotation)
        choice = None
        for result in results:
            if result.get("type") == "pairwise" and not annotation.get("was_cancelled"):
                said = _value(result).get("selected")
                choice = said if said in ("left", "right") else None
        texts = [
            text
            for result in results
            if result.get("type") == "textarea"
            for text in _value(result).get("text", [])
        ]
        yield {
            "left": left,
            "right": right,
            "choice": choice,
            "first": "left",
            "rater": _rater(annotation.get("completed_by")),
            "reason": " ".join(str(text).strip() for text in texts) or None,
            "time": annotation.get("created_at"),
            "vote_id": None if annotation.get("id") is None else str(annotation["id"]),
            "provenance": f"Label Studio, task {task.get('id')}, annotation {annotation.get('id')}",
        }


def _value(result: Mapping[str, Any]) -> Mapping[str, Any]:
    found = result.get("value")
    return found if isinstance(found, dict) else {}


def _rater(who: object) -> str | None:
    """Return the user's number, or name where the export has it."""
    if isinstance(who, dict):
        who = who.get("email") or who.get("username") or who.get("id")
    return None if who is None else str(who)


def _images(path: Path, task: Mapping[str, Any], mapping: Mapping[str, str]) -> tuple[str, str]:
    """Return the left and the right image of a task."""
    data = task["data"]
    keys = [mapping.get(side, side) for side in ("left", "right")]
    if not all(key in data for key in keys):
        keys = sorted(key for key, value in data.items() if _is_image(value))
    if len(keys) != 2 or not all(isinstance(data.get(key), str) for key in keys):
        raise DataError(
            f"{path}: task {task.get('id')} has the data {', '.join(map(repr, data))}: "
            "its two images cannot be told",
            expected="two images, e.g. image1 (left) and image2 (right)",
            todo="say which they are: dataset.columns.left=image1 dataset.columns.right=image2",
        )
    return data[keys[0]], data[keys[1]]


def _is_image(value: object) -> bool:
    return isinstance(value, str) and Path(spelling(value).parts[-1]).suffix.lower() in SUFFIXES
