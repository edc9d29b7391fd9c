"""Folds of pairs that share no image."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import NamedTuple

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


class HeldOut(NamedTuple):
    """One fold of ``every_pair_once``.

    Attributes:
        groups: whose images no training pair has; twice the same where one group is held out.
        train, test: rows of pairs; either may be empty.
    """

    groups: tuple[int, int]
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def every_pair_once(left: ArrayLike, right: ArrayLike, group: ArrayLike) -> Iterator[HeldOut]:
    """Folds that test every pair exactly once, trained on pairs without an image of its groups.

    For each group, the pairs inside it; for each two groups, the pairs between them.

    Args:
        left: row of each pair's left image, shape (pairs,).
        right: row of the right image, shape (pairs,).
        group: group of each image, from 0, negative for images in no pair, shape (images,).
    """
    of = np.asarray(group)
    one, other = of[np.asarray(left)], of[np.asarray(right)]
    low, high = np.minimum(one, other), np.maximum(one, other)
    for i, j in combinations_with_replacement(range(int(of.max(initial=-1)) + 1), 2):
        test = np.flatnonzero((low == i) & (high == j))
        if i == j or len(test):
            apart = (low != i) & (low != j) & (high != i) & (high != j)
            yield HeldOut((i, j), np.flatnonzero(apart), test)
