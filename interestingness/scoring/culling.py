"""Which images are kept: scores and series propose, the user's stars and decisions dispose."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from interestingness.datasets.star_ratings import REJECTED


class Why(IntEnum):
    """Why an image is kept or not."""

    KEPT = 0
    USER_KEEPS = 1
    USER_REJECTS = 2
    STARS_REJECT = 3
    NO_SCORE = 4
    TOO_LOW = 5
    TOO_HIGH = 6
    IN_SERIES = 7
    BEYOND_TOP = 8


TEXTS = {
    Why.KEPT: "kept",
    Why.USER_KEEPS: "kept by your decision",
    Why.USER_REJECTS: "rejected by your decision",
    Why.STARS_REJECT: "rejected by your own rating",
    Why.NO_SCORE: "without a score",
    Why.TOO_LOW: "below the lowest score",
    Why.TOO_HIGH: "above the highest score",
    Why.IN_SERIES: "behind others of the series",
    Why.BEYOND_TOP: "beyond the number to keep",
}


@dataclass(frozen=True)
class CullingRules:
    """What is kept, where the user has not decided.

    Attributes:
        keep: images of each series, at least 1; None keeps all.
        top: images in all, at least 1; None keeps all.
        min_score: in the scorer's unit; None for no bound.
        max_score: the same.
    """

    keep: int | None = None
    top: int | None = None
    min_score: float | None = None
    max_score: float | None = None


@dataclass(frozen=True, eq=False)
class UserChoice:
    """What the user has said of each image.

    Attributes:
        stars: −1 for rejected, 0 for none, 1 to 5, shape (images,).
        decided: 1 for keep, −1 for reject, 0 for neither, shape (images,).
    """

    stars: NDArray[np.int8]
    decided: NDArray[np.int8]

    @classmethod
    def nothing(cls, images: int) -> UserChoice:
        """Nothing has been said."""
        return cls(np.zeros(images, dtype=np.int8), np.zeros(images, dtype=np.int8))


@dataclass(frozen=True, eq=False)
class Culled:
    """The decision about each image.

    Attributes:
        why: a ``Why``, shape (images,).
        series: row of the image that leads the series, shape (images,); None if not looked for.
        stars: the user's own, as in ``UserChoice``.
    """

    why: NDArray[np.int8]
    series: NDArray[np.int64] | None
    stars: NDArray[np.int8]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Whether each is kept, shape (images,)."""
        return self.why <= Why.USER_KEEPS

    def sentence(self) -> str:
        """Count the images by what became of them."""
        counts = Counter(self.why.tolist())
        said = f"{counts[Why.KEPT] + counts[Why.USER_KEEPS]:,} of {len(self.why):,} kept"
        if counts[Why.USER_KEEPS]:
            said += f" ({counts[Why.USER_KEEPS]:,} by your decision)"
        others = [why for why in TEXTS if why > Why.USER_KEEPS and counts[why]]
        return "; ".join([said, *(f"{counts[why]:,} {TEXTS[why]}" for why in others)])


def cull(
    scores: NDArray[np.float64],
    series: NDArray[np.int64] | None,
    said: UserChoice,
    rules: CullingRules,
) -> Culled:
    """Decide about each image.

    A decision of the user always holds. A score never drops an image that has stars: it passes the
    bounds of the score, and within its series only images with more stars go before it, so that
    equal ones stay together even beyond ``rules.keep``. Images without stars follow those with
    stars, in the order of scores. What the user keeps counts towards both numbers.

    Args:
        scores: NaN for none, shape (images,).
        series: row of the leader of each, shape (images,); None where ``rules.keep`` is None.
        said: the user's stars and decisions.
        rules: what is kept.
    """
    stars = np.maximum(said.stars, 0)
    bare = stars == 0
    why = np.zeros(len(scores), dtype=np.int8)
    why[bare & np.isnan(scores)] = Why.NO_SCORE
    if rules.min_score is not None:
        why[bare & (scores < rules.min_score)] = Why.TOO_LOW
    if rules.max_score is not None:
        why[bare & (scores > rules.max_score)] = Why.TOO_HIGH
    why[said.stars == REJECTED] = Why.STARS_REJECT
    why[said.decided < 0] = Why.USER_REJECTS
    why[said.decided > 0] = Why.USER_KEEPS
    known = np.nan_to_num(scores, nan=-np.inf)
    order = np.lexsort((-known, -stars, -said.decided))  # the earlier of equal ones first
    if rules.keep is not None and series is not None:
        _best_of_series(why, order, series, stars, rules.keep)
    if rules.top is not None:
        rows = order[why[order] <= Why.USER_KEEPS][rules.top :]
        why[rows[why[rows] == Why.KEPT]] = Why.BEYOND_TOP
    return Culled(why, series, said.stars)


def _best_of_series(
    why: NDArray[np.int8],
    order: NDArray[np.int64],
    series: NDArray[np.int64],
    stars: NDArray[np.int8],
    keep: int,
) -> None:
    """Mark all but the first ``keep`` of each series, and what has as many stars as the last."""
    rows = order[why[order] <= Why.USER_KEEPS]
    rows = rows[np.argsort(series[rows], kind="stable")]
    _, starts, sizes = np.unique(series[rows], return_index=True, return_counts=True)
    place = np.arange(len(rows)) - np.repeat(starts, sizes)
    last = rows[starts + np.minimum(keep, sizes) - 1]
    starred = stars[rows] >= np.maximum(np.repeat(stars[last], sizes), 1)
    dropped = (place >= keep) & ~starred & (why[rows] == Why.KEPT)
    why[rows[dropped]] = Why.IN_SERIES
