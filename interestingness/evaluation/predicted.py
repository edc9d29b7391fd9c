"""What a model predicts: a score of each image, and a margin of each pair."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from interestingness.schema import Array, Pairs


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions for all images and pairs of a data set, NaN where there is none.

    Attributes:
        score: in logits, shape (images,).
        margin: score(left) − score(right), shape (pairs,). In cross-fitting both scores are those
            of a model that saw neither image, so that it is not the difference of ``score``.
        repeated: margins of each repetition of cross-fitting, whose mean is ``margin``, shape
            (repetitions, pairs); None otherwise.
        trained: fewest and most training pairs of the models of cross-fitting.
    """

    score: Array
    margin: Array
    repeated: Array | None = None
    trained: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, score: Array, pairs: Pairs) -> Predicted:
        """Predict margins by one model's scores; infinite scores count as none."""
        score = np.where(np.isfinite(score), score, np.nan)
        return cls(score, score[pairs.left] - score[pairs.right])

    def of_pairs(self, rows: NDArray[np.integer]) -> Predicted:
        """Return the predictions of some pairs."""
        return replace(self, margin=self.margin[rows], repeated=None)


def sigmoid(margin: Array) -> Array:
    """Return the predicted preference of a margin in logits."""
    return 0.5 * (1.0 + np.tanh(0.5 * margin))
