"""Match names of images in users' tables to image files."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.tables.spellings import match_spellings, merge_spellings
from interestingness.tables.user_tables import TextTable

COLUMNS = ("image", "image_id", "file", "filename", "file_name", "path")
"""Under these names a column that names images is looked for, best first."""

ON_MISSING = ("error", "skip")


class ImageNames:
    """Finds the row of an image by its name.

    A name is the file's path below the image folder. A path that begins with the folder itself
    (``photos/a.jpg`` for ``dataset.images=photos``), backslashes and a bare file name that only one
    image has are understood as well. ``reading`` adds the other spellings of one table.
    """

    def __init__(self, image_ids: Sequence[str], root: Path) -> None:
        """Index the ids.

        Args:
            image_ids: distinct ids; rows count from 0 in this order.
            root: absolute folder that the ids are relative to.
        """
        self.image_ids = list(image_ids)
        self.root = root
        self._doubt: Mapping[str, str] = {}
        self._spelled: Mapping[str, int] = {}
        self._row = {name: row for row, name in enumerate(self.image_ids)}
        self._bare: dict[str, int] = {}
        for row, name in enumerate(self.image_ids):
            bare = name.rpartition("/")[2]
            self._bare[bare] = -1 if bare in self._bare else row

    @classmethod
    def of_tables(
        cls, rows: Sequence[tuple[pa.Array, pa.Array]], fixed: Collection[str] = ()
    ) -> tuple[ImageNames, tuple[str, ...]]:
        """Make the names of images of which nothing is known but tables of pairs.

        Args:
            rows: the columns left and right of each table.
            fixed: images of prepared data sets, which keep their ids.
        """
        apart: list[tuple[str, str]] = []
        for left, right in rows:
            both = pa.table({"left": left, "right": right}).drop_null()
            both = both.group_by(["left", "right"]).aggregate([])
            apart += zip(both["left"].to_pylist(), both["right"].to_pylist(), strict=True)
        names = {cell for two in rows for side in two for cell in pc.unique(side).to_pylist()}
        merged = merge_spellings(names - {None}, apart=apart, fixed=fixed)
        made = cls(sorted(set(merged.image.values())), Path.cwd())
        made._spelled = {name: made._row[image] for name, image in merged.image.items()}
        return made, merged.notes

    def reading(self, *columns: pa.Array) -> tuple[ImageNames, tuple[str, ...]]:
        """Learn how a table spells images; see ``match_spellings``.

        Args:
            columns: its columns that name images.

        Returns:
            Names that understand it, and notes for the user on what was guessed.
        """
        if self._spelled:
            return self, ()
        names = {cell for column in columns for cell in pc.unique(column).to_pylist() if cell}
        row = {name: self.row(name) for name in sorted(names)}
        lost = [name for name, at in row.items() if at < 0]
        read = copy(self)
        read._spelled = row
        notes: tuple[str, ...] = ()
        if lost:
            settled = [name for name, at in row.items() if at >= 0]
            matched = match_spellings(lost, self.image_ids, self.root.as_posix(), settled)
            read._spelled, read._doubt = row | dict(matched.row), matched.doubt
            notes = matched.notes
        return read, notes

    def __len__(self) -> int:
        return len(self.image_ids)

    def row(self, name: str) -> int:
        """Return the row of the image, or -1."""
        if name in self._spelled:
            return self._spelled[name]
        name = unicodedata.normalize("NFC", name)
        if name in self._row:
            return self._row[name]
        name = os.path.normpath(name.replace("\\", "/")).replace(os.sep, "/")
        if name in self._row:
            return self._row[name]
        absolute = Path(os.path.abspath(name)).as_posix()
        for path, folder in ((absolute, self.root.as_posix()), (name, self.root.name)):
            if path.startswith(f"{folder}/") and path[len(folder) + 1 :] in self._row:
                return self._row[path[len(folder) + 1 :]]
        return self._bare.get(name, -1)

    def rows(self, names: Iterable[str | None]) -> NDArray[np.int64]:
        """Return rows of many images, -1 where a name is empty or unknown."""
        found = [-1 if name is None else self.row(name) for name in names]
        return np.asarray(found, dtype=np.int64)

    def doubt(self, name: str) -> str | None:
        """Say why a name was not taken for an image that it might mean."""
        return self._doubt.get(name)

    def guess(self, name: str) -> str | None:
        """Suggest an image with other letter case, another extension or a similar name."""
        name = unicodedata.normalize("NFC", name).replace("\\", "/")
        same_bare = PurePosixPath(name).name.casefold()
        tests: tuple[Callable[[str], bool], ...] = (
            lambda i: i.casefold() == name.casefold(),
            lambda i: _stem(i) == _stem(name),
            lambda i: PurePosixPath(i).name.casefold() == same_bare,
            lambda i: _stem(PurePosixPath(i).name) == _stem(same_bare),
        )
        for test in tests:
            for image_id in self.image_ids:
                if test(image_id):
                    return image_id
        few = self.image_ids[:20_000]
        return next(iter(difflib.get_close_matches(name, few, n=1, cutoff=0.8)), None)


def rows_of(names: ImageNames | KeyedNames, column: pa.Array) -> NDArray[np.int64]:
    """Return the rows of a column's images, -1 where empty or unknown, shape (rows,).

    Each distinct name is looked up once.
    """
    coded = column.dictionary_encode()
    known = np.append(names.rows(coded.dictionary.to_pylist()), -1)
    found: NDArray[np.int64] = known[pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)]
    return found


def _stem(name: str) -> str:
    # Numbers with a decimal point are not names with an extension, so only real suffixes go.
    path = PurePosixPath(name)
    return str(path.with_suffix("") if path.suffix[1:].isalnum() else path).casefold()


def keyed(names: ImageNames, table: TextTable, key: str, rows: NDArray[np.int64]) -> KeyedNames:
    """Look up images by another key (e.g. a number), a column of a table with one row per image.

    Raises:
        DataError: if a key is given to two images.
    """
    row_of: dict[str, int] = {}
    for cell, row in zip(table.cells(key), rows.tolist(), strict=True):
        if cell is None:
            continue
        cell = _plain_number(cell)
        if row_of.setdefault(cell, row) != row:
            raise DataError(
                f"{table.path}: {key} {cell!r} names two images",
                expected=f"another {key} for each image",
                todo="correct the table, or choose another dataset.image_key",
            )
    return KeyedNames(names, key, row_of)


class KeyedNames:
    """Finds the row of an image by a key of its own; the counterpart of ``ImageNames``."""

    def __init__(self, names: ImageNames, key: str, row_of: Mapping[str, int]) -> None:
        """Store the map.

        Args:
            names: the images.
            key: name of the key's column.
            row_of: row of the image by key; -1 for a known key whose image is absent.
        """
        self.image_ids = names.image_ids
        self.key = key
        self._row_of = row_of

    def __len__(self) -> int:
        return len(self.image_ids)

    def rows(self, names: Iterable[str | None]) -> NDArray[np.int64]:
        """Rows of many images, -1 where a key is empty, unknown or of an absent image."""
        found = [self._row_of.get(_plain_number(n), -1) if n else -1 for n in names]
        return np.asarray(found, dtype=np.int64)

    def reading(self, *columns: pa.Array) -> tuple[KeyedNames, tuple[str, ...]]:
        """Keys are not guessed."""
        return self, ()

    def doubt(self, name: str) -> None:
        """Keys are not guessed."""

    def guess(self, name: str) -> None:
        """Keys are not guessed."""


def _plain_number(key: str) -> str:
    # A column of whole numbers that once had an empty cell is often saved as 4.0.
    return key[:-2] if key.endswith(".0") and key[:-2].isdigit() else key


def missing_images(
    names: ImageNames | KeyedNames,
    table: TextTable,
    columns: Mapping[str, str],
    rows: Sequence[NDArray[np.int64]],
    on_missing: str,
) -> NDArray[np.bool_]:
    """Find rows of a table that name absent images.

    Args:
        names: the names that the columns were looked up in.
        table: the user's table.
        columns: the columns that hold images, by what they mean (image, left, right).
        rows: what ``rows_of`` gave for each.
        on_missing: "error", or "skip" to leave such rows out (the caller counts them).

    Returns:
        Mask of rows to leave out, shape (rows of the table,).

    Raises:
        DataError: if there are any and ``on_missing`` is "error"; if nothing would be left; if a
            cell is empty.
    """
    absent = np.zeros(len(table), dtype=bool)
    strange: dict[str, None] = {}
    for column, at in zip(columns.values(), rows, strict=True):
        empty = ~np.asarray(table.columns[column].is_valid())
        if empty.any():
            raise DataError(
                f"{table.path}: column {column!r} names no image in {int(empty.sum())} of "
                f"{len(table)} rows: an empty cell, or one such as NA ({table.lines(empty)})",
                expected="an image in every row",
                todo="fill the cells, or leave such rows out with "
                f"{(table.columns_option or '').removesuffix('columns')}on_missing=skip",
            )
        absent |= at < 0
        strange.update(dict.fromkeys(pc.unique(table.columns[column].filter(at < 0)).to_pylist()))
    if not absent.any() or (on_missing == "skip" and not absent.all()):
        return absent
    listed = [_described(names, name) for name in list(strange)[:3]]
    more = ", …" if len(strange) > 3 else ""
    raise DataError(
        f"{table.path}: {int(absent.sum())} of {len(table)} rows name images that are not there "
        f"({len(strange)} images): {', '.join(listed)}{more}",
        expected=_expected(names),
        todo=_todo(names, table, columns, bool(absent.all())),
    )


def _described(names: ImageNames | KeyedNames, name: str) -> str:
    doubt = names.doubt(name)
    guess = None if doubt else names.guess(name)
    told = doubt or (f"did you mean {guess!r}?" if guess else "")
    return f"{name!r}" + (f" ({told})" if told else "")


def _expected(names: ImageNames | KeyedNames) -> str:
    if isinstance(names, KeyedNames):
        return f"values of the column {names.key!r} whose images are in dataset.images"
    return f"names of the {len(names)} images below {names.root}, such as {names.image_ids[0]!r}"


def _todo(
    names: ImageNames | KeyedNames,
    table: TextTable,
    columns: Mapping[str, str],
    all_absent: bool,
) -> str:
    if not all_absent:
        return "correct the names or add the images; dataset.on_missing=skip leaves such rows out"
    if isinstance(names, KeyedNames):
        return "choose another dataset.image_key"
    for other in table.columns:
        if other not in columns.values() and (rows_of(names, table.columns[other]) >= 0).any():
            meaning = next(iter(columns))
            return f"column {other!r} holds names of images: dataset.columns.{meaning}={other}"
    return "check that dataset.images and the table belong together"
