"""Near-duplicates: images of a burst, crops, copies in another format."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from interestingness.scoring.series import SeriesFinder

BLOCK = 1024
"""Images compared at once; bounds the memory together with the window."""


class NearDuplicates:
    """Finds for each image the best image that it nearly equals, batch by batch.

    An image is left out of galleries if a better one shows nearly the same, so that the best of a
    burst stands for it, whatever the files are called. Of equal scores the earlier one counts as
    better. Each image is compared with the ``window`` images before it, because photographs of one
    burst are neighbours in a folder. So time and memory grow linearly with the number of images,
    and folders up to that size are compared completely.
    """

    def __init__(
        self, *, threshold: float = 0.97, window: int = 5000, series: SeriesFinder | None = None
    ) -> None:
        """Start without images.

        Args:
            threshold: cosine from which two images count as near-duplicates, in (0, 1].
            window: images before it that an image is compared with, at least 1.
            series: is told the cosines of all pairs that are compared; None where nobody asks.
        """
        self.threshold, self.window, self.series = threshold, window, series
        self._better = np.empty(0, dtype=np.int64)
        self._scores = np.empty(0, dtype=np.float64)
        self._recent: deque[tuple[int, NDArray[np.float32]]] = deque()

    @property
    def better(self) -> NDArray[np.int64]:
        """Number of the best image that each resembles, if it is better; −1 where there is none.

        Counted from the first that was ever added, shape (images,). Chains are not followed: where
        a resembles b and b resembles c, a and c may be quite unlike.
        """
        own = np.arange(len(self._better))
        return np.where(self._better == own, -1, self._better)

    def add(self, features: NDArray[np.float32], scores: NDArray[np.float64]) -> None:
        """Compare the next images.

        Args:
            features: shape (images, dim); a row of zeros is an image without a feature.
            scores: NaN for none, shape (images,).
        """
        start = len(self._better)
        own = np.arange(start, start + len(features))
        self._better = np.concatenate([self._better, own])
        self._scores = np.concatenate([self._scores, np.nan_to_num(scores, nan=-np.inf)])
        if self.series is not None:
            self.series.note_scores(start, self._scores[start:])
        for at in range(0, len(features), BLOCK):
            self._block(start + at, _unit(features[at : at + BLOCK]))

    def _block(self, start: int, mine: NDArray[np.float32]) -> None:
        rows = np.arange(start, start + len(mine))
        self._recent.append((start, mine))
        for other, theirs in self._recent:
            columns = np.arange(other, other + len(theirs))
            gap = rows[:, None] - columns[None, :]
            cosine, seen = mine @ theirs.T, (gap > 0) & (gap <= self.window)
            alike = (cosine >= self.threshold) & seen
            if alike.any():
                self._improve(rows, columns, alike)
                self._improve(columns, rows, alike.T)
            if self.series is not None:
                joined = self.series.joined(rows, columns, cosine, self.threshold) & seen
                self.series.improve(rows, columns, joined)
                self.series.improve(columns, rows, joined.T)
        while self._recent and self._recent[0][0] + len(self._recent[0][1]) + self.window <= (
            start + len(mine)
        ):
            self._recent.popleft()

    def _improve(
        self, rows: NDArray[np.int64], others: NDArray[np.int64], alike: NDArray[np.bool_]
    ) -> None:
        """Let rows point to the best of the others that they resemble, if it is better still."""
        scores = np.where(alike, self._scores[others][None, :], -np.inf)
        best = others[scores.argmax(axis=1)]  # the first of equal ones
        now = self._better[rows]
        mine, new = self._scores[now], self._scores[best]
        higher = (new > mine) | ((new == mine) & (best < now))
        self._better[rows] = np.where(alike.any(axis=1) & higher, best, now)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, np.inf), dtype=np.float32)
