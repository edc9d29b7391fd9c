"""Common interestingness: how many people have a favourite of the same kind as an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering, KMeans, MiniBatchKMeans

from interestingness.errors import ConfigError

LINKAGES = ("ward", "average", "complete", "single")
NORMALISATIONS = ("max", "users", "count")
LARGE = 50_000
"""Number of images from which k-means works in batches."""


def semantic_partitions(
    features: NDArray[np.floating], *, clusters: int, partitions: int, linkage: str, seed: int
) -> NDArray[np.int64]:
    """Partition of each image: k-means cells, merged by hierarchical clustering of their centres.

    Args:
        features: shape (images, dim).
        clusters: cells of k-means; as many as there are distinct images, at most.
        partitions: groups of cells; as many as there are cells, at most.
        linkage: "ward", "average", "complete" or "single".
        seed: of k-means.

    Returns:
        0 to partitions − 1, shape (images,).

    Raises:
        ConfigError: for fewer than one cluster or partition, or an unknown linkage.

    Source:
        Abdullahu and Grabner 2024 (ECCV); they state neither the numbers nor the linkage.
    """
    if linkage not in LINKAGES or min(clusters, partitions) < 1:
        raise ConfigError(
            f"clusters {clusters}, partitions {partitions}, linkage {linkage!r}",
            expected=f"numbers of 1 or more, and one of {', '.join(LINKAGES)}",
            todo="correct scorer.clusters, scorer.partitions or scorer.linkage",
        )
    distinct = len(np.unique(features, axis=0))
    cells = min(clusters, distinct)
    kind = MiniBatchKMeans if len(features) > LARGE else KMeans
    means = kind(cells, n_init=4, random_state=seed).fit(features)
    groups = min(partitions, cells)
    if groups == cells:
        return means.labels_.astype(np.int64)
    merged = AgglomerativeClustering(groups, linkage=linkage).fit(means.cluster_centers_)
    return merged.labels_[means.labels_].astype(np.int64)


def unique_users(
    partition: NDArray[np.integer], image: NDArray[np.integer], user: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Distinct users with a favourite in each partition.

    Args:
        partition: of each image, shape (images,).
        image: row of each favourite's image, shape (favourites,).
        user: number of the user of each favourite, shape (favourites,).

    Returns:
        Shape (partitions,).
    """
    pairs = np.unique(np.stack([partition[image], user], axis=1), axis=0)
    total = int(partition.max(initial=-1)) + 1
    return np.bincount(pairs[:, 0], minlength=total).astype(np.int64)


def common_interest(
    partition: NDArray[np.integer],
    image: NDArray[np.integer],
    user: NDArray[np.integer],
    *,
    normalise: str,
) -> NDArray[np.float64]:
    """Share of people with a favourite in the partition of each image.

    Args:
        partition: of each image, shape (images,).
        image: row of each favourite's image, shape (favourites,).
        user: number of the user of each favourite, shape (favourites,).
        normalise: by the largest partition's users ("max"), by all users ("users"), or not
            ("count").

    Returns:
        Shape (images,).

    Raises:
        ConfigError: for an unknown normalisation.
    """
    if normalise not in NORMALISATIONS:
        raise ConfigError(
            f"normalise {normalise!r}",
            expected=f"one of {', '.join(NORMALISATIONS)}",
            todo="correct scorer.normalise",
        )
    users = unique_users(partition, image, user)
    whole = {"max": int(users.max(initial=1)), "users": len(np.unique(user)), "count": 1}
    return users[partition] / max(1, whole[normalise])
