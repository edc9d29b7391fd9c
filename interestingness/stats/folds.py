"""Folds of pairs that share no image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray


def image_disjoint_folds(
    left: ArrayLike, right: ArrayLike, *, folds: int, repeats: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Training and test pairs without a common image.

    Images, not pairs, are assigned to ``folds`` groups. A fold tests on the pairs inside one group
    and trains on the pairs without an image of it; other pairs are not used. A round tests about
    ``1 / folds`` of the pairs, hence the repeats with other groups.

    Args:
        left: row of each pair's left image, shape (pairs,).
        right: row of the right image, shape (pairs,).
        folds: groups of images, 2 or more.
        repeats: rounds.
        seed: of the assignment, which depends on the images present, not on their order in pairs.

    Yields:
        Rows of training pairs and rows of test pairs, both not empty.
    """
    both = np.concatenate([np.asarray(left).reshape(-1), np.asarray(right).reshape(-1)])
    images, row = np.unique(both, return_inverse=True)
    one, other = row[: len(row) // 2], row[len(row) // 2 :]
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        group = rng.permutation(len(images)) % folds
        for fold in range(folds):
            inside = (group[one] == fold).astype(np.int64) + (group[other] == fold)
            train, test = np.flatnonzero(inside == 0), np.flatnonzero(inside == 2)
            if len(train) and len(test):
                yield train, test
