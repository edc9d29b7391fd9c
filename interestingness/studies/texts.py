"""Read texts about images: descriptions in the image table, reasons in the vote table."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.datasets.image_texts import OBTAINING, WRITTEN, written_descriptions
from interestingness.errors import DataError, LabelError
from interestingness.labels.votes import VoteSource
from interestingness.tables.tables import Tables, keys_of

LONGEST = 2000
"""Characters of a text that are read; a reason is a sentence or two."""


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts about images. They are untrusted: code that shows them must escape them.

    Attributes:
        text: clean and not empty, shape (texts,).
        image: row of the image that is described, or that the reason speaks for, shape (texts,).
        pair: row of the pair that the reason is about, −1 for a description, shape (texts,).
        empty: how many had nothing to read and were left out.
        what: a phrase for people: where they come from.
    """

    text: tuple[str, ...]
    image: NDArray[np.int64]
    pair: NDArray[np.int64]
    empty: int
    what: str

    def __len__(self) -> int:
        return len(self.text)

    @property
    def distinct(self) -> int:
        """Count the different texts."""
        return len(set(self.text))

    def __getitem__(self, rows: NDArray[np.integer]) -> Texts:
        """Select some of the texts."""
        text = tuple(self.text[row] for row in rows.tolist())
        return Texts(text, self.image[rows], self.pair[rows], self.empty, self.what)


def clean(text: object) -> str:
    """Put a text on one line: normalised, without control characters, of bounded length.

    Markup stays as it is: code that shows it must escape it.
    """
    normal = unicodedata.normalize("NFC", str(text))
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in normal)
    return " ".join(kept.split())[:LONGEST]


def descriptions(tables: Tables, columns: Sequence[str]) -> Texts:
    """Read one text an image, of columns of the image table.

    Where the image table has no column ``description``, descriptions that a model was asked for
    (table ``texts``) take its place.

    Args:
        tables: the prepared data set.
        columns: their cells are joined by a space; empty cells are left out.

    Raises:
        DataError: if there is no such column, or all its cells are empty.
    """
    have = tables.images.column_names
    written = {} if WRITTEN in have else written_descriptions(tables).texts
    absent = [name for name in columns if name not in have and not (name == WRITTEN and written)]
    if absent or not columns:
        own = [name for name in have if name not in ("image_id", "path", "sha256")]
        raise DataError(
            f"the image table has no column {', '.join(absent) or '(none named)'}",
            expected="columns with words about each image"
            + (f"; it has {', '.join(own)}" if own else ", and it has none"),
            todo="study.columns=[…]; with dataset=folder, columns of dataset.groups or "
            f"dataset.scores; or study.of=reasons, or study.of=images; {OBTAINING}",
        )
    cells = [
        tables.images[name].to_pylist()
        if name in have
        else [written.get(image_id) for image_id in tables.image_ids.tolist()]
        for name in columns
    ]
    joined = [
        clean(" ".join(str(cell) for cell in row if cell is not None))
        for row in zip(*cells, strict=True)
    ]
    rows = np.array([row for row, text in enumerate(joined) if text], dtype=np.int64)
    if not len(rows):
        raise DataError(
            f"{', '.join(columns)}: empty for all {len(joined)} images",
            expected="words about the images",
            todo="name other columns: study.columns=[…]",
        )
    return Texts(
        tuple(joined[row] for row in rows.tolist()),
        rows,
        np.full(len(rows), -1, dtype=np.int64),
        len(joined) - len(rows),
        "descriptions that a model wrote"
        if WRITTEN in columns and written
        else f"{' and '.join(columns)} of the image table",
    )


def reasons(tables: Tables, source: VoteSource) -> Texts:
    """Read the reasons of a source's votes, each for the image that it supports.

    Args:
        tables: the prepared data set.
        source: whose votes; ties and refusals choose no image and are left out.

    Raises:
        LabelError: if none of its votes has a reason.
    """
    votes = tables.vote_table
    mask = pc.and_(
        pc.equal(votes["question"], source.question),
        pc.is_in(votes["choice"], value_set=pa.array(["left", "right"])),
    )
    votes = votes.filter(mask)
    who = pa.array(source_raters(source), pa.string())
    votes = votes.filter(pc.is_in(votes["rater_id"], value_set=who))
    if source.kind != "any":
        votes = votes.filter(pc.equal(votes["rater_kind"], source.kind))
    text = [clean("" if cell is None else cell) for cell in votes["reason"].to_pylist()]
    rows = np.array([row for row, one in enumerate(text) if one], dtype=np.int64)
    if not len(rows):
        raise LabelError(
            f"none of the {len(text):,} votes of {source.name!r} that choose an image has a reason",
            expected="a column `reason` in the vote table",
            todo="study.of=descriptions or study.of=images; or votes with reasons "
            "(interestingness annotate asks for them)",
        )
    pairs = tables.pairs
    pair = pairs.find(keys_of(votes["pair_id"]))[rows]
    chose_left = np.array([cell == "left" for cell in votes["choice"].to_pylist()])[rows]
    return Texts(
        tuple(text[row] for row in rows.tolist()),
        np.where(chose_left, pairs.left[pair], pairs.right[pair]).astype(np.int64),
        pair.astype(np.int64),
        len(text) - len(rows),
        f"reasons of {source.name}",
    )


def source_raters(source: VoteSource) -> list[str]:
    """List the ids of the raters whose votes a source reads."""
    votes = source.tables.votes(question=source.question, raters=source.raters, kind=source.kind)
    return [votes.raters[i] for i in np.unique(votes.rater).tolist()]
