"""Read users' tables with one row per pair or per vote, and put sides in canonical order."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.schema import Pairs
from interestingness.tables.image_names import ImageNames, KeyedNames, missing_images, rows_of
from interestingness.tables.user_tables import TextTable, numbers, row_numbers

log = logging.getLogger(__name__)

UNNAMED = "unnamed"
"""Rater of votes whose table does not say who voted."""

RATER_COLUMNS = ("rater", "rater_id")
VOTE_IDS = ("vote_id", "annotation_id")
WORDS = ("left", "right", "tie", "first", "second")
"""What a cell may say, beside the name of an image."""
LEFT, RIGHT, TIE, FIRST, SECOND = range(len(WORDS))
NONE, UNCLEAR = len(WORDS), len(WORDS) + 1
OPPOSITE = np.array([RIGHT, LEFT, TIE, FIRST, SECOND, NONE])
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
"""A day, which is no time of a vote."""
_TEXT = ("reason", "persona", "provenance")


@dataclass(frozen=True, eq=False)
class PairRows:
    """Rows of a table with two images each.

    Attributes:
        table: the table as read.
        kept: rows of the table whose images exist, shape (kept,).
        pairs: the distinct pairs, in order of first appearance.
        pair: row in ``pairs`` of each kept row, shape (kept,).
        swapped: whether the table has the images the other way round, shape (kept,).
        names: finds images as this table spells them.
        facts: counts to print.
    """

    table: TextTable
    kept: NDArray[np.int64]
    pairs: Pairs
    pair: NDArray[np.int64]
    swapped: NDArray[np.bool_]
    names: ImageNames | KeyedNames
    facts: Mapping[str, Any] = field(default_factory=dict)


def without_copies(table: TextTable, mapping: Mapping[str, str]) -> tuple[TextTable, list[str]]:
    """Leave out rows that say again what another row says of the same vote.

    Such rows have the same vote id, or the same named rater and time of day, and nothing in them
    that makes a vote differs. Other equal rows are several votes: of people whose names are not
    known, or of one who answered again.

    Args:
        table: one vote a row.
        mapping: ``dataset.columns``.

    Returns:
        The table without copies; and notes for the user on copies and on equal rows.
    """
    named = ("left", "right", "choice", "first", "rater", "question", "persona", "sample")
    aliases = {"rater": RATER_COLUMNS, "vote_id": VOTE_IDS}
    for meaning in named[:3]:
        table.need(meaning, (meaning,), mapping)
    column = {
        meaning: table.columns[name]
        for meaning in (*named, "vote_id", "time")
        if (name := table.find(meaning, aliases.get(meaning, (meaning,)), mapping)) is not None
    }
    columns = [column[meaning] for meaning in named if meaning in column]
    copies = np.zeros(len(table), dtype=bool)
    for key in (("vote_id",), ("rater", "time")):
        if not column.keys() >= set(key):
            continue
        known = np.ones(len(table), dtype=bool)
        for meaning in key:
            known &= column[meaning].is_valid().to_numpy(zero_copy_only=False)
        if "time" in key:
            known &= ~_matching(column["time"], _DATE)
            if "vote_id" in column:
                known &= column["vote_id"].is_null().to_numpy(zero_copy_only=False)
        copies |= known & _repeats([*columns, column[key[-1]]])
    equal = int((_repeats(columns) & ~copies).sum())
    notes = []
    if copies.any():
        notes.append(
            f"{table.path.name}: {int(copies.sum()):,} rows repeat a vote (same vote id, or same "
            f"rater and time) and count once ({table.lines(copies)})."
        )
        table = table.take(np.flatnonzero(~copies))
    if equal:
        notes.append(
            f"{table.path.name}: {equal:,} rows say what another row says; each counts as a vote "
            "(a column vote_id or time would tell copies)."
        )
    return table, notes


def _repeats(columns: Sequence[pa.Array]) -> NDArray[np.bool_]:
    """Mark rows that equal an earlier one."""
    again = np.ones(len(columns[0]), dtype=bool)
    again[np.unique(row_numbers(columns), return_index=True)[1]] = False
    return again


def _matching(cells: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found = pc.fill_null(pc.match_substring_regex(cells, pattern), False)
    return found.to_numpy(zero_copy_only=False)


def read_pairs(
    table: TextTable,
    names: ImageNames | KeyedNames,
    *,
    mapping: Mapping[str, str],
    on_missing: str,
) -> PairRows:
    """Read the columns ``left`` and ``right``; a pair given twice or reversed is one pair.

    Raises:
        DataError: a missing column, absent images, or a pair of an image with itself.
    """
    columns = {side: table.need(side, (side,), mapping) for side in ("left", "right")}
    cells = [table.columns[column] for column in columns.values()]
    names = names.reading(table.path, *cells)
    left, right = (rows_of(names, side) for side in cells)
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
    pairs, pair, swapped = Pairs.from_rows(left[kept], right[kept], names.image_ids)
    _, first = np.unique(pair, return_index=True)
    facts: dict[str, Any] = {"rows": len(table), "pairs": len(pairs)}
    if names.notes:
        facts["names"] = " ".join(names.notes)
    if absent.any():
        facts["rows_without_image"] = int(absent.sum())
    reversed_rows = int((swapped != swapped[first][pair]).sum())
    if reversed_rows:
        facts["rows_reversed"] = reversed_rows
    return PairRows(table, kept, pairs, pair, swapped, names, facts)


def read_votes(
    rows: PairRows, *, mapping: Mapping[str, str], question: str
) -> tuple[pa.Table, dict[str, Any]]:
    """Read one vote per row of a table.

    ``choice`` is ``left``, ``right`` (the columns of this table), ``tie``, the name of one of the
    two images, or ``first`` / ``second``. The column ``first``, if there is one, says which image
    was shown first (``left``, ``right`` or its name); without it ``first`` and ``second`` mean the
    left and the right column, which are then taken as the order shown. An empty choice is a vote
    without a usable answer.

    Args:
        rows: from ``read_pairs``.
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
    sides = _Sides(rows)
    first = np.full(len(kept), NONE)
    if first_column is not None:
        first = sides.read(first_column, WORDS[:2])
    choice = sides.read(choice_column, WORDS)
    spoken = (choice == FIRST) | (choice == SECOND)
    if first_column is None and spoken.any():
        first[:] = LEFT
    unknown = kept[spoken & (first == NONE)]
    if len(unknown):
        raise DataError(
            f"{table.path}: {len(unknown)} rows choose 'first' or 'second' in column "
            f"{choice_column!r}, but column 'first' is empty there ({table.lines(unknown)})",
            expected="which image was shown first, in column 'first'",
            todo="fill the column, or write left and right",
        )
    choice = np.where(spoken, np.where(choice == FIRST, first, OPPOSITE[first]), choice)
    answers = pa.array([*WORDS, None], pa.string())

    def canonical(said: NDArray[np.int64]) -> pa.Array:
        return answers.take(pa.array(np.where(rows.swapped, OPPOSITE[said], said)))

    kinds = pc.utf8_lower(_texts(table, kept, ("rater_kind",), mapping, default="human"))
    _check_kinds(kinds, table, kept)
    columns: dict[str, Any] = {
        "pair_id": pa.array(rows.pairs.pair_ids, pa.string()).take(pa.array(rows.pair)),
        "rater_id": _texts(table, kept, RATER_COLUMNS, mapping, default=UNNAMED, meaning="rater"),
        "choice": canonical(choice),
        "first": canonical(first),
        "question": _texts(table, kept, ("question",), mapping, default=question),
        "rater_kind": kinds,
    }
    for name in _TEXT:
        if name in table:
            columns[name] = table.columns[name].take(pa.array(kept))
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
    """Return unknown columns: a misspelt ``rater`` would make all votes one rater's."""
    known = {"left", "right", "pair_id", "choice", "first", "question", "rater_kind"}
    known |= {"probability", "time", "sample", *RATER_COLUMNS, *VOTE_IDS, *_TEXT}
    known |= {name for name in mapping.values() if name}
    return sorted(name for name in table.columns if name.casefold() not in known | set(mapping))


class _Sides:
    """Reads cells that name a side or one of a row's two images."""

    def __init__(self, rows: PairRows) -> None:
        self.rows = rows
        left, right = rows.pairs.left[rows.pair], rows.pairs.right[rows.pair]
        self.left = np.where(rows.swapped, right, left)
        self.right = np.where(rows.swapped, left, right)

    def read(self, column: str, words: tuple[str, ...]) -> NDArray[np.int64]:
        """Return codes of ``WORDS``, ``NONE`` for empty cells, shape (kept,).

        Args:
            column: of the table.
            words: words that a cell may hold besides the name of one of the two images; the first
                ones of ``WORDS``.
        """
        table, kept = self.rows.table, self.rows.kept
        coded = table.columns[column].dictionary_encode()
        cells = coded.dictionary.to_pylist()
        said = [words.index(c.casefold()) if c.casefold() in words else UNCLEAR for c in cells]
        image = np.append(self.rows.names.rows(cells), -1)
        at = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)[kept]
        code = np.append(np.asarray(said, dtype=np.int64), NONE)[at]
        named = (code == UNCLEAR) & (image[at] >= 0)
        code[named & (image[at] == self.left)] = LEFT
        code[named & (image[at] == self.right)] = RIGHT
        strange = at[code == UNCLEAR]
        if len(strange):
            found = [repr(cells[i]) for i in dict.fromkeys(strange.tolist())]
            raise DataError(
                f"{table.path}: {len(strange)} cells of column {column!r} cannot be understood: "
                f"{', '.join(found[:3])} ({table.lines(kept[code == UNCLEAR].tolist())})",
                expected=f"{', '.join(words)}, the name of one of the row's two images, or empty",
                todo="correct the cells",
            )
        return code


def _texts(
    table: TextTable,
    kept: NDArray[np.int64],
    aliases: tuple[str, ...],
    mapping: Mapping[str, str],
    *,
    default: str,
    meaning: str | None = None,
) -> pa.Array:
    column = table.find(meaning or aliases[0], aliases, mapping)
    if column is None:
        return pa.repeat(pa.scalar(default), len(kept))
    return pc.fill_null(table.columns[column].take(pa.array(kept)), default)


def _check_kinds(kinds: pa.Array, table: TextTable, kept: NDArray[np.int64]) -> None:
    known = pc.is_in(kinds, value_set=pa.array(["human", "model"]))
    strange = np.flatnonzero(~known.to_numpy(zero_copy_only=False))
    if len(strange):
        raise DataError(
            f"{table.path}: rater_kind {kinds[int(strange[0])].as_py()!r} "
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


def _repetitions(columns: Mapping[str, Any]) -> NDArray[np.int32]:
    """Count a rater's earlier answers on the same pair in the same order."""
    names = ("pair_id", "rater_id", "question", "first", "persona")
    number = row_numbers(columns[name] for name in names if name in columns)
    order = np.argsort(number, kind="stable")
    _, start, count = np.unique(number[order], return_index=True, return_counts=True)
    before = np.empty(len(order), dtype=np.int32)
    before[order] = np.arange(len(order)) - np.repeat(start, count)
    return before


def _vote_facts(columns: Mapping[str, Any]) -> dict[str, Any]:
    choice, raters = columns["choice"], pc.unique(columns["rater_id"]).to_pylist()
    facts: dict[str, Any] = {"votes": len(choice), "raters": len(raters)}
    ties = int(pc.sum(pc.equal(choice, "tie")).as_py() or 0)
    for name, count in (("ties", ties), ("votes_without_answer", choice.null_count)):
        if count:
            facts[name] = count
    repeated = int(pc.sum(pc.greater(columns["sample"], 0)).as_py() or 0)
    if repeated and raters != [UNNAMED]:
        facts["repeated_votes"] = repeated
    return facts
