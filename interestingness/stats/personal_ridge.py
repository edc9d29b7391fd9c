"""Ridge regression for one person from few ratings, thousands of times a second.

Features are the same for everybody, so that a fit of n ratings needs only the n × n part of one
Gram matrix. Its eigenvalues give the error of every strength, leaving one out, in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interestingness.schema import Array

STRENGTHS = tuple(float(v) for v in np.logspace(-3, 3, 13))
"""Candidates, as shares of the mean squared length of the features a rating."""
Rows = NDArray[np.int64]


MOST = 4000
"""Images up to which all inner products are computed once."""


@dataclass(frozen=True, eq=False)
class ImageSpace:
    """Standardised features of all images, and their inner products.

    Attributes:
        features: of mean squared length 1 over the images that may train, (images, dim).
        gram: products of all images, shape (images, images); None where they are too many.
    """

    features: Array
    gram: Array | None

    @classmethod
    def of(cls, features: NDArray[np.floating], rows: Rows) -> ImageSpace:
        """Standardise.

        Args:
            features: shape (images, dim).
            rows: images whose mean and deviation are used: those that may train.
        """
        values = features.astype(np.float64)
        mean, deviation = values[rows].mean(axis=0), values[rows].std(axis=0)
        scaled = (values - mean) / np.where(deviation > 0, deviation, 1.0)
        scaled /= np.sqrt(max(float((scaled[rows] ** 2).sum(axis=1).mean()), 1e-12))
        return cls(scaled, scaled @ scaled.T if len(scaled) <= MOST else None)

    def products(self, some: Rows, others: Rows) -> Array:
        """Inner products, shape (some, others)."""
        if self.gram is not None:
            return self.gram[np.ix_(some, others)]
        return self.features[some] @ self.features[others].T


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


def ridge_path(space: ImageSpace, rated: Rows, target: Array, asked: Rows) -> RidgePath:
    """Fit a person's ratings, or what a generic score leaves of them, and predict others.

    The mean is fitted too, without a penalty; row 0 is the mean alone.

    Args:
        space: of all images.
        rated: rows of the rated images, distinct, shape (n,), n of 2 or more.
        target: ratings or residuals, shape (n,).
        asked: rows of the images to predict, shape (m,).

    Source:
        Leave-one-out error of ridge in closed form: Golub, Heath and Wahba 1979.
    """
    n, mean = len(rated), float(target.mean())
    few = n <= space.features.shape[1]
    values, vectors, between = (_by_images if few else _by_numbers)(space, rated, asked)
    away = target - mean
    turned = vectors.T @ away
    strengths = np.asarray(STRENGTHS)[::-1, None] * n
    kept = values / (values + strengths)
    fitted = (kept * turned) @ vectors.T
    # The mean is fitted as well: it has 1/n of every rating.
    own_share = kept @ (vectors.T**2) + 1 / n
    left_out = ((away - fitted) / np.maximum(1 - own_share, 1e-9)) ** 2
    alone = np.mean((away * n / (n - 1)) ** 2)
    more = (turned / (values + strengths)) @ between.T
    prediction = mean + np.concatenate([np.zeros((1, len(asked))), more])
    return RidgePath(prediction, np.concatenate([[alone], left_out.mean(axis=1)]))


def _by_images(space: ImageSpace, rated: Rows, asked: Rows) -> tuple[Array, Array, Array]:
    """Eigenvalues and vectors of the centred products of n images, and the asked ones in them."""
    own = space.products(rated, rated)
    row_mean = own.mean(axis=0)
    centred = own - row_mean - row_mean[:, None] + own.mean()
    values, vectors = np.linalg.eigh(centred)
    between = space.products(asked, rated)
    between = between - between.mean(axis=1, keepdims=True) - row_mean + own.mean()
    return np.maximum(values, 0.0), vectors, between @ vectors


def _by_numbers(space: ImageSpace, rated: Rows, asked: Rows) -> tuple[Array, Array, Array]:
    """Do the same by the covariance of the features, for more images than numbers an image."""
    centre = space.features[rated].mean(axis=0)
    own = space.features[rated] - centre
    values, axes = np.linalg.eigh(own.T @ own)
    fine = values > values.max(initial=0.0) * 1e-12
    values, axes = values[fine], axes[:, fine]
    length = np.sqrt(values)
    return values, own @ axes / length, (space.features[asked] - centre) @ axes * length
