"""Distance of an image from the others of its set in the space of an embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from interestingness.errors import DataError


def novelty(
    features: NDArray[np.floating], *, neighbours: int | None = None
) -> NDArray[np.float64]:
    """Mean cosine distance of each image to the other images, or to the nearest of them.

    Args:
        features: an embedding of each image, shape (images, dim); a row of zeros has no direction.
        neighbours: number of nearest others used; None uses all. With few neighbours the result
            shows whether an image has near-duplicates, with all whether its kind is rare.

    Returns:
        In [0, 2], shape (images,); 0 if all compared images have the same direction.

    Raises:
        DataError: for fewer images than a distance needs, or more neighbours than others.
    """
    images = len(features)
    others = images - 1 if neighbours is None else neighbours
    if not 1 <= others <= images - 1:
        raise DataError(
            f"novelty among {others} other images of a set of {images}",
            expected="at least 2 images, and 1 to (images − 1) neighbours",
            todo="give more images or fewer neighbours",
        )
    matrix = np.asarray(features, dtype=np.float64)
    length = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit = np.divide(matrix, length, out=np.zeros_like(matrix), where=length > 0)
    if neighbours is None:
        # Mean over the others of 1 − u·v, without the matrix of all pairs.
        alike = unit @ unit.sum(axis=0) - (unit**2).sum(axis=1)
        return np.clip(1 - alike / others, 0, 2)
    search = NearestNeighbors(n_neighbors=neighbours, metric="cosine", algorithm="brute").fit(unit)
    return np.clip(search.kneighbors()[0].mean(axis=1), 0, 2)
