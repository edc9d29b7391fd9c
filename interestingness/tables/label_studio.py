"""Read Label Studio's export of pairwise comparisons as a table of votes.

The JSON export holds tasks with ``data`` and ``annotations``, whose results of the type
``pairwise`` say ``left`` or ``right``. Another result beside it (a text area) is the reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from interestingness.errors import DataError
from interestingness.tables.spellings import SUFFIXES, spelling
from interestingness.tables.user_tables import TextTable

_COLUMNS = ("left", "right", "choice", "first", "rater", "reason", "time", "provenance", "vote_id")


def label_studio_tasks(path: Path) -> list[Mapping[str, Any]] | None:
    """Return the tasks of a JSON export; None for other JSON, which may be records.

    Raises:
        DataError: for a list of tasks without annotations.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, ValueError):
        return None  # it may be an object in each line
    if not isinstance(tasks, list) or not tasks:
        return None
    if not all(isinstance(t, dict) and isinstance(t.get("data"), dict) for t in tasks):
        return None
    if any(_annotations(task) is None for task in tasks):
        raise DataError(
            f"{path}: JSON with tasks of Label Studio, but no list of annotations in each",
            expected="the JSON export of Label Studio",
            todo="export the project again, as JSON",
        )
    return tasks


def votes_of_tasks(
    path: Path, tasks: Sequence[Mapping[str, Any]], mapping: Mapping[str, str | None]
) -> TextTable:
    """Return a row per annotation of each task; cancelled and empty ones have no choice.

    The left image counts as shown first, because people read from the left.

    Args:
        path: the file, for messages.
        tasks: from ``label_studio_tasks``.
        mapping: ``dataset.columns``; ``left`` and ``right`` name the keys of a task's data.

    Raises:
        DataError: no pairwise result, or a task whose two images cannot be determined.
    """
    rows = [row for task in tasks for row in _rows(path, task, mapping)]
    if not any(row["choice"] for row in rows):
        kinds = Counter(r.get("type") for t in tasks for a in _annotations(t) or [] for r in _of(a))
        found = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common(3)) or "nothing"
        raise DataError(
            f"{path}: no pairwise result in {len(tasks)} tasks (found {found})",
            expected="annotations made with <Pairwise name=… toName=…/>",
            todo="name the export of a project with pairwise comparisons",
        )
    names = {column: mapping.get(column) or column for column in _COLUMNS}
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
    path: Path, task: Mapping[str, Any], mapping: Mapping[str, str | None]
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


def _images(
    path: Path, task: Mapping[str, Any], mapping: Mapping[str, str | None]
) -> tuple[str, str]:
    """Return the left and the right image of a task."""
    data = task["data"]
    keys = [mapping.get(side) or side for side in ("left", "right")]
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
