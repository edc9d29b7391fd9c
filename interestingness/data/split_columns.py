"""Read columns of the image table that a split uses; they must be complete for its images."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interestingness.errors import DataError


def complete(images: pa.Table, column: str, used: NDArray[np.int32]) -> list[Any]:
    """Return a column's cells for the images that occur in pairs, in the order of ``used``.

    Raises:
        DataError: no such column, or empty cells.
    """
    own = ("image_id", "path", "sha256")
    if column not in images.column_names:
        found = [name for name in images.column_names if name not in own]
        raise DataError(
            f"split.column={column}: the image table has no such column",
            expected=f"one of {', '.join(found)}" if found else "a table with such a column",
            todo="name a column of dataset.scores or dataset.groups",
        )
    cells = images[column].combine_chunks().take(pa.array(used)).to_pylist()
    empty = [i for i, cell in enumerate(cells) if cell is None or cell != cell]
    if empty:
        names = [repr(images["image_id"][int(used[i])].as_py()) for i in empty[:3]]
        raise DataError(
            f"column {column!r} is empty for {len(empty)} of {len(used)} images: "
            f"{', '.join(names)}",
            expected="a value for every image that is in a pair",
            todo="fill the column, or remove these images from the pairs",
        )
    return cells


def contents(images: pa.Table, used: NDArray[np.int32]) -> NDArray[np.int64]:
    """Number the distinct files of some images: copies under other names have one number.

    Args:
        images: the image table; without hashes each image counts as a file of its own.
        used: rows of images.

    Returns:
        From 0 in order of first appearance, shape of ``used``.
    """
    if "sha256" not in images.column_names:
        return np.arange(len(used))
    hashes = images["sha256"].to_pylist()
    number: dict[str | int, int] = {}
    return np.array([number.setdefault(hashes[i] or i, len(number)) for i in used.tolist()])


def fold_names(images: pa.Table, column: str, used: NDArray[np.int32]) -> NDArray[np.str_]:
    """Return the cells of ``complete`` as names of folds."""
    return np.asarray([fold_name(cell) for cell in complete(images, column, used)])


def fold_name(fold: Any) -> str:
    """Name a fold: 1, 1.0 and "1" are the same one, as a table may hold any of them."""
    text = str(fold)
    return text.removesuffix(".0") if isinstance(fold, float) else text


def times(images: pa.Table, column: str, used: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the cells of ``complete`` as times (seconds since 1970, or numbers as given).

    Raises:
        DataError: also for a cell that is not a time.
    """
    cells = complete(images, column, used)
    try:
        return np.asarray([_seconds(cell) for cell in cells])
    except (TypeError, ValueError) as error:
        raise DataError(
            f"column {column!r} holds something that is no time ({error})",
            expected="numbers, or dates and times such as 2025-03-01T14:30",
            todo="name the column of times: split.column=…",
        ) from None


def _seconds(cell: Any) -> float:
    if isinstance(cell, str):
        cell = datetime.fromisoformat(cell)
    if isinstance(cell, date) and not isinstance(cell, datetime):
        cell = datetime(cell.year, cell.month, cell.day)
    if isinstance(cell, datetime):
        # Times without a zone count as UTC, so that the order is the same on every machine.
        moment = cell.replace(tzinfo=None) - (cell.utcoffset() or timedelta(0))
        return (moment - datetime(1970, 1, 1)).total_seconds()
    return float(cell)
