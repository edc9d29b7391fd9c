"""Which concepts a score follows, and how much of each a photograph has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.schema import Array

LEAST = 30
"""Images with features that correlations need, at least."""


@dataclass(frozen=True, eq=False)
class Concepts:
    """Texts as directions in the space of an image tower.

    Attributes:
        words: shape (words,).
        directions: unit vectors less their mean, shape (words, dim).
        loading: correlation of the score with the presence of each word, over images, (words,).
        mean, deviation: of the presence over these images, shape (words,) each.
    """

    words: Sequence[str]
    directions: Array
    loading: Array
    mean: Array
    deviation: Array

    def presence(self, features: NDArray[np.floating]) -> Array:
        """Standard deviations above the images' mean, shape (words,)."""
        found = _presence(self.directions, features[None])[0]
        shown: Array = (found - self.mean) / self.deviation
        return shown


def concepts_of(
    words: Sequence[str],
    vectors: NDArray[np.floating],
    features: NDArray[np.floating],
    scores: Array,
) -> Concepts:
    """Correlate scores with the presence of words over images.

    Args:
        words: texts.
        vectors: of the texts, by the text tower of the image tower, shape (words, dim).
        features: of the images, shape (images, dim).
        scores: of the images, shape (images,).

    Raises:
        DataError: for fewer than ``LEAST`` images.
    """
    if len(features) < LEAST:
        raise DataError(
            f"{len(features)} images to compare with",
            expected=f"{LEAST} or more, to tell which concepts the score follows",
            todo="name a folder with more of them: --among FOLDER",
        )
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = (unit - unit.mean(axis=0)).astype(np.float64)
    shown = _presence(directions, features)
    mean, deviation = shown.mean(axis=0), np.maximum(shown.std(axis=0), 1e-12)
    away = scores - scores.mean()
    spread = max(float(np.linalg.norm(away)), 1e-12)
    loading = away @ ((shown - mean) / deviation) / (spread * np.sqrt(len(scores)))
    return Concepts(list(words), directions, loading, mean, deviation)


def _presence(directions: Array, features: NDArray[np.floating]) -> Array:
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    found: Array = unit.astype(np.float64) @ directions.T
    return found


def read_words(path: Path | None) -> list[str]:
    """Read a word (or a phrase) a line; None takes the list that comes with the package.

    Raises:
        DataError: for a file without two words.
    """
    try:
        text = (
            (files("interestingness.explaining") / "words.txt").read_text(encoding="utf-8")
            if path is None
            else path.expanduser().read_text(encoding="utf-8-sig")
        )
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"--words {path}: {error}", expected="a text file", todo="name another one"
        ) from None
    words = list(dict.fromkeys(filter(None, (line.strip() for line in text.splitlines()))))
    if len(words) < 2:
        raise DataError(
            f"--words {path}: {len(words)} words", expected="2 or more", todo="add some"
        )
    return words
