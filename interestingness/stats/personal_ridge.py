"""Ridge regression for one person from few ratings, thousands of times a second.

Features are the same for everybody, so that a fit needs only the n × n part of one Gram matrix. Its
eigenvalues give the held-out error of every strength in closed form (leave one out).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interestingness.schema import Array

STRENGTHS = tuple(float(v) for v in np.logspace(-3, 3, 13))
"""Candidates, as shares of the mean squared length of the features a rating."""
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GramOfImages:
    """Inner products of all images' features.

    Attributes:
        gram: of centred features, divided by their mean squared length, shape (images, images).
    """

    gram: Array

    @classmethod
    def of(cls, features: NDArray[np.floating], rows: Rows) -> GramOfImages:
        """Standardise by some images, then multiply all.

        Args:
            features: shape (images, dim).
            rows: images whose mean and deviation are used: those that may train.
        """
        values = features.astype(np.float64)
        mean, deviation = values[rows].mean(axis=0), values[rows].std(axis=0)
        scaled = (values - mean) / np.where(deviation > 0, deviation, 1.0)
        gram = scaled @ scaled.T
        return cls(gram / max(float(np.diag(gram)[rows].mean()), 1e-12))


@dataclass(frozen=True, eq=False)
class RidgePath:
    """The fits of one person at every strength, from the mean alone to the weakest penalty.

    Attributes:
        prediction: of the asked images, shape (1 + strengths, images).
        error: mean squared error of leaving one rating out, shape (1 + strengths,).
    """

    prediction: Array
    error: Array

    def at_best(self) -> Array:
        """Predictions at the strength of least error for this person, shape (images,)."""
        best: Array = self.prediction[int(self.error.argmin())]
        return best


def ridge_path(gram: GramOfImages, rated: Rows, target: Array, asked: Rows) -> RidgePath:
    """Fit a person's ratings, or what a generic score leaves of them, and predict others.

    The mean is fitted too, without a penalty; row 0 is the mean alone.

    Args:
        gram: of all images.
        rated: rows of the rated images, distinct, shape (n,), n of 2 or more.
        target: ratings or residuals, shape (n,).
        asked: rows of the images to predict, shape (m,).

    Source:
        Leave-one-out error of ridge in closed form: Golub, Heath and Wahba 1979.
    """
    n, mean = len(rated), float(target.mean())
    own = gram.gram[np.ix_(rated, rated)]
    row_mean = own.mean(axis=0)
    centred = own - row_mean - row_mean[:, None] + own.mean()
    values, vectors = np.linalg.eigh(centred)
    values = np.maximum(values, 0.0)
    away = target - mean
    turned = vectors.T @ away
    strengths = np.asarray(STRENGTHS)[::-1, None] * n
    kept = values / (values + strengths)
    fitted = (kept * turned) @ vectors.T
    # The mean is fitted as well: it has 1/n of every rating.
    own_share = kept @ (vectors.T**2) + 1 / n
    left_out = ((away - fitted) / np.maximum(1 - own_share, 1e-9)) ** 2
    alone = np.mean((away * n / (n - 1)) ** 2)
    between = gram.gram[np.ix_(asked, rated)]
    between = between - between.mean(axis=1, keepdims=True) - row_mean + own.mean()
    more = (turned / (values + strengths)) @ (between @ vectors).T
    prediction = mean + np.concatenate([np.zeros((1, len(asked))), more])
    return RidgePath(prediction, np.concatenate([[alone], left_out.mean(axis=1)]))
