"""Basic types: sides and pairs of images, and what a preference is.

A *preference* is the probability that the **left** image of a pair is preferred, in [0, 1]; 0.5 is
a tie and NaN means that nothing is known. Sides are not presentation order: ``left < right`` by
image id, whichever was shown first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError

FORMAT_VERSION = 1
DEFAULT_QUESTION = "interesting"
TIE = 0.5

Array = NDArray[np.float64]
"""An array of floating-point numbers of any shape."""


class Side(StrEnum):
    """A side of a pair: left or right."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images in canonical order."""

    pair_id: str
    left: str
    right: str

    @classmethod
    def of(cls, one: str, other: str) -> Pair:
        """Make the pair of two image ids given in any order.

        Raises:
            DataError: if both ids are the same.
        """
        if one == other:
            raise DataError(
                f"a pair of image {one!r} with itself",
                expected="two different images",
                todo="remove the row",
            )
        left, right = sorted((one, other))
        return cls(pair_id(left, right), left, right)


def pair_key(left: str, right: str) -> int:
    """Return the 64-bit identity of a pair; the caller ensures ``left < right``."""
    digest = hashlib.blake2b(f"{left}\0{right}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def pair_id(left: str, right: str) -> str:
    """Return the pair's name in tables and shards: 16 hexadecimal digits."""
    return f"{pair_key(left, right):016x}"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Many pairs as columns; compact enough for millions of pairs.

    Attributes:
        image_ids: distinct image ids, shape (images,), dtype object.
        left: row of the left image in ``image_ids``, shape (pairs,), int32.
        right: row of the right image, shape (pairs,), int32.
        key: 64-bit pair identities, shape (pairs,), uint64; ``pair_id`` is their hexadecimal form.
    """

    image_ids: NDArray[np.object_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    key: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.key)

    @classmethod
    def from_ids(
        cls, one: Sequence[str], other: Sequence[str], image_ids: Iterable[str] | None = None
    ) -> tuple[Pairs, NDArray[np.int64], NDArray[np.bool_]]:
        """Build canonical, distinct pairs from two columns of image ids in any order.

        Args:
            one, other: image ids, equal length.
            image_ids: the image vocabulary (kept as it is); None takes the ids that occur, sorted.

        Returns:
            The pairs in order of first appearance; for every input row, the row of its pair,
            shape (rows,); and whether the input had the pair the other way round, shape (rows,).

        Raises:
            DataError: for a pair of an image with itself, or an id outside ``image_ids``.
        """
        vocabulary = sorted(set(one) | set(other)) if image_ids is None else list(image_ids)
        row_of = {name: row for row, name in enumerate(vocabulary)}
        rows = np.array([[row_of.get(name, -1) for name in side] for side in (one, other)])
        rows = rows.reshape(2, len(one))
        wrong = (rows[0] == rows[1]) | (rows < 0).any(axis=0)
        if wrong.any():
            at = int(np.argmax(wrong))
            if one[at] == other[at]:
                raise DataError(
                    f"row {at}: a pair of image {one[at]!r} with itself",
                    expected="two different images",
                    todo="remove the row",
                )
            missing = one[at] if one[at] not in row_of else other[at]
            raise DataError(
                f"row {at}: pair names image {missing!r}, which is not in the image table",
                expected=f"one of {len(vocabulary)} known image ids",
                todo="correct the id or add the image",
            )
        return cls.from_rows(rows[0], rows[1], vocabulary)

    @classmethod
    def from_rows(
        cls, one: NDArray[np.integer], other: NDArray[np.integer], image_ids: Sequence[str]
    ) -> tuple[Pairs, NDArray[np.int64], NDArray[np.bool_]]:
        """Do the same as ``from_ids`` from rows of the vocabulary; no pair may repeat a row.

        Args:
            one, other: rows of ``image_ids``, shape (rows,).
            image_ids: distinct image ids.
        """
        names = np.empty(len(image_ids), dtype=object)
        names[:] = image_ids
        rank = np.empty(len(names), dtype=np.int64)
        rank[np.argsort(names, kind="stable")] = np.arange(len(names))
        one, other = one.astype(np.int64), other.astype(np.int64)
        swapped = rank[one] > rank[other]
        left, right = np.where(swapped, other, one), np.where(swapped, one, other)
        _, first, inverse = np.unique(
            left * len(names) + right, return_index=True, return_inverse=True
        )
        order = np.argsort(first)  # order distinct pairs by the row where they occur first
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        left, right = left[first[order]], right[first[order]]
        ids = zip(names[left].tolist(), names[right].tolist(), strict=True)
        keys = np.fromiter((pair_key(a, b) for a, b in ids), np.uint64, len(left))
        pairs = cls(names, left.astype(np.int32), right.astype(np.int32), keys)
        return pairs, place[inverse], swapped

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.integer] | slice) -> Pairs:
        """Select pairs; the image vocabulary stays the same."""
        return Pairs(self.image_ids, self.left[rows], self.right[rows], self.key[rows])

    def pair(self, row: int) -> Pair:
        """Return one pair as a record."""
        left, right = self.image_ids[self.left[row]], self.image_ids[self.right[row]]
        return Pair(f"{int(self.key[row]):016x}", str(left), str(right))

    @property
    def pair_ids(self) -> list[str]:
        """Return hexadecimal pair ids, in order."""
        return [f"{key:016x}" for key in self.key.tolist()]

    def images_used(self) -> NDArray[np.int32]:
        """Return the rows of the distinct images that occur, ascending."""
        return np.unique(np.concatenate([self.left, self.right]))

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the row of each key, -1 where the pair is unknown, shape of ``keys``."""
        return lookup(self.key, keys, order=self._order)

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        """Return rows in ascending order of the keys."""
        return np.argsort(self.key, kind="stable")


def lookup(
    known: NDArray[np.uint64],
    wanted: NDArray[np.uint64],
    *,
    order: NDArray[np.intp] | None = None,
) -> NDArray[np.int64]:
    """Return the position of each wanted key among distinct known keys, or -1.

    Args:
        known: distinct keys.
        wanted: keys to look up.
        order: indices that sort ``known``; None computes them.
    """
    if len(known) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(known, kind="stable") if order is None else order
    at = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    rows = order[at]
    return np.where(known[rows] == wanted, rows, -1).astype(np.int64)
