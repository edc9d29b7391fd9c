"""Read users' tables with one vote in each row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import bdtr

from interestingness.datasets.choices import (
    FIRST,
    LEFT,
    NONE,
    OPPOSITE,
    RIGHT,
    SECOND,
    UNCLEAR,
    WORDS,
    Said,
    as_key,
    read_sides,
)
from interestingness.datasets.pair_files import PairRows
from interestingness.datasets.table_rows import prefix_of
from interestingness.datasets.vote_columns import (
    OPTIONAL,
    ColumnNames,
    choice_of,
    column_of,
    vote_id_of,
)
from interestingness.datasets.vote_times import time_of
from interestingness.errors import DataError
from interestingness.tables.number_cells import numbers
from interestingness.tables.table_format import BOTH_BAD
from interestingness.tables.user_tables import row_numbers

UNNAMED = "unnamed"
"""Rater of votes whose table does not say who voted."""

_TEXT = ("reason", "persona", "provenance")
_NUMBERING = re.compile(r"(q|question|trial|item|block)?[ _#-]*[0-9]+(\.0)?", re.IGNORECASE)


def read_votes(
    rows: PairRows,
    *,
    mapping: ColumnNames,
    question: str,
    choices: Mapping[str, int] | None = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Read one vote per row of a table.

    The choice is ``left``, ``right`` (the columns of this table), ``tie``, the name of one of the
    two images, ``first`` / ``second``, or one of the other words of ``SideReader``. The column
    ``first``, if there is one, says which image was shown first; without it ``first`` and
    ``second`` mean the left and the right column, which are then taken as the order shown. An empty
    choice is a vote without a usable answer. Optional columns whose cells mean something else are
    not used; ``notes`` among the facts says so, and what was guessed.

    Args:
        rows: from ``read_pairs``.
        mapping: ``dataset.columns``.
        question: where the table has no column ``question``.
        choices: the user's own words, from ``check_choices``.

    Returns:
        A vote table in canonical order, and counts to print.

    Raises:
        DataError: no choice column, or a cell that cannot be understood.
    """
    reader = _VoteReader(rows, mapping, choices or {})
    first, choice = reader.first_and_choice()
    answers = pa.array([*WORDS, None], pa.string())

    def canonical(said: NDArray[np.int64]) -> pa.Array:
        return answers.take(pa.array(np.where(rows.swapped, OPPOSITE[said], said)))

    columns: dict[str, Any] = {
        "pair_id": pa.array(rows.pairs.pair_ids, pa.string()).take(pa.array(rows.pair)),
        "rater_id": reader.text("rater", UNNAMED),
        "choice": canonical(choice),
        "first": canonical(first),
        "question": reader.question(question),
        "rater_kind": reader.kinds(),
    }
    for name in _TEXT:
        if reader.column[name] is not None:
            columns[name] = reader.cells(name)
    probability = reader.numbers("probability", 0.0, 1.0)
    if probability is not None:
        probability = np.where(rows.swapped, 1 - probability, probability)
        columns["probability"] = pa.array(probability, mask=np.isnan(probability))
    times = reader.times()
    if times is not None:
        columns["time"] = pa.array(times, pa.timestamp("us", tz="UTC"))
    sample = reader.numbers("sample", 0, 2**31 - 1)
    if sample is not None:
        columns["sample"] = pa.array(np.nan_to_num(sample).astype(np.int32))
    else:
        columns["sample"] = pa.array(_repetitions(columns), pa.int32())
    facts = _vote_facts(columns)
    unused = reader.unused()
    if unused:
        facts["columns not used"] = unused
    one_sided = [] if (first != NONE).any() else _one_sided(columns["rater_id"], choice)
    notes = [*rows.facts.get("notes", ()), *reader.notes]
    notes += [*_unused_note(unused), *one_sided]
    if notes:
        facts["notes"] = notes
    return pa.table(columns), facts


class _VoteReader:
    """Reads the columns of votes; what it leaves out or guesses, it notes."""

    def __init__(
        self,
        rows: PairRows,
        mapping: ColumnNames,
        choices: Mapping[str, int],
    ) -> None:
        self.rows, self.mapping = rows, mapping
        every = len(rows.kept) == len(rows.table)
        self.table = rows.table if every else rows.table.take(rows.kept)
        self.sides = read_sides(
            self.table, rows.sides, rows.pairs, rows.pair, rows.swapped, rows.names, choices
        )
        self.choice = choice_of(self.table, mapping)
        self.column = {name: column_of(self.table, name, mapping) for name in OPTIONAL}
        guessed = [
            f"{meaning} is the column {found!r}"
            for meaning, found in {"choice": self.choice, **self.column}.items()
            if found is not None and found.casefold() != meaning and mapping.get(meaning) != found
        ]
        self.notes: list[str] = [f"{', '.join(guessed)}."] if guessed else []

    def first_and_choice(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which side was shown first, and which was chosen, as codes of ``WORDS``."""
        said = self.sides.read(self.choice, WORDS)
        self.sides.check(said, self.choice, WORDS)
        self._note_words(said, self.choice)
        choice = said.code
        first = np.full(len(self.table), NONE)
        column = self.column["first"]
        if column is not None:
            shown = self.sides.read(column, WORDS[:2])
            good = (shown.code == LEFT) | (shown.code == RIGHT)
            strange = ~good & (shown.code != NONE)
            if self._usable("first", good, strange):
                shown.code[strange] = UNCLEAR
                self.sides.check(shown, column, WORDS[:2])
                self._note_words(shown, column)
                first = shown.code
        spoken = (choice == FIRST) | (choice == SECOND)
        if column is None and spoken.any():
            first[:] = LEFT
        unknown = np.flatnonzero(spoken & (first == NONE))
        if len(unknown):
            raise DataError(
                f"{self.table.path}: {len(unknown)} of {len(self.table)} rows choose 'first' or "
                f"'second' in column {self.choice!r}, but column 'first' is empty there, or means "
                f"something else ({self.table.lines(unknown.tolist())})",
                expected="which image was shown first, in column 'first'",
                todo="fill the column, or write left and right",
            )
        return first, np.where(spoken, np.where(choice == FIRST, first, OPPOSITE[first]), choice)

    def text(self, meaning: str, default: str) -> pa.Array:
        """Return a column of text, ``default`` where it is empty or says ``NA``."""
        column = self.column[meaning]
        if column is None:
            return pa.repeat(pa.scalar(default), len(self.table))
        return pc.fill_null(self.table.known(column), default)

    def cells(self, meaning: str) -> pa.Array:
        """Return the cells of a column that there is."""
        return self.table.columns[self.column[meaning] or ""]

    def question(self, asked: str) -> pa.Array:
        """Return what was asked; numbers of trials and texts as many as rows are no questions."""
        cells = self.text("question", asked)
        found = pc.unique(cells).to_pylist()
        if self.column["question"] is None or self.mapping.get("question"):
            return cells
        if len(found) == 1 and asked.casefold() in found[0].casefold() != asked.casefold():
            self.notes.append(f"the question {found[0]!r} is taken for {asked!r}.")
        elif all(_NUMBERING.fullmatch(cell) for cell in found):
            self._leave_out("question", found[0], "numbers trials")
        elif len(found) > max(20, len(cells) // 2):
            self._leave_out("question", found[0], "differs from row to row")
        else:
            return cells
        return pa.repeat(pa.scalar(asked), len(cells))

    def kinds(self) -> pa.Array:
        """Return ``human`` or ``model``."""
        kinds = pc.utf8_lower(self.text("rater_kind", "human"))
        good = pc.is_in(kinds, value_set=pa.array(["human", "model"]))
        known = good.to_numpy(zero_copy_only=False)
        if self._usable("rater_kind", known, ~known):
            self._refuse("rater_kind", ~known, "human or model")
            return kinds
        return pa.repeat(pa.scalar("human"), len(kinds))

    def numbers(self, meaning: str, low: float, high: float) -> NDArray[np.float64] | None:
        """Return a column of numbers in a range, NaN where it is empty; None without one."""
        column = self.column[meaning]
        if column is None:
            return None
        read = numbers(self.table, column)
        bad = read.strange | (read.values < low) | (read.values > high)
        if meaning == "sample":
            bad |= ~np.isnan(read.values) & (read.values % 1 != 0)
        if not self._usable(meaning, ~bad & ~read.missing, bad):
            return None
        self._refuse(meaning, bad, f"numbers from {low:g} to {high:g}, or empty cells")
        return read.values

    def times(self) -> list[datetime | None] | None:
        """Return when the votes were given; None where no column says it."""
        column = self.column["time"]
        if column is None:
            return None
        coded = self.table.known(column).dictionary_encode()
        read = np.array([time_of(cell) for cell in coded.dictionary.to_pylist()] + [None], object)
        at = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
        times = read[at].tolist()
        good = np.array([time is not None for time in times])
        bad = ~good & (at >= 0)
        if not self._usable("time", good, bad):
            return None
        self._refuse("time", bad, "dates and times such as 2025-03-01T14:30:00 or 2025-03-01 (UTC)")
        return times

    def unused(self) -> list[str]:
        """Return columns without a use: a misspelt ``rater`` would make all votes one rater's."""
        used = {*self.rows.sides.values(), self.choice, *self.column.values(), "pair_id"}
        used |= {vote_id_of(self.table), *self.rows.marked}
        used |= {column for column in self.mapping.values() if column}
        return sorted(column for column in self.table.columns if column not in used)

    def _usable(self, meaning: str, good: NDArray[np.bool_], bad: NDArray[np.bool_]) -> bool:
        """Decide whether a column means what its name says; if not, it is left out and noted.

        Where most cells do, or the user has named the column, the others are mistakes.
        """
        column = self.column[meaning]
        if not bad.any() or self.mapping.get(meaning) == column or good.sum() > bad.sum():
            return True
        self._leave_out(meaning, self.table.cells(column or "")[int(np.argmax(bad))], "")
        return False

    def _leave_out(self, meaning: str, cell: str | None, why: str) -> None:
        column = self.column[meaning]
        self.column[meaning] = None
        why = why or f"is no {meaning.replace('_', ' ')}"
        self.notes.append(f"the column {column!r} is not used: {cell!r} {why}.")

    def _refuse(self, meaning: str, bad: NDArray[np.bool_], expected: str) -> None:
        if bad.any():
            column = self.column[meaning] or ""
            cell = self.table.cells(column)[int(np.argmax(bad))]
            raise DataError(
                f"{self.table.path}: column {column!r} holds {cell!r} ({self.table.lines(bad)})",
                expected=expected,
                todo="correct the cells, or say that the column means something else: "
                f"{prefix_of(self.table)}columns.{meaning}=null",
            )

    def _note_words(self, said: Said, column: str) -> None:
        if said.guessed:
            words = ", ".join(f"{word!r} as {meaning}" for word, meaning in said.guessed.items())
            self.notes.append(
                f"the column {column!r} is read with {words} (otherwise: "
                f"{prefix_of(self.table)}choices.{as_key(next(iter(said.guessed)))}=…)."
            )


def _unused_note(unused: Sequence[str]) -> list[str]:
    shown = ", ".join(unused[:10]) + (f" and {len(unused) - 10} more" if len(unused) > 10 else "")
    return [f"columns not used: {shown}."] if unused else []


def _one_sided(raters: pa.Array, choice: NDArray[np.int64]) -> list[str]:
    """Return notes on raters who choose one column far more often than chance would.

    The order shown is not known, so this may also be the order in which the table was written.
    """
    coded = raters.dictionary_encode()
    names = coded.dictionary.to_pylist()
    rater = coded.indices.to_numpy(zero_copy_only=False)
    left, right = (
        np.bincount(rater[choice == side], minlength=len(names)) for side in (LEFT, RIGHT)
    )
    both = left + right
    chance = 2 * bdtr(np.minimum(left, right), both, 0.5)
    found = np.flatnonzero(chance < 0.01 / len(names))
    most = found[np.argsort(chance[found], kind="stable")][:5]
    return [
        f"{names[i]} chose the {'left' if left[i] > right[i] else 'right'} column in "
        f"{max(left[i], right[i])} of {both[i]} votes, and no column says which image was shown "
        "first."
        for i in most.tolist()
    ]


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
    bad = int(pc.sum(pc.equal(choice, BOTH_BAD)).as_py() or 0)
    counts = (("ties", ties), (BOTH_BAD, bad), ("votes_without_answer", choice.null_count))
    for name, count in counts:
        if count:
            facts[name] = count
    repeated = int(pc.sum(pc.greater(columns["sample"], 0)).as_py() or 0)
    if repeated and raters != [UNNAMED]:
        facts["repeated_votes"] = repeated
    return facts
