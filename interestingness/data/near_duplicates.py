"""Images that show nearly the same: bursts, crops, copies in another format."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
"""Images compared at once; bounds the memory."""


def near_duplicates(
    features: Callable[[int, int], NDArray[np.float32]],
    count: int,
    *,
    threshold: float = 0.97,
    window: int = 5000,
) -> NDArray[np.int64]:
    """For each image the first earlier image that it nearly equals.

    Photographs of one burst lie beside each other in a folder, so that each image is compared with
    the ``window`` images before it: all with all in folders up to that size, and time that grows
    with the number of images, not with its square, beyond.

    Args:
        features: rows start to end of the feature matrix in the order of the images, shape
            (end − start, dim); a row of zeros is an image without a feature.
        count: number of images.
        threshold: cosine from which two images count as near-duplicates, in (0, 1].
        window: images before it that an image is compared with, at least 1.

    Returns:
        Row of the first image (in order) that it resembles, −1 where there is none, shape
        (count,). Chains are not followed: a resembles b and b resembles c makes no pair of a and c.
    """
    first = np.full(count, -1, dtype=np.int64)
    for start in range(0, count, BLOCK):
        end = min(start + BLOCK, count)
        mine = _unit(features(start, end))
        # From the earliest block on, so that the first hit is the first image.
        for other in range(max(0, start - window) // BLOCK * BLOCK, end, BLOCK):
            stop = min(other + BLOCK, end)
            theirs = mine if other == start else _unit(features(other, stop))
            gap = np.arange(start, end)[:, None] - np.arange(other, stop)[None, :]
            alike = (mine @ theirs.T >= threshold) & (gap > 0) & (gap <= window)
            hit = alike.any(axis=1) & (first[start:end] < 0)
            first[start:end][hit] = other + alike[hit].argmax(axis=1)
    return first


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = rows / np.where(length > 0, length, np.inf)
    return unit
