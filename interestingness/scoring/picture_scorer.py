"""Base class for third-party networks that score a picture directly.

Their scores go through the feature cache as features of length 1: pictures are decoded in threads
and scored in batches, scores are cached by image content, and an interrupted command resumes.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from importlib import import_module
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from interestingness.errors import WeightsError
from interestingness.scoring.table_scorer import ScorerMaterial, TableScorer


class PictureScorer(TableScorer):
    """Picture → number, by a network of another package.

    Subclasses implement ``pixels``, ``numbers`` and ``identity``; this class implements the rest of
    the encoder that the feature cache needs.

    Attributes:
        batch_size: pictures per call of ``numbers``; 1 where ``pixels`` differ in shape.
    """

    batch_size: int = 16
    dim, frozen, reentrant = 1, True, False

    @abstractmethod
    def pixels(self, image: Image.Image) -> Tensor:
        """Return pixels of an upright RGB picture in the network's size; called in threads."""

    @abstractmethod
    def numbers(self, pixels: Tensor) -> Tensor:
        """Compute one number a picture, shape (B,), from a stack of ``pixels``."""

    def to(self, device: Any) -> Self:
        """Move the network to a device if it can be moved."""
        return self

    def normalise(self, pixels: Tensor) -> Tensor:
        """Pass the pixels on: the network normalises them itself."""
        return pixels

    @property
    def transform(self) -> Self:
        """``pixels`` and ``normalise``."""
        return self

    def fingerprint(self) -> str:
        """Hash of the identity."""
        return hashlib.sha256(f"picture scorer {self.identity()}".encode()).hexdigest()[:32]

    def __call__(self, images: Tensor) -> Tensor:
        """Scores as features of length 1, shape (B, 1)."""
        return self.numbers(images).float().reshape(len(images), 1)

    def scores(self, material: ScorerMaterial) -> NDArray[np.float64]:
        """One number per image, NaN where it cannot be read."""
        found, present = material.features(self)
        return np.where(present, found[:, 0].astype(np.float64), np.nan)


def package(name: str, *, extra: str) -> Any:
    """Import a module of an optional package.

    Raises:
        WeightsError: if it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise WeightsError(
            f"scorer={extra} needs the package {error.name or name}",
            expected=f"the extra `{extra}`",
            todo=f'read its licence, then pip install "interestingness[{extra}]"',
        ) from None


def to_bytes(image: Image.Image) -> Tensor:
    """A picture as uint8 (3, height, width)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
