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


def numbers(images: pa.Table, column: str, used: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the cells of ``complete`` as numbers.

    Raises:
        DataError: also for a cell that is not a number.
    """
    cells = complete(images, column, used)
    try:
        return np.asarray([float(cell) for cell in cells])
    except (TypeError, ValueError) as error:
        raise DataError(
            f"column {column!r} holds no numbers ({error})",
            expected="the number of each image's fold",
            todo="name the column of fold numbers: split.column=…",
        ) from None


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
