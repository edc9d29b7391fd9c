"""Tables with one row per pair or per vote, as people write them, brought into canonical order."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.schema import Pairs
from interestingness.tables.csv_tables import TextTable, numbers
from interestingness.tables.image_names import ImageNames, KeyedNames, missing_images

log = logging.getLogger(__name__)

UNNAMED = "unnamed"
"""Rater of votes whose table does not say who voted."""

RATER_COLUMNS = ("rater", "rater_id")
_OPPOSITE = {"left": "right", "right": "left"}
_TEXT = ("reason", "persona", "provenance")


@dataclass(frozen=True, eq=False)
class PairRows:
    """Rows of a table, each about two images.

    Attributes:
        table: the table as read.
        kept: rows of the table whose images are there, shape (kept,).
        pairs: the distinct pairs, in order of first appearance.
        pair: row in ``pairs`` of each kept row, shape (kept,).
        swapped: whether the table has the images the other way round, shape (kept,).
        facts: counts to print.
    """

    table: TextTable
    kept: NDArray[np.int64]
    pairs: Pairs
    pair: NDArray[np.int64]
    swapped: NDArray[np.bool_]
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_pairs(
    table: TextTable,
    names: ImageNames | KeyedNames,
    *,
    mapping: Mapping[str, str],
    on_missing: str,
) -> PairRows:
    """The columns ``left`` and ``right`` as pairs; a pair given twice or reversed is one pair.

    Raises:
        DataError: a missing column, absent images, or a pair of an image with itself.
    """
    columns = {side: table.need(side, (side,), mapping) for side in ("left", "right")}
    left, right = (names.rows(table.cells(column)) for column in columns.values())
    absent = missing_images(names, table, columns, [left, right], on_missing)
    kept = np.flatnonzero(~absent)
    itself = np.zeros(len(table), dtype=bool)
    itself[kept] = left[kept] == right[kept]
    if itself.any():
        name = names.image_ids[left[int(np.argmax(itself))]]
        raise DataError(
            f"{table.path}: {int(itself.sum())} rows pair an image with itself, the first "
            f"{name!r} ({table.lines(itself)})",
            expected="two different images in every row",
            todo="remove the rows",
        )
    one = [names.image_ids[i] for i in left[kept].tolist()]
    other = [names.image_ids[i] for i in right[kept].tolist()]
    pairs, pair, swapped = Pairs.from_ids(one, other, names.image_ids)
    _, first = np.unique(pair, return_index=True)
    facts: dict[str, Any] = {"rows": len(table), "pairs": len(pairs)}
    if absent.any():
        facts["rows_without_image"] = int(absent.sum())
    reversed_rows = int((swapped != swapped[first][pair]).sum())
    if reversed_rows:
        facts["rows_reversed"] = reversed_rows
    return PairRows(table, kept, pairs, pair, swapped, facts)


def read_votes(
    rows: PairRows, names: ImageNames | KeyedNames, *, mapping: Mapping[str, str], question: str
) -> tuple[pa.Table, dict[str, Any]]:
    """One vote per row of a table.

    ``choice`` is ``left``, ``right`` (the columns of this table), ``tie``, the name of one of the
    two images, or ``first`` / ``second``. The column ``first``, if there is one, says which image
    was shown first (``left``, ``right`` or its name); without it ``first`` and ``second`` mean the
    left and the right column, which are then taken as the order shown. An empty choice is a vote
    without a usable answer.

    Args:
        rows: from ``read_pairs``.
        names: what the image columns were looked up in.
        mapping: ``dataset.columns``.
        question: where the table has no column ``question``.

    Returns:
        A vote table in canonical order, and counts to print.

    Raises:
        DataError: no choice column, or a cell that cannot be understood.
    """
    table, kept = rows.table, rows.kept
    choice_column = table.need("choice", ("choice",), mapping)
    first_column = table.find("first", ("first",), mapping)
    sides = _Sides(rows, names)
    if first_column is None:
        first: list[str | None] = [None] * len(kept)
    else:
        first = sides.read(first_column, words=("left", "right"))
    choice = sides.read(choice_column, words=("left", "right", "tie", "first", "second"))
    if first_column is None and {"first", "second"} & set(choice):
        first = ["left"] * len(kept)
    choice = _spoken_order_resolved(choice, first, table, kept, choice_column)

    def canonical(cells: Sequence[str | None]) -> list[str | None]:
        pairs = zip(cells, rows.swapped.tolist(), strict=True)
        return [_OPPOSITE.get(c or "", c) if swapped else c for c, swapped in pairs]

    columns: dict[str, Any] = {
        "pair_id": np.asarray(rows.pairs.pair_ids, dtype=object)[rows.pair].tolist(),
        "rater_id": _texts(table, kept, RATER_COLUMNS, mapping, default=UNNAMED, meaning="rater"),
        "choice": pa.array(canonical(choice), pa.string()),
        "first": pa.array(canonical(first), pa.string()),
        "question": _texts(table, kept, ("question",), mapping, default=question),
        "rater_kind": [
            (kind or "human").casefold()
            for kind in _texts(table, kept, ("rater_kind",), mapping, default="human")
        ],
    }
    _check_kinds(columns["rater_kind"], table, kept)
    for name in _TEXT:
        if name in table:
            columns[name] = pa.array([table.cells(name)[i] for i in kept], pa.string())
    if "probability" in table:
        probability = _column_of_numbers(table, "probability", kept, 0.0, 1.0)
        probability = np.where(rows.swapped, 1 - probability, probability)
        columns["probability"] = pa.array(probability, mask=np.isnan(probability))
    if "time" in table:
        columns["time"] = pa.array(_times(table, kept), pa.timestamp("us", tz="UTC"))
    if "sample" in table:
        sample = _column_of_numbers(table, "sample", kept, 0, 2**31 - 1)
        columns["sample"] = pa.array(np.nan_to_num(sample).astype(np.int32))
    else:
        columns["sample"] = pa.array(_repetitions(columns), pa.int32())
    facts = _vote_facts(columns)
    if unused := _unused(table, mapping):
        facts["columns not used"] = unused
        log.warning("%s: columns not used: %s", table.path, ", ".join(unused))
    return pa.table(columns), facts


def _unused(table: TextTable, mapping: Mapping[str, str]) -> list[str]:
    """Columns that mean nothing to us: a misspelt ``rater`` would make one rater of all."""
    known = {"left", "right", "pair_id", "choice", "first", "question", "rater_kind"}
    known |= {"probability", "time", "sample", *RATER_COLUMNS, *_TEXT}
    known |= {name for name in mapping.values() if name}
    return sorted(name for name in table.columns if name.casefold() not in known | set(mapping))


class _Sides:
    """Reads cells that name one of a row's two images."""

    def __init__(self, rows: PairRows, names: ImageNames | KeyedNames) -> None:
        self.rows, self.names = rows, names
        left, right = rows.pairs.left[rows.pair], rows.pairs.right[rows.pair]
        self.left = np.where(rows.swapped, right, left)
        self.right = np.where(rows.swapped, left, right)

    def read(self, column: str, words: tuple[str, ...]) -> list[str | None]:
        table = self.rows.table
        everything = table.cells(column)
        cells = [everything[i] for i in self.rows.kept.tolist()]
        result: list[str | None] = []
        strange = []
        named: dict[str, int] = {}
        for i, cell in enumerate(cells):
            if cell is None or cell.casefold() in words:
                result.append(None if cell is None else cell.casefold())
                continue
            if cell not in named:
                named[cell] = int(self.names.rows([cell])[0])
            if named[cell] >= 0 and named[cell] == self.left[i]:
                result.append("left")
            elif named[cell] >= 0 and named[cell] == self.right[i]:
                result.append("right")
            else:
                strange.append(i)
        if strange:
            found = list(dict.fromkeys(repr(cells[i]) for i in strange))
            raise DataError(
                f"{table.path}: {len(strange)} cells of column {column!r} cannot be understood: "
                f"{', '.join(found[:3])} ({table.lines(self.rows.kept[strange].tolist())})",
                expected=f"{', '.join(words)}, the name of one of the row's two images, or empty",
                todo="correct the cells",
            )
        return result


def _spoken_order_resolved(
    choice: list[str | None],
    first: list[str | None],
    table: TextTable,
    kept: NDArray[np.int64],
    column: str,
) -> list[str | None]:
    """ "first" and "second" replaced by the side that stood there."""
    resolved, unknown = [], []
    for i, (chosen, shown) in enumerate(zip(choice, first, strict=True)):
        if chosen in ("first", "second"):
            if shown is None:
                unknown.append(i)
            chosen = shown if chosen == "first" else _OPPOSITE.get(shown or "")
        resolved.append(chosen)
    if unknown:
        raise DataError(
            f"{table.path}: {len(unknown)} rows choose 'first' or 'second' in column {column!r}, "
            f"but column 'first' is empty there ({table.lines(kept[unknown].tolist())})",
            expected="which image was shown first, in column 'first'",
            todo="fill the column, or write left and right",
        )
    return resolved


def _texts(
    table: TextTable,
    kept: NDArray[np.int64],
    aliases: tuple[str, ...],
    mapping: Mapping[str, str],
    *,
    default: str,
    meaning: str | None = None,
) -> list[str]:
    column = table.find(meaning or aliases[0], aliases, mapping)
    if column is None:
        return [default] * len(kept)
    cells = table.cells(column)
    return [cells[i] or default for i in kept.tolist()]


def _check_kinds(kinds: list[str], table: TextTable, kept: NDArray[np.int64]) -> None:
    strange = [i for i, kind in enumerate(kinds) if kind not in ("human", "model")]
    if strange:
        raise DataError(
            f"{table.path}: rater_kind {kinds[strange[0]]!r} "
            f"({table.lines(kept[strange].tolist())})",
            expected="human or model",
            todo="correct the cells",
        )


def _column_of_numbers(
    table: TextTable, name: str, kept: NDArray[np.int64], low: float, high: float
) -> NDArray[np.float64]:
    read = numbers(table, name)
    values = read.values[kept]
    bad = read.strange[kept] | (values < low) | (values > high)
    if bad.any():
        at = kept[bad]
        raise DataError(
            f"{table.path}: column {name!r} holds {table.cells(name)[int(at[0])]!r} "
            f"({table.lines(at.tolist())})",
            expected=f"numbers from {low:g} to {high:g}, or empty cells",
            todo="correct the cells",
        )
    return values


def _times(table: TextTable, kept: NDArray[np.int64]) -> list[datetime | None]:
    cells = table.cells("time")
    times: list[datetime | None] = []
    for i in kept.tolist():
        cell = cells[i]
        try:
            time = None if cell is None else datetime.fromisoformat(cell)
        except ValueError:
            raise DataError(
                f"{table.path}: time {cell!r} ({table.lines([i])})",
                expected="dates and times such as 2025-03-01T14:30:00 or 2025-03-01 (UTC)",
                todo="correct the cells",
            ) from None
        times.append(time.replace(tzinfo=time.tzinfo or UTC) if time else None)
    return times


def _repetitions(columns: Mapping[str, Any]) -> list[int]:
    """How often the same rater has answered the same pair in the same order before."""
    seen: dict[tuple[Any, ...], int] = {}
    samples = []
    rows = len(columns["pair_id"])
    persona = columns["persona"].to_pylist() if "persona" in columns else [None] * rows
    first = columns["first"].to_pylist()
    for key in zip(
        columns["pair_id"], columns["rater_id"], columns["question"], first, persona, strict=True
    ):
        samples.append(seen.get(key, 0))
        seen[key] = samples[-1] + 1
    return samples


def _vote_facts(columns: Mapping[str, Any]) -> dict[str, Any]:
    choices = columns["choice"].to_pylist()
    facts: dict[str, Any] = {"votes": len(choices), "raters": len(set(columns["rater_id"]))}
    for name, value in (("ties", "tie"), ("votes_without_answer", None)):
        count = sum(choice == value for choice in choices)
        if count:
            facts[name] = count
    repeated = sum(sample > 0 for sample in columns["sample"].to_pylist())
    if repeated and set(columns["rater_id"]) != {UNNAMED}:
        facts["repeated_votes"] = repeated
    return facts
