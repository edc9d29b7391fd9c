"""Scorers that look at a picture themselves: the door for networks of other packages.

Their numbers go through the feature cache as features of length 1 would: decoded in threads, in
batches, kept by image content, resumable.
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
    """Picture → number, by a network that nothing here knows.

    Subclasses give ``pixels``, ``numbers`` and ``identity``; what else the feature cache asks of an
    encoder is here.

    Attributes:
        batch_size: pictures per call of ``numbers``; 1 where ``pixels`` differ in shape.
    """

    batch_size: int = 16
    dim, frozen, reentrant = 1, True, False

    @abstractmethod
    def pixels(self, image: Image.Image) -> Tensor:
        """An upright RGB picture, cut to size; called in threads."""

    @abstractmethod
    def numbers(self, pixels: Tensor) -> Tensor:
        """One number a picture, shape (B,), of a stack of ``pixels``."""

    def to(self, device: Any) -> Self:
        """Move the network, where it can be moved."""
        return self

    def normalise(self, pixels: Tensor) -> Tensor:
        """The network normalises itself."""
        return pixels

    @property
    def transform(self) -> Self:
        """``pixels`` and ``normalise``."""
        return self

    def fingerprint(self) -> str:
        """Hash of the identity."""
        return hashlib.sha256(f"picture scorer {self.identity()}".encode()).hexdigest()[:32]

    def __call__(self, images: Tensor) -> Tensor:
        """As features of length 1, shape (B, 1)."""
        return self.numbers(images).float().reshape(len(images), 1)

    def scores(self, material: ScorerMaterial) -> NDArray[np.float64]:
        """One number per image, NaN where it cannot be read."""
        found, present = material.features(self)
        return np.where(present, found[:, 0].astype(np.float64), np.nan)


def package(name: str, *, extra: str) -> Any:
    """The module of an optional package.

    Raises:
        WeightsError: if it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise WeightsError(
            f"scorer={extra} needs the package {error.name or name}",
            expected=f"the extra `{extra}`",
            todo=f'pip install "interestingness[{extra}]", after a look at its licence',
        ) from None


def to_bytes(image: Image.Image) -> Tensor:
    """A picture as uint8 (3, height, width)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
