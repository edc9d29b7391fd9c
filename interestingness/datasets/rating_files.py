"""Read single ratings (rater, image, number) and derive votes from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interestingness.datasets.table_rows import blank_cells, no_trials, trial_marks, without
from interestingness.datasets.vote_columns import RATER_COLUMNS, ColumnNames, column_of
from interestingness.errors import DataError
from interestingness.schema import Pairs
from interestingness.tables.image_names import (
    COLUMNS,
    ImageNames,
    KeyedNames,
    missing_images,
    rows_of,
)
from interestingness.tables.number_cells import no_number, numbers
from interestingness.tables.user_tables import TextTable

EQUAL_RATINGS = ("drop", "tie")


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of existing images.

    Attributes:
        raters: rater ids, sorted.
        rater: index into ``raters``, shape (ratings,).
        image: row of the image, shape (ratings,).
        value: the rating, finite, shape (ratings,).
        facts: counts to print.
    """

    raters: tuple[str, ...]
    rater: NDArray[np.int64]
    image: NDArray[np.int64]
    value: NDArray[np.float64]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def mean_of_repeats(self) -> Ratings:
        """Return one rating per rater and image, the mean of repeated ones."""
        images = int(self.image.max(initial=0)) + 1
        key, inverse = np.unique(self.rater * images + self.image, return_inverse=True)
        mean = np.bincount(inverse, self.value) / np.bincount(inverse)
        return Ratings(self.raters, key // images, key % images, mean, self.facts)

    def table(self, image_ids: list[str], question: str) -> pa.Table:
        """Return the rating table of the data set; ``sample`` counts repeats."""
        key = self.rater * len(image_ids) + self.image
        order = np.argsort(key, kind="stable")
        _, start, count = np.unique(key[order], return_index=True, return_counts=True)
        sample = np.empty(len(key), dtype=np.int32)
        sample[order] = np.arange(len(key)) - np.repeat(start, count)
        return pa.table(
            {
                "image_id": pa.array(np.asarray(image_ids, dtype=object)[self.image]),
                "rater_id": pa.array(np.asarray(self.raters, dtype=object)[self.rater]),
                "rating": self.value,
                "question": pa.array([question] * len(key), pa.string()),
                "sample": sample,
            }
        )


def read_ratings(
    table: TextTable,
    names: ImageNames | KeyedNames,
    *,
    mapping: ColumnNames,
    on_missing: str,
) -> Ratings:
    """Read a long table of ratings: an image, a rater and a rating in each row.

    Rows marked as practice or the like are left out and counted; with ``on_missing="skip"`` also
    rows without an image or a rater.

    Raises:
        DataError: a missing column, absent images, or ratings that are not numbers.
    """
    key = (names.key,) if isinstance(names, KeyedNames) else ()
    image = table.need("image", (*key, *COLUMNS), mapping)
    rater = column_of(table, "rater", mapping) or table.need("rater", RATER_COLUMNS[:2], mapping)
    rating = table.need("rating", ("rating",), mapping)
    unnamed = table.known(rater).is_null().to_numpy(zero_copy_only=False)
    left_out = no_trials(trial_marks(table, mapping))
    if on_missing == "skip":
        left_out |= {
            "without an image": blank_cells(table, image, names),
            "without a rater": unnamed,
        }
    elif unnamed.any():
        raise DataError(
            f"{table.path}: column {rater!r} is empty in {int(unnamed.sum())} of {len(table)} rows "
            f"({table.lines(unnamed)})",
            expected="a rater in every row",
            todo="fill the cells, or leave such rows out with dataset.on_missing=skip",
        )
    table, facts = without(table, left_out)
    names, guessed = names.reading(table.columns[image])
    if table.notes or guessed:
        facts["notes"] = [*table.notes, *guessed]
    rows = rows_of(names, table.columns[image])
    absent = missing_images(names, table, {"image": image}, [rows], on_missing)
    read = numbers(table, rating)
    if read.strange.any():
        todo = "correct the cells, or name another column: dataset.columns.rating=…"
        raise no_number(table, rating, read, read.strange, todo=todo)
    kept = ~absent & ~read.missing
    if not kept.any():
        raise DataError(
            f"{table.path}: every rating is empty",
            expected=f"numbers in column {rating!r}",
            todo="name another column: dataset.columns.rating=…",
        )
    if absent.any():
        facts["rows_without_image"] = int(absent.sum())
    if (read.missing & ~absent).any():
        facts["rows_without_rating"] = int((read.missing & ~absent).sum())
    cells = np.asarray(table.cells(rater), dtype=object)[kept].astype(str)
    raters, code = np.unique(cells, return_inverse=True)
    facts["raters"] = len(raters)
    return Ratings(
        tuple(raters.tolist()), code.astype(np.int64), rows[kept], read.values[kept], facts
    )


def votes_from_ratings(
    pairs: Pairs,
    ratings: Ratings,
    *,
    votes_per_rater: int | None,
    equal_ratings: str,
    question: str,
    seed: int,
) -> tuple[pa.Table, dict[str, Any]]:
    """Derive votes: a rater of both images of a pair prefers the one rated higher.

    Args:
        pairs: pairs of the rated images.
        ratings: repeated ratings of an image by a rater count as their mean.
        votes_per_rater: most pairs of each rater, chosen at random; None takes all.
        equal_ratings: "drop", or "tie" to count them as ties.
        question: what was rated.
        seed: of the random choice.

    Returns:
        A vote table in canonical order (order shown unknown), and counts to print.
    """
    once = ratings.mean_of_repeats()
    pair, rater, left, right = _both_rated(pairs, once)
    equal = left == right
    facts: dict[str, Any] = {"pairs_rated_alike": int(equal.sum())}
    if equal_ratings == "drop":
        pair, rater, left, right = pair[~equal], rater[~equal], left[~equal], right[~equal]
    if votes_per_rater is not None:
        chosen = _at_most(rater, votes_per_rater, seed)
        pair, rater, left, right = pair[chosen], rater[chosen], left[chosen], right[chosen]
    facts["votes"] = len(pair)
    facts["raters_without_vote"] = len(once.raters) - len(np.unique(rater))
    code = np.sign(left - right).astype(np.int64) + 1
    columns = {
        "pair_id": pa.array(np.asarray(pairs.pair_ids, dtype=object)[pair], pa.string()),
        "rater_id": pa.array(np.asarray(once.raters, dtype=object)[rater], pa.string()),
        "choice": pa.array(np.asarray(["right", "tie", "left"], dtype=object)[code], pa.string()),
        "question": pa.array([question] * len(pair), pa.string()),
        "rater_kind": pa.array(["human"] * len(pair), pa.string()),
        "provenance": pa.array(["from ratings"] * len(pair), pa.string()),
    }
    return pa.table(columns), facts


def _both_rated(
    pairs: Pairs, ratings: Ratings
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return pair row, rater and both ratings where a rater rated both images of a pair."""
    ends = np.concatenate([pairs.left, pairs.right]).astype(np.int64)
    order = np.argsort(ends, kind="stable")
    degree = np.bincount(ends, minlength=len(pairs.image_ids))
    start = np.concatenate([[0], np.cumsum(degree)[:-1]])
    # One row for each pair of each rated image.
    repeats = degree[ratings.image]
    within = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    end = order[np.repeat(start[ratings.image], repeats) + within]
    rater, value = np.repeat(ratings.rater, repeats), np.repeat(ratings.value, repeats)
    pair = end % max(len(pairs), 1)
    key = rater * max(len(pairs), 1) + pair
    # Left images come first, so that the first of two equal keys is the left image.
    sort = np.lexsort((end, key))
    key, pair, rater, value = key[sort], pair[sort], rater[sort], value[sort]
    both = np.flatnonzero(key[:-1] == key[1:])
    return pair[both], rater[both], value[both], value[both + 1]


def _at_most(rater: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Choose rows at random so that no rater has more than ``most``; ascending."""
    shuffled = np.random.default_rng(seed).permutation(len(rater))
    order = shuffled[np.argsort(rater[shuffled], kind="stable")]
    _, start, count = np.unique(rater[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(start, count)
    return np.sort(order[rank < most])
