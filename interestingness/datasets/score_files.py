"""Read tables with one row per image: scores to learn from, and columns to split by."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.datasets.table_rows import blank_cells, without
from interestingness.datasets.vote_columns import ColumnNames
from interestingness.errors import DataError
from interestingness.tables.image_names import COLUMNS, ImageNames, missing_images, rows_of
from interestingness.tables.number_cells import Numbers, no_number, numbers
from interestingness.tables.user_tables import TextTable

log = logging.getLogger(__name__)

RESERVED = frozenset(("image_id", "path", "sha256", "bytes", "width", "height"))


@dataclass(frozen=True, eq=False)
class ImageColumns:
    """A table's columns in the order of the images.

    Attributes:
        table: the table as read.
        row: row of the image for each row of the table, -1 where it is left out.
        columns: numbers (float64, NaN missing) or text (object, None missing) in image order.
        scores: names of the columns that are scores.
        facts: counts to print.
    """

    table: TextTable
    row: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]
    scores: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_image_columns(
    table: TextTable,
    names: ImageNames,
    *,
    mapping: ColumnNames,
    on_missing: str,
    with_scores: bool,
) -> ImageColumns:
    """Bring a table with one row per image into the order of the images.

    Args:
        table: a scores or groups table.
        names: the images.
        mapping: ``dataset.columns``.
        on_missing: "error" or "skip", for rows whose image is absent.
        with_scores: whether columns of numbers are scores; then one is needed, and a column in
            which most cells are numbers may hold nothing else.

    Raises:
        DataError: no image column, absent images, an image twice, no or bad numbers.
    """
    image = table.need("image", COLUMNS, mapping)
    skipped = {}
    if on_missing == "skip":
        skipped = {"without an image": blank_cells(table, image, names)}
    table, facts = without(table, skipped)
    names, guessed = names.reading(table.columns[image])
    rows = rows_of(names, table.columns[image])
    absent = missing_images(names, table, {"image": image}, [rows], on_missing)
    kept = np.flatnonzero(~absent)
    _refuse_repeats(table, image, rows, kept)
    columns: dict[str, NDArray[Any]] = {}
    if absent.any():
        facts["rows_without_image"] = int(absent.sum())
    if len(kept) < len(names):
        facts["images_without_row"] = len(names) - len(kept)
    scores = []
    missing_values, almost, partly = {}, {}, {}
    for name in table.columns:
        if name == image:
            continue
        read = numbers(table, name)
        numeric = _is_numeric(table, name, read, kept, strict=with_scores)
        if numeric:
            values = np.full(len(names), np.nan)
            values[rows[kept]] = read.values[kept]
            scores.append(name)
            if read.missing[kept].any():
                missing_values[name] = int(read.missing[kept].sum())
        else:
            if with_scores and (cell := _almost_a_number(table, name, read)):
                almost[name] = cell
            elif np.isfinite(read.values).any():
                partly[name] = _first_strange(table, name, read)
            values = np.full(len(names), None, dtype=object)
            values[rows[kept]] = np.asarray(table.cells(name), dtype=object)[kept]
        columns[name] = values
    if with_scores:
        if not scores:
            raise DataError(
                (
                    f"{table.path}: no column holds numbers; found "
                    f"{', '.join(map(repr, columns))}{_in_brackets(almost | partly)}"
                    if columns
                    else f"{table.path}: only the column {image!r}"
                )
                + (f"; left out: {table.left_out_sentence()}" if table.left_out else ""),
                expected="at least one column of numbers beside the image names",
                todo="add the scores; columns to split by belong into dataset.groups",
            )
        facts["score_names"] = scores
        if almost:
            facts["columns_without_numbers"] = almost
            log.warning("%s: no numbers, so no scores%s", table.path, _in_brackets(almost))
        constant = [name for name in scores if _constant(columns[name])]
        if constant:
            facts["scores_without_variation"] = constant
            log.warning("%s: the same number in every row of %s", table.path, ", ".join(constant))
    if missing_values:
        facts["missing_values"] = missing_values
    if table.notes or guessed:
        facts["notes"] = [*table.notes, *guessed]
    row = np.where(absent, -1, rows)
    return ImageColumns(table, row, columns, tuple(scores) if with_scores else (), facts)


def _refuse_repeats(
    table: TextTable, image: str, rows: NDArray[np.int64], kept: NDArray[np.int64]
) -> None:
    counts = np.bincount(rows[kept])
    twice = np.flatnonzero(counts > 1)
    if not len(twice):
        return
    at = kept[rows[kept] == twice[0]]
    raise DataError(
        f"{table.path}: {len(twice)} of {int((counts > 0).sum())} images have more than one row, "
        f"{table.columns[image][int(at[0])].as_py()!r} for one ({table.lines(at.tolist())})",
        expected="one row per image",
        todo="average the rows; a table of single ratings goes into dataset.ratings",
    )


def _is_numeric(
    table: TextTable, name: str, read: Numbers, kept: NDArray[np.int64], *, strict: bool
) -> bool:
    numeric = np.isfinite(read.values[kept]) | read.unclear[kept]
    strange = np.zeros(len(table), dtype=bool)
    strange[kept] = read.strange[kept]
    if not strange.any():
        return bool(numeric.any())
    if not strict or numeric.sum() <= strange.sum() - read.unclear[kept].sum():
        return False
    todo = "correct the cells; if the column is no score, move it to a table for dataset.groups"
    raise no_number(table, name, read, strange, todo=todo)


def _almost_a_number(table: TextTable, name: str, read: Numbers) -> str:
    """Return the first cell, and where it is, of a column such as ``85%`` or ``4/5``; else ""."""
    cells = table.columns[name].filter(pa.array(~read.missing))
    digits = pc.match_substring_regex(cells, r"^[^\pL]*[0-9][^\pL]*$")
    dates = pc.match_substring_regex(cells, r"^[0-9]{4}-[0-9]{2}(-[0-9]{2})?\b")
    if not len(cells) or not pc.all(digits).as_py() or pc.any(dates).as_py():
        return ""
    return _first_strange(table, name, read)


def _first_strange(table: TextTable, name: str, read: Numbers) -> str:
    first = int(np.argmax(read.strange))
    return f"{table.columns[name][first].as_py()!r} ({table.lines([first])})"


def _in_brackets(almost: Mapping[str, str]) -> str:
    said = ", ".join(f"{name!r} has {cell}" for name, cell in almost.items())
    return f" ({said})" if said else ""


def _constant(values: NDArray[np.float64]) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 0 and bool((known == known[0]).all())


def group_codes(
    tables: Mapping[str, ImageColumns], column: str | None, images: int
) -> NDArray[np.int64] | None:
    """Number the groups of images by a column, in order of their names.

    Args:
        tables: of scores and groups.
        column: whose equal values are a group; None for no groups.
        images: number of images.

    Returns:
        From 0, -1 for images without a value, shape (images,); None without a column.

    Raises:
        DataError: if no table has such a column, or no image has a value.
    """
    if column is None:
        return None
    merged = merged_columns(tables)
    values = merged.get(column, np.full(images, None, dtype=object))
    if _empty(values).all():
        raise DataError(
            f"column {column!r} of groups: no table gives any image a value there",
            expected=f"one of {', '.join(merged)}" if merged else "a table of scores or groups",
            todo="name the column of a table of groups or scores",
        )
    return numbered(values.tolist())


def numbered(values: Sequence[Any]) -> NDArray[np.int64]:
    """Number the groups that values name, in order of their names; -1 for None and NaN."""
    known = [i for i, value in enumerate(values) if value is not None and value == value]
    codes = np.full(len(values), -1, dtype=np.int64)
    codes[known] = np.unique([str(values[i]) for i in known], return_inverse=True)[1]
    return codes


def merged_columns(tables: Mapping[str, ImageColumns]) -> dict[str, NDArray[Any]]:
    """Merge the columns of several tables, without those that we fill ourselves.

    Raises:
        DataError: if two tables disagree on a column.
    """
    merged: dict[str, tuple[str, NDArray[Any]]] = {}
    for kind, table in tables.items():
        for name, values in table.columns.items():
            if name in RESERVED:
                continue
            if name not in merged:
                merged[name] = (kind, values)
                continue
            other, known = merged[name]
            if _empty(values).all():
                continue
            if _empty(known).all():
                merged[name] = (kind, values)
                continue
            different = _different(known, values)
            if different.any():
                row = int(np.argmax(different))
                raise DataError(
                    f"column {name!r} is in dataset.{other} and in dataset.{kind}, and they differ "
                    f"for {int(different.sum())} images ({known[row]!r} and {values[row]!r})",
                    expected="each column in one table, or equal values",
                    todo="rename or remove one of the columns",
                )
            merged[name] = (other, np.where(_empty(known), values, known))
    return {name: values for name, (_, values) in merged.items()}


def _empty(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype == object:
        return np.asarray([v is None for v in values.tolist()])
    return np.isnan(values)


def _different(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    if one.dtype != other.dtype:
        return ~_empty(one)
    return ~_empty(one) & ~_empty(other) & (one != other)


def as_arrow(values: NDArray[Any]) -> pa.Array:
    """Convert a column for the image table: text, integers or numbers, null where missing."""
    if values.dtype == object:
        return pa.array(values.tolist(), pa.string())
    known = np.isfinite(values)
    if known.any() and (np.abs(values[known]) < 2**53).all() and (values[known] % 1 == 0).all():
        whole = np.where(known, values, 0).astype(np.int64)
        return pa.array(whole, mask=~known)
    return pa.array(values, mask=~known)
