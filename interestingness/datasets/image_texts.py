"""Texts of images out of the columns of the image table: tags, titles, captions."""

from __future__ import annotations

import pyarrow as pa

from interestingness.datasets.tags import tags_of
from interestingness.errors import DataError
from interestingness.labels.tables import Tables

LISTS = ("tag", "keyword")
"""A column of text whose name contains one of these holds many texts in a cell."""


def texts_of_images(tables: Tables, column: str) -> list[list[str]]:
    """Texts of each image; none for an empty cell.

    A list column is taken as it is. A text column of tags or keywords is split at commas if any of
    its cells has one, at semicolons if any has one, else at white space. Any other text column
    (title, description, caption) is one text a cell.

    Raises:
        DataError: for a column that is not there, or holds neither texts nor lists of texts.
    """
    images = tables.images
    if column not in images.column_names:
        raise DataError(
            f"{tables.manifest.name}: the image table has no column {column!r}",
            expected=f"one of {', '.join(images.column_names)}",
            todo="correct the name, or bring the column: dataset.groups=FILE has image and tags",
        )
    kind, cells = images[column].type, images[column].to_pylist()
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        return [[str(text) for text in cell or [] if text] for cell in cells]
    if not pa.types.is_string(kind) and not pa.types.is_null(kind):
        raise DataError(
            f"{tables.manifest.name}: column {column!r} holds {kind}",
            expected="texts or lists of texts",
            todo="name another column",
        )
    if not any(part in column.casefold() for part in LISTS):
        return [[cell] if cell and cell.strip() else [] for cell in cells]
    separator = next((s for s in (",", ";") if any(s in (cell or "") for cell in cells)), None)
    return [tags_of(cell, separator) for cell in cells]
