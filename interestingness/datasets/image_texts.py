"""Read texts of images: columns of the image table, and descriptions by a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import pyarrow as pa
import pyarrow.compute as pc

from interestingness.datasets.tags import tags_of
from interestingness.errors import DataError
from interestingness.tables.tables import Tables

LISTS = ("tag", "keyword")
"""A column of text whose name contains one of these holds many texts in a cell."""

WRITTEN = "description"
"""Column, and kind of text in the table ``texts``, that describes an image."""

OBTAINING = (
    "interestingness caption has a captioner write them, "
    "interestingness annotate what=descriptions a model that is asked"
)
"""What brings descriptions where the image table has none."""


@dataclass(frozen=True)
class Written:
    """Descriptions that models wrote, one per image.

    Attributes:
        texts: by image id.
        writers: number of descriptions by rater.
    """

    texts: dict[str, str] = field(default_factory=dict)
    writers: Counter[str] = field(default_factory=Counter)


def reads_written(tables: Tables, columns: Sequence[str], raters: Sequence[str] | None) -> bool:
    """Return whether a column is not in the image table but written by a model."""
    return WRITTEN in columns and (raters is not None or WRITTEN not in tables.images.column_names)


def written_descriptions(tables: Tables, *, raters: Sequence[str] = ("*",)) -> Written:
    """Return models' descriptions of the images, the first one of each image.

    Args:
        tables: the prepared data set.
        raters: patterns of those whose texts count (``gpt-4o*``).
    """
    found = Written()
    if not tables.has("texts"):
        return found
    known, table = set(tables.image_ids.tolist()), tables.table("texts")
    table = table.filter(pc.equal(table["kind"], WRITTEN))
    columns = (table[name].to_pylist() for name in ("image_id", "text", "rater_id"))
    for image_id, text, rater in zip(*columns, strict=True):
        counts = image_id in known and any(fnmatchcase(rater, pattern) for pattern in raters)
        if counts and text and text.strip() and image_id not in found.texts:
            found.texts[image_id] = text
            found.writers[rater] += 1
    return found


def texts_of_images(
    tables: Tables, column: str, *, raters: Sequence[str] | None = None
) -> list[list[str]]:
    """Return the texts of each image; none for an empty cell.

    A list column is taken as it is. A text column of tags or keywords is split at commas if any of
    its cells has one, at semicolons if any has one, else at white space. Any other text column
    (title, description, caption) is one text a cell. Where the image table has no column
    ``description``, or raters are named, descriptions that a model wrote (table ``texts``) take its
    place.

    Args:
        tables: the prepared data set.
        column: of the image table.
        raters: patterns of those whose descriptions are read; None reads the image table's, and
            without such a column those of all raters.

    Raises:
        DataError: for a column that is absent, or holds neither texts nor lists of texts.
    """
    images = tables.images
    if reads_written(tables, [column], raters):
        return _written_of_images(tables, ["*"] if raters is None else raters)
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


def _written_of_images(tables: Tables, raters: Sequence[str]) -> list[list[str]]:
    written = written_descriptions(tables, raters=raters).texts
    if not written:
        others = ", ".join(sorted(written_descriptions(tables).writers))
        raise DataError(
            f"{tables.manifest.name}: no description of an image by {', '.join(raters)}"
            + (f"; there are some by {others}" if others else ""),
            expected=f"texts of kind {WRITTEN!r}, or such a column in the image table, which has "
            f"{', '.join(tables.images.column_names)}",
            todo=OBTAINING,
        )
    return [
        [written[image_id]] if image_id in written else [] for image_id in tables.image_ids.tolist()
    ]
