"""Read image scores from a user's table: one row per image, a column of numbers."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.errors import DataError
from interestingness.schema import Array
from interestingness.tables.image_names import COLUMNS, ImageNames, rows_of
from interestingness.tables.number_cells import as_numbers, no_number
from interestingness.tables.tables import Tables
from interestingness.tables.user_tables import TextTable, read_user_table

log = logging.getLogger(__name__)


def read_scores(
    path: Path,
    column: str,
    tables: Tables,
    *,
    decimal: str | None = None,
    decimal_option: str | None = None,
) -> tuple[Array, dict[str, int]]:
    """Read scores of the data set's images from a file ``image,<column>``.

    Args:
        path: any table that ``read_user_table`` reads; images are named as ``ImageNames`` has it.
        column: which column holds the score; empty cells are NaN, true and false are 1 and 0.
        tables: whose images are meant.
        decimal: the decimal sign, where the user has said it.
        decimal_option: option that says it, for messages.

    Returns:
        One score per image of ``tables.image_ids``, NaN where the file has none, shape (images,);
        and facts: rows of the file whose image is not in the data set.

    Raises:
        DataError: file absent or unreadable, no image column, unknown column (those there are
            listed), a cell that is not a finite number, an image twice, or no image of the data set
            in the file.
    """
    table = read_user_table(path, decimal=decimal, decimal_option=decimal_option)
    for note in table.notes:
        log.warning("%s: %s", path, note)
    image, scored = table.find("image", COLUMNS, {}), table.find("score", (column,), {})
    if image is None or scored is None or scored == image:
        wanted = f"columns image and {column}" if image is None else f"a column {column!r}"
        raise DataError(
            f"{path}: found columns {', '.join(table.columns)}",
            expected=wanted,
            todo="label_source.column=… with one of these, or rename the column",
        )
    scores = _finite(table, scored)
    names = ImageNames(tables.image_ids.tolist(), tables.images_folder)
    names, notes = names.reading(table.columns[image])
    for note in notes:
        log.warning("%s: %s", path, note)
    rows = rows_of(names, table.columns[image])
    known = rows >= 0
    if not known.any():
        raise DataError(
            f"{path}: none of its {len(rows)} images is in the data set, the first being "
            f"{table.columns[image][0].as_py()!r}",
            expected=f"image ids such as {tables.image_ids[0]!r}",
            todo="name the images as the data set does",
        )
    found, number = np.unique(rows[known], return_counts=True)
    if (number > 1).any():
        twice = found[number > 1][0]
        raise DataError(
            f"{path}: image {tables.image_ids[twice]!r} occurs {number.max()} times "
            f"({table.lines(rows == twice)})",
            expected="one row per image",
            todo="remove or average the repeated rows",
        )
    values = np.full(len(tables.image_ids), np.nan)
    values[rows[known]] = scores[known]
    return values, {"rows_without_image": int((~known).sum())}


def _finite(table: TextTable, name: str) -> Array:
    column = table.columns[name]
    words = pc.utf8_lower(column)
    if pc.all(pc.is_in(words, value_set=pa.array(["true", "false", None]))).as_py():
        column = words.cast(pa.bool_()).cast(pa.int8()).cast(pa.string())
    read = as_numbers(column, decimal_comma=table.decimal_comma, decimal=table.decimal)
    if read.strange.any():
        todo = "correct the cells, or choose another column"
        raise no_number(table, name, read, read.strange, todo=todo)
    return read.values
