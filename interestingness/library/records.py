"""What scoring returns: one record an image, also for an image that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageScore:
    """One image.

    Attributes:
        score: in the scorer's unit; None for an image that cannot be read.
        percentile: share of the scorer's reference images that score lower, in [0, 1]; None where
            the scorer has no reference images, or the image no score.
        problem: why there is no score; "" where there is one.
        name: path of a file, else the image's place in the input.
    """

    score: float | None
    percentile: float | None = None
    problem: str = ""
    name: str = ""


class Scores(Sequence[ImageScore]):
    """Records of images in the order of the input; as an array, their scores.

    >>> found = Scores([ImageScore(1.5), ImageScore(None, problem="cut short")])
    >>> np.asarray(found)
    array([1.5, nan])
    """

    def __init__(self, records: Sequence[ImageScore]) -> None:
        """Keep the records."""
        self._records = tuple(records)

    @overload
    def __getitem__(self, at: int) -> ImageScore: ...
    @overload
    def __getitem__(self, at: slice) -> Scores: ...
    def __getitem__(self, at: int | slice) -> ImageScore | Scores:
        """Return one record, or several."""
        return Scores(self._records[at]) if isinstance(at, slice) else self._records[at]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._records)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the scores, NaN where there is none, shape (images,)."""
        scores = [np.nan if one.score is None else one.score for one in self._records]
        return np.array(scores, dtype=dtype or np.float64)

    def __repr__(self) -> str:
        """Show the records as a list."""
        return f"Scores({list(self._records)!r})"

    @property
    def problems(self) -> dict[str, str]:
        """Why images have no score, by name."""
        return {one.name: one.problem for one in self._records if one.problem}
