"""Hierarchical clustering by Ward's rule, cut at a distance or into a number of clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from interestingness.errors import ConfigError, DataError

MOST = 10_000
"""Most rows: Ward's method stores the distances of all pairs of rows (400 MB for this number)."""


def ward_tree(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Merges by Ward's method with Euclidean distances.

    Args:
        vectors: shape (rows, dim); finite.

    Returns:
        scipy's linkage matrix, shape (rows − 1, 4): the two merged, their distance, the size. On
        vectors of length 1 two single rows merge at a distance of at most 2, larger clusters may
        merge at larger distances.

    Raises:
        DataError: for fewer than two rows, more than ``MOST``, or values that are not finite.

    Source:
        Ward 1963, as scipy computes it (Müllner 2011).
    """
    matrix = np.asarray(vectors, dtype=np.float64)
    if not 2 <= len(matrix) <= MOST:
        raise DataError(
            f"{len(matrix)} vectors to cluster",
            expected=f"2 to {MOST}",
            todo="give more texts, or cluster a sample of them",
        )
    if not np.isfinite(matrix).all():
        raise DataError(
            "a vector to cluster is not finite",
            expected="finite numbers for every text or image",
            todo="embed the texts again, or check the features",
        )
    return np.asarray(linkage(matrix, method="ward"))


def cut(
    tree: NDArray[np.float64], *, clusters: int | None = None, distance: float | None = None
) -> NDArray[np.int64]:
    """Cluster of every row, the largest cluster first.

    Args:
        tree: from ``ward_tree``.
        clusters: how many clusters; or
        distance: merges up to and including this distance are kept. Exactly one of both.

    Returns:
        Numbers from 0 by falling size, shape (rows,). There may be fewer clusters than asked for
        where rows are equal.

    Raises:
        ConfigError: if not exactly one rule is given, or it makes no sense.
        DataError: for fewer distinct rows than clusters.
    """
    if (clusters is None) == (distance is None):
        raise ConfigError(
            f"cut into clusters={clusters} and at distance={distance}",
            expected="one of the two",
            todo="set the other to null: study.clusters=18 study.distance=null",
        )
    rows = len(tree) + 1
    if clusters is not None:
        distinct = 1 + int((tree[:, 2] > 0).sum())
        if clusters < 1:
            raise ConfigError(
                f"clusters={clusters}", expected="1 or more", todo="give a number of clusters"
            )
        if clusters > distinct:
            raise DataError(
                f"{clusters} clusters of {distinct} distinct vectors (of {rows})",
                expected="at least as many distinct texts or images as clusters",
                todo=f"study.clusters={max(distinct // 2, 1)}, or more texts",
            )
        label = fcluster(tree, clusters, criterion="maxclust")
    else:
        assert distance is not None
        if not distance >= 0:
            raise ConfigError(
                f"distance={distance}", expected="0 or more", todo="2 is the paper's cut"
            )
        label = fcluster(tree, distance, criterion="distance")
    _, first, inverse, size = np.unique(
        label, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -size))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[inverse]


def typical(
    vectors: NDArray[np.floating], cluster: NDArray[np.int64], number: int
) -> NDArray[np.int64]:
    """Rows of one cluster, those nearest to its mean first, shape (members,)."""
    rows = np.flatnonzero(cluster == number)
    matrix = np.asarray(vectors, dtype=np.float64)[rows]
    away = np.linalg.norm(matrix - matrix.mean(axis=0), axis=1)
    return rows[np.argsort(away, kind="stable")]
