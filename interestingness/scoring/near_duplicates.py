"""Near-duplicates: images of a burst, crops, copies in another format."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
"""Images compared at once; bounds the memory together with the window."""


class NearDuplicates:
    """Finds for each image the first earlier image that it nearly equals, batch by batch.

    Each image is compared with the ``window`` images before it, because photographs of one burst
    are neighbours in a folder. So time and memory grow linearly with the number of images, and
    folders up to that size are compared completely.
    """

    def __init__(self, *, threshold: float = 0.97, window: int = 5000) -> None:
        """Start without images.

        Args:
            threshold: cosine from which two images count as near-duplicates, in (0, 1].
            window: images before it that an image is compared with, at least 1.
        """
        self.threshold, self.window = threshold, window
        self._count = 0
        self._recent: deque[tuple[int, NDArray[np.float32]]] = deque()

    def add(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Compare the next images.

        Args:
            features: shape (images, dim); a row of zeros is an image without a feature.

        Returns:
            Number of the first image, counted from the first that was ever added, that each
            resembles; −1 where there is none, shape (images,). Chains are not followed: a
            resembles b and b resembles c makes no pair of a and c.
        """
        parts = [features[i : i + BLOCK] for i in range(0, len(features), BLOCK)]
        nothing = np.empty(0, dtype=np.int64)
        return np.concatenate([nothing, *(self._block(_unit(part)) for part in parts)])

    def _block(self, mine: NDArray[np.float32]) -> NDArray[np.int64]:
        start = self._count
        rows = np.arange(start, start + len(mine))
        first = np.full(len(mine), -1, dtype=np.int64)
        self._recent.append((start, mine))
        # From the earliest block on, so that the first hit is the first image.
        for other, theirs in self._recent:
            gap = rows[:, None] - np.arange(other, other + len(theirs))[None, :]
            alike = (mine @ theirs.T >= self.threshold) & (gap > 0) & (gap <= self.window)
            hit = alike.any(axis=1) & (first < 0)
            first[hit] = other + alike[hit].argmax(axis=1)
        self._count += len(mine)
        while self._recent and self._recent[0][0] + len(self._recent[0][1]) + self.window <= (
            self._count
        ):
            self._recent.popleft()
        return first


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, np.inf), dtype=np.float32)
