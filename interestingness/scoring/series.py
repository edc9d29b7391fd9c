"""Series: images of one burst or scene, found by their content and the time of their capture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 32
"""Better images that are remembered for each: bounds the memory to 128 bytes an image."""
GAP_S = 60.0
"""Seconds between two images of one series, at most."""
CLOSE = 0.9
"""Cosine from which two images that were taken so closely belong together."""


class SeriesFinder:
    """Finds for each image the one that leads its series, from pairs that nearly equal each other.

    The highest image leads, and takes all that resemble it; the highest of the rest leads the next
    series. So each image resembles its leader itself: chains are not followed, which would join a
    pan from one end of a valley to the other. Two images with times belong together only if these
    are close: the same view on another day is another series. Then a lower cosine suffices, because
    frames of a burst differ by what moves. Where one has no time, they must nearly be equal.

    Of the better images that one resembles, the ``CANDIDATES`` highest are remembered. An image
    that resembles more, all led by others that it does not resemble, leads a series of its own:
    one too many is kept, none too few.
    """

    def __init__(
        self, times: NDArray[np.float64], *, gap_s: float = GAP_S, close: float = CLOSE
    ) -> None:
        """Start without pairs.

        Args:
            times: capture in seconds, NaN where it is unknown, shape (images,).
            gap_s: see ``GAP_S``.
            close: see ``CLOSE``.
        """
        self._times, self._gap, self._close = times, gap_s, close
        self._scores = np.full(len(times), -np.inf)
        self._best = np.full((len(times), CANDIDATES), -1, dtype=np.int32)

    def note_scores(self, start: int, scores: NDArray[np.float64]) -> None:
        """Take the scores of the images from ``start`` on, −inf for none, shape (images,)."""
        self._scores[start : start + len(scores)] = scores

    def joined(
        self,
        rows: NDArray[np.int64],
        others: NDArray[np.int64],
        cosine: NDArray[np.float32],
        nearly: float,
    ) -> NDArray[np.bool_]:
        """Which pairs belong together.

        Args:
            rows: of images, shape (a,).
            others: rows of images, shape (b,).
            cosine: of their features, shape (a, b).
            nearly: cosine from which images nearly equal each other, for those without a time.
        """
        apart = np.abs(self._times[rows][:, None] - self._times[others][None, :])
        enough = np.where(np.isnan(apart), nearly, self._close)
        return np.asarray((cosine >= enough) & ~(apart > self._gap))

    def improve(
        self, rows: NDArray[np.int64], others: NDArray[np.int64], alike: NDArray[np.bool_]
    ) -> None:
        """Take pairs that belong together.

        Args:
            rows: of images, shape (a,).
            others: rows of images, shape (b,).
            alike: which pairs do, shape (a, b).
        """
        if not alike.any():
            return
        some, any_of = np.flatnonzero(alike.any(axis=1)), np.flatnonzero(alike.any(axis=0))
        any_of = any_of[np.lexsort((others[any_of], -self._scores[others[any_of]]))]
        rows, others, alike = rows[some], others[any_of], alike[np.ix_(some, any_of)]
        mine, theirs = self._scores[rows][:, None], self._scores[others][None, :]
        better = (theirs > mine) | ((theirs == mine) & (others[None, :] < rows[:, None]))
        found = alike & better
        place = np.cumsum(found, axis=1, dtype=np.int32)  # from 1 on, the highest first
        at, column = np.nonzero(found & (place <= CANDIDATES))
        new = np.full((len(rows), CANDIDATES), -1, dtype=np.int32)
        new[at, place[at, column] - 1] = others[column]
        known = np.concatenate([self._best[rows], new], axis=1)
        scores = np.where(known >= 0, self._scores[known], -np.inf)
        order = np.lexsort((known, -scores, known < 0), axis=-1)[:, :CANDIDATES]
        self._best[rows] = np.take_along_axis(known, order, axis=1)

    def leaders(self) -> NDArray[np.int64]:
        """Row of the image that leads the series of each; its own where it leads, shape (images,).

        Of equal scores the earlier image counts as higher.
        """
        leader = np.arange(len(self._times))
        for row in np.argsort(-self._scores, kind="stable").tolist():
            candidates = self._best[row]
            leading = candidates[(candidates >= 0) & (leader[candidates] == candidates)]
            if len(leading):
                leader[row] = leading[0]
        return leader
