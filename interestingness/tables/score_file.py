"""A user's own CSV or Parquet file with one row per image and a column of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.tables.tables import Tables

IMAGE_COLUMNS = ("image", "image_id")


def read_scores(
    path: Path, column: str, tables: Tables
) -> tuple[NDArray[np.float64], dict[str, int]]:
    """Scores of the data set's images from a file ``image,<column>``.

    An image is named by its id, or by a bare file name that only one id ends in.

    Args:
        path: CSV with a header line, or Parquet.
        column: which column holds the score; empty cells are NaN.
        tables: whose images are meant.

    Returns:
        One score per image of ``tables.image_ids``, NaN where the file has none, shape (images,);
        and facts: rows of the file whose image is not in the data set.

    Raises:
        DataError: file absent or unreadable, no image column, unknown column (those there are
            listed), a cell that is no number, an infinite score, an image twice, or no image of
            the data set in the file.
    """
    table = _read(path)
    image = next((name for name in IMAGE_COLUMNS if name in table.column_names), None)
    if image is None or column not in table.column_names or column == image:
        wanted = f"columns image and {column}" if image is None else f"a column {column!r}"
        raise DataError(
            f"{path}: found columns {', '.join(table.column_names)}",
            expected=wanted,
            todo="label_source.column=… with one of these, or rename the column",
        )
    scores = _numbers(table[column], path, column)
    rows = _rows(table[image].cast(pa.string()).to_pylist(), tables.image_ids)
    known = rows >= 0
    if len(rows) and not known.any():
        raise DataError(
            f"{path}: none of its {len(rows)} images is in the data set, the first being "
            f"{table[image][0].as_py()!r}",
            expected=f"image ids such as {tables.image_ids[0]!r}",
            todo="name the images as the data set does",
        )
    found, number = np.unique(rows[known], return_counts=True)
    if (number > 1).any():
        twice = tables.image_ids[found[number > 1][0]]
        raise DataError(
            f"{path}: image {twice!r} occurs {number.max()} times",
            expected="one row per image",
            todo="remove or average the repeated rows",
        )
    values = np.full(len(tables.image_ids), np.nan)
    values[rows[known]] = scores[known]
    return values, {"rows_without_image": int((~known).sum())}


def _read(path: Path) -> pa.Table:
    path = path.expanduser()
    if not path.is_file():
        raise DataError(
            f"{path}: there is no such file",
            expected="a CSV or Parquet file image,<score>",
            todo="correct label_source.table",
        )
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pq.read_table(path)
        # image names are text even where they look like numbers (007)
        text = {name: pa.string() for name in IMAGE_COLUMNS}
        return pa_csv.read_csv(
            path, convert_options=pa_csv.ConvertOptions(column_types=text, strings_can_be_null=True)
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path}: cannot be read ({error})",
            expected="a CSV file with a header line, or Parquet",
            todo="save the table again",
        ) from None


def _numbers(values: pa.ChunkedArray, path: Path, column: str) -> NDArray[np.float64]:
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    try:
        numbers = values.cast(pa.float64()).to_numpy().astype(np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{path}: column {column!r} holds {values.type} ({error})",
            expected="numbers, or empty cells",
            todo="correct the cells, or choose another column",
        ) from None
    if np.isinf(numbers).any():
        raise DataError(
            f"{path}: column {column!r} has {int(np.isinf(numbers).sum())} infinite values",
            expected="finite numbers, or empty cells",
            todo="correct the cells",
        )
    return numbers


def _rows(names: list[str | None], image_ids: NDArray[np.object_]) -> NDArray[np.int64]:
    row_of: dict[str, int] = {}
    bare: dict[str, int] = {}
    for row, image_id in enumerate(image_ids.tolist()):
        row_of[image_id] = row
        last = image_id.rpartition("/")[2]
        bare[last] = -1 if last in bare else row
    found = [row_of.get(n, bare.get(n, -1)) if n is not None else -1 for n in names]
    return np.asarray(found, dtype=np.int64)
