"""Training images that resemble a photograph: the nearest with a higher and with a lower score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interestingness.schema import Array

NEAREST = 2
SAME = 1 - 1e-6
"""Cosine from which an image is taken for the photograph itself."""


@dataclass(frozen=True, eq=False)
class Known:
    """Images with features, by which photographs are explained.

    Attributes:
        names: of the images.
        features: as the backbone gives them, shape (images, dim).
        scaled: as the head reads them, shape (images, dim).
        scores: shape (images,).
    """

    names: Sequence[str]
    features: NDArray[np.floating]
    scaled: NDArray[np.floating]
    scores: Array


@dataclass(frozen=True)
class Neighbours:
    """Rows of ``Known``, the most similar first."""

    higher: Sequence[int]
    lower: Sequence[int]


def neighbours(known: Known, scaled: NDArray[np.floating], score: float) -> Neighbours:
    """Find the nearest images by the cosine of what the head reads.

    Args:
        known: images to compare with.
        scaled: of the photograph, shape (dim,).
        score: of the photograph.
    """
    length = np.linalg.norm(known.scaled, axis=1) * np.linalg.norm(scaled)
    similar = known.scaled @ scaled / np.maximum(length, 1e-12)
    order = [i for i in np.argsort(-similar, kind="stable").tolist() if similar[i] < SAME]
    higher = [i for i in order if known.scores[i] > score][:NEAREST]
    lower = [i for i in order if known.scores[i] <= score][:NEAREST]
    return Neighbours(higher, lower)
