"""Read cells that say which of a row's two images was chosen, or shown first."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.datasets.vote_columns import SIDES, side_word
from interestingness.errors import ConfigError, DataError
from interestingness.schema import Pairs
from interestingness.tables.image_names import ImageNames, KeyedNames
from interestingness.tables.table_format import BOTH_BAD
from interestingness.tables.user_tables import MISSING, TextTable

WORDS = ("left", "right", "tie", "first", "second", BOTH_BAD)
"""What a cell may say, beside the name of an image."""
LEFT, RIGHT, TIE, FIRST, SECOND, BAD = range(len(WORDS))
NONE, UNCLEAR = len(WORDS), len(WORDS) + 1
OPPOSITE = np.array([RIGHT, LEFT, TIE, FIRST, SECOND, BAD, NONE])

TIES = (
    "tied", "draw", "equal", "same", "no preference", "no difference", "both", "both good",
)  # fmt: skip
BADS = ("tie (bothbad)", "both bad", "bothbad", "both are bad")
"""Neither image is good: an answer, but no tie, which says that they are alike."""
SKIPS = ("skip", "skipped", "pass", "no answer", "no response", "unanswered")
"""Spaces may be underscores. ``neither`` and ``unsure`` may mean either: the user says it."""
_ARROWS = {"arrowleft": LEFT, "arrowright": RIGHT}
_FILLERS = re.compile(
    r"(?<![a-z])(the|is|better|wins|assistant|response|answer)(?![a-z])|\.0$", re.IGNORECASE
)
"""What stands beside a side's word without another meaning: ``A is better``, ``1.0``."""
_UNMARKED = re.compile(r"[\s'\"(\[]*[^\W_][\w\s.#:-]*(?<![-+\s#])[\s'\")\].,:;]*")
"""Words without a mark that changes what they say, as in ``-1``, ``A+``, ``B?``, ``!A``."""
_SIGNED = re.compile(r"[-+]\d")
MINUS = str.maketrans("\N{MINUS SIGN}", "-")


@dataclass(frozen=True, eq=False)
class Said:
    """What the cells of a column say.

    Attributes:
        code: of each row: an index into ``WORDS``, ``NONE`` or ``UNCLEAR``, shape (rows,).
        unclear: distinct cells that are not understood, in order of appearance.
        guessed: what other words were taken for, by word.
    """

    code: NDArray[np.int64]
    unclear: tuple[str, ...] = ()
    guessed: Mapping[str, str] = field(default_factory=dict)


def check_choices(given: Mapping[str, str | None] | None) -> dict[str, int]:
    """Return the user's ``dataset.choices`` as codes by cell, in lower case.

    Raises:
        ConfigError: for a meaning that does not exist.
    """
    meanings = {**{word: code for code, word in enumerate(WORDS)}, "skip": NONE}
    codes = {}
    for cell, meaning in (given or {}).items():
        word = "skip" if meaning is None else str(meaning).casefold()
        if word not in meanings:
            raise ConfigError(
                f"dataset.choices.{cell}={meaning}",
                expected=f"one of {', '.join(meanings)}",
                todo="correct the option",
            )
        codes[as_key(str(cell)).casefold()] = meanings[word]
    return codes


def as_key(cell: str) -> str:
    """Return a cell as it can stand in the name of an option: ``tie (both)`` is ``tieboth``."""
    return re.sub(r"\.0$|[^\w+-]|^\+(?=\d)", "", cell.translate(MINUS))


class SideReader:
    """Reads cells about the two images of each row."""

    def __init__(
        self,
        table: TextTable,
        sides: Mapping[str, str],
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        names: ImageNames | KeyedNames,
        given: Mapping[str, int],
    ) -> None:
        """Store what the cells are about.

        Args:
            table: the rows to read.
            sides: the columns of the left and the right image.
            left: row of the left image in ``names``, shape (rows,).
            right: of the right image.
            names: the images.
            given: codes of the user's own words, from ``check_choices``.
        """
        self.table, self.left, self.right = table, left, right
        self.names, self.given = names, given
        self.own: dict[str, int] = {}
        for side, code in (("left", LEFT), ("right", RIGHT)):
            self.own[sides[side].casefold()] = code
            if word := side_word(sides[side])[0]:
                self.own[word] = code

    def read(self, column: str, words: Sequence[str]) -> Said:
        """Read a column.

        A cell is one of the user's words, one of ``words``, the name of one of the row's images, or
        another usual word. Words such as ``1`` that are also names of images are names where every
        cell can be one.

        Args:
            column: of the table.
            words: of ours that a cell may hold; the first ones of ``WORDS``.
        """
        coded = self.table.columns[column].dictionary_encode()
        cells = [_unwrapped(cell) for cell in coded.dictionary.to_pylist()]
        at = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
        certain = self._certain(cells, words)
        usual = self._usual(cells)
        code = np.asarray([*certain, NONE], dtype=np.int64)[at]
        image = np.append(self.names.rows(cells), -1)[at]
        named = np.full(len(code), UNCLEAR)
        known = image >= 0
        named[known & (image == self.left)] = LEFT
        named[known & (image == self.right)] = RIGHT
        word = np.asarray([*usual, NONE], dtype=np.int64)[at]
        open_ = code == UNCLEAR
        some = open_ & (word != UNCLEAR)
        if (named[some] != UNCLEAR).all():
            word[:] = UNCLEAR
        code[open_] = np.where(word != UNCLEAR, word, named)[open_]
        used = {cells[i] for i in np.unique(at[open_ & (word != UNCLEAR)]).tolist()}
        texts = [*WORDS, "no answer"]
        guessed = {c: texts[u] for c, u in zip(cells, usual, strict=True) if c in used}
        strange = dict.fromkeys(cells[i] for i in at[code == UNCLEAR].tolist())
        return Said(code, tuple(strange), guessed)

    def _certain(self, cells: Sequence[str], words: Sequence[str]) -> list[int]:
        """Return what the user's words and ours mean, and missing values."""
        texts = [cell.casefold() for cell in cells]
        meant = {text: code for code, text in enumerate(words)} | dict.fromkeys(MISSING, NONE)
        codes = []
        for text in texts:
            key = as_key(text)
            if text != key and key in texts:  # B? beside B, which the option means
                key = text
            codes.append(self.given.get(key, meant.get(text, UNCLEAR)))
        return codes

    def _usual(self, cells: Sequence[str]) -> list[int]:
        """Return what each cell means if it is one of the words that are usual elsewhere."""
        words = [
            side_word(_FILLERS.sub("", cell))[0] if _UNMARKED.fullmatch(cell) else ""
            for cell in cells
        ]
        numbers = {word for word in words if word.isdigit()}
        one, other = ("1", "2") if "2" in numbers else ("0", "1")
        placed = {one: LEFT, other: RIGHT}
        signed = any(_SIGNED.match(cell.translate(MINUS)) for cell in cells)  # -1, 0, 1: a scale
        if signed or numbers in ({"1"}, {"0", "1", "2"}):  # 0 and 1, or 1 and 2? no cell tells
            placed = {}
        for pair in SIDES[:3]:
            placed |= {pair[0]: LEFT, pair[1]: RIGHT}
        placed |= _ARROWS | self.own
        codes = []
        for cell, word in zip(cells, words, strict=True):
            text = cell.casefold()
            code = self.own.get(text, placed.get(word, placed.get(text, UNCLEAR)))
            spaced = text.replace("_", " ")
            if spaced in TIES:
                code = TIE
            elif spaced in BADS:
                code = BAD
            elif spaced in SKIPS:
                code = NONE
            codes.append(code)
        return codes

    def check(self, said: Said, column: str, words: Sequence[str]) -> None:
        """Refuse cells that are not understood.

        Raises:
            DataError: naming them.
        """
        rows = said.code == UNCLEAR
        if not rows.any():
            return
        count = int(rows.sum())
        cells = "1 cell" if count == 1 else f"{count} cells"
        shown = ", ".join(repr(cell) for cell in said.unclear[:3])
        raise DataError(
            f"{self.table.path}: {cells} of column {column!r} cannot be understood: {shown} "
            f"({self.table.lines(rows)})",
            expected=f"{', '.join(words)}, the name of one of the row's two images, a usual word "
            "such as A, draw or skip, or an empty cell",
            todo=self._todo(said.unclear),
        )

    def _todo(self, unclear: Sequence[str]) -> str:
        if any(cell[:1] == "[" and "," in cell for cell in unclear):
            return "keep one answer in each cell (PsychoPy: store the first or the last key only)"
        option = (self.table.columns_option or "").removesuffix("columns")
        keys = list(dict.fromkeys(map(as_key, unclear)))
        said = " ".join(f"{option}choices.{key}=…" for key in keys[:5] if key)
        more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
        meanings = "left, right, tie, first, second, both_bad or skip"
        return f"correct the cells, or say what they mean ({meanings}): {said or 'WORD=…'}{more}"


def _unwrapped(cell: str) -> str:
    """Return what a cell of JSON or of a Python list says, where that is one thing.

    Label Studio's ``[{"selected": "left"}]`` is ``left``, as MTurk's
    ``[{"choice": {"left": true, "right": false}}]``; PsychoPy's ``['image_left']`` is
    ``image_left``.
    """
    if cell[:1] not in ("[", "{"):
        return cell
    for text in (cell, cell.replace("'", '"')):
        with contextlib.suppress(ValueError, RecursionError):
            leaves = list(_leaves("", json.loads(text)))
            said = [value for name, value in leaves if name == "selected"]
            said = said or [name for name, value in leaves if value is True]
            said = said or [value for _, value in leaves if isinstance(value, str)]
            if len(set(map(str, said))) < 2:
                return str(said[0]) if said else ""
    return cell


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values that are no list or object, each with the key before it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(name, inner)
    else:
        yield name, value


def read_sides(
    table: TextTable,
    sides: Mapping[str, str],
    pairs: Pairs,
    pair: NDArray[np.int64],
    swapped: NDArray[np.bool_],
    names: ImageNames | KeyedNames,
    given: Mapping[str, int],
) -> SideReader:
    """Return the reader for rows that were brought into canonical order."""
    left, right = pairs.left[pair], pairs.right[pair]
    return SideReader(
        table,
        sides,
        np.where(swapped, right, left),
        np.where(swapped, left, right),
        names,
        given,
    )
