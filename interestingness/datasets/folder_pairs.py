"""Choose the pairs of a folder of images: those of a table, or random ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interestingness.datasets.pair_files import PairRows
from interestingness.datasets.pairing import random_pairs_within, shared_rater_pairs
from interestingness.datasets.rating_files import Ratings
from interestingness.datasets.score_files import ImageColumns
from interestingness.errors import DataError
from interestingness.schema import Pairs
from interestingness.tables.image_names import ImageNames

TO_VOTE_ON = 10
"""Random pairs of each image, where every answer costs time or money."""
PAIRS_OF_NUMBERS = 400_000
"""Random pairs in all, where numbers label them."""


def choose_pairs(
    names: ImageNames,
    rows: Mapping[str, PairRows],
    rated: Ratings | None,
    scores: ImageColumns | None,
    starred: NDArray[np.int64] | None,
    *,
    group: NDArray[np.int64] | None,
    pairs_per_image: int | None,
    seed: int,
) -> tuple[Pairs, str]:
    """Take the pairs of a table, or draw random ones, and say which.

    Args:
        names: the images.
        rows: tables of pairs and of votes, where there are any.
        rated: ratings, whose raters can compare what they rated.
        scores: scores, without which an image is of no use.
        starred: rows of images with stars; None where stars are not read.
        group: of each image, -1 for none, shape (images,); random pairs are drawn inside groups.
            None draws them from all.
        pairs_per_image: random pairs that each image is in; None is ``TO_VOTE_ON`` or, where
            numbers label them at no cost, ``enough_of_numbers``.
        seed: of random pairs.

    Raises:
        DataError: if there is nothing to pair.
    """
    for kind in ("pairs", "votes"):
        if kind in rows:
            return rows[kind].pairs, f"the table dataset.{kind}"
    if rated is not None:
        once = rated.mean_of_repeats()
        rater, image = once.rater, once.image
        if group is not None:  # the ratings of one rater inside one group
            kept = group[image] >= 0
            rater, image = rater[kept] * (group.max() + 1) + group[image[kept]], image[kept]
        degree = pairs_per_image or TO_VOTE_ON
        drawn = shared_rater_pairs(rater, image, len(names), degree, seed=seed)
        origin = "random pairs of images that share a rater"
        if not len(drawn):
            raise DataError(
                "dataset.ratings: no rater has rated two images",
                expected="raters with several ratings each",
                todo="check that the right column names the rater: dataset.columns.rater=…",
            )
    else:
        usable = np.arange(len(names))
        origin = "random pairs of all images"
        if starred is not None and scores is None:
            usable, origin = starred, "random pairs of images with stars"
        if scores is not None:
            known = [np.isfinite(scores.columns[name]) for name in scores.scores]
            usable = np.flatnonzero(np.any(known, axis=0))
            origin = "random pairs of images with a score"
            if len(usable) < 2:
                raise DataError(
                    f"{scores.table.path}: {len(usable)} of {len(names)} images have a score",
                    expected="scores for at least two images",
                    todo="add scores",
                )
        numbers = scores is not None or starred is not None
        degree = enough_of_numbers(len(usable)) if numbers else TO_VOTE_ON
        drawn = random_pairs_within(usable, group, pairs_per_image or degree, seed=seed)
    ids = np.asarray(names.image_ids, dtype=object)
    one, other = ids[drawn[:, 0]].tolist(), ids[drawn[:, 1]].tolist()
    return Pairs.from_ids(one, other, names.image_ids)[0], origin


def enough_of_numbers(images: int) -> int:
    """Pairs of each image beyond which more add nothing to a linear head (docs/results.md).

    80 for small sets, fewer for large ones, which hold enough pairs anyway, never below 10.
    """
    return int(np.clip(2 * PAIRS_OF_NUMBERS // max(images, 1), TO_VOTE_ON, 80))


def inside_groups(pairs: Pairs, group: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Find the pairs of two images of one group.

    Raises:
        DataError: if there is none.
    """
    left, right = group[pairs.left], group[pairs.right]
    inside: NDArray[np.bool_] = (left >= 0) & (left == right)
    if not inside.any():
        raise DataError(
            f"none of {len(pairs)} pairs is of two images of one group",
            expected="pairs inside groups",
            todo="choose another column: dataset.pairs_within=…; or leave it out",
        )
    return inside


def starred_images(stars: NDArray[np.float64], folder: Path) -> NDArray[np.int64]:
    """Return rows of images with stars, if the stars are of any use."""
    rows = np.flatnonzero(~np.isnan(stars))
    if len(np.unique(stars[rows])) < 2:
        raise DataError(
            f"{folder}: {len(rows)} of {len(stars)} images carry stars, and not two that differ",
            expected="photographs rated in Lightroom, darktable, digiKam, a camera, …",
            todo="write the ratings to files or sidecars there, or leave out dataset.stars",
        )
    return rows
