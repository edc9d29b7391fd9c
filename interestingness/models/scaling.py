"""Scaling of features, fitted on training images only."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from interestingness.errors import ConfigError, DataError

MODES = ("none", "unit", "unit_sqrt_dim", "standardize")


class FeatureScaler(nn.Module):
    """Leaves features unchanged, scales each to length 1, or standardises every dimension.

    Mean and standard deviation are buffers: part of the checkpoint, without gradients.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mode: str, dim: int) -> None:
        """Create a scaler; "standardize" changes nothing until ``fit`` is called.

        Args:
            mode: "none", "unit" (Euclidean length 1), "unit_sqrt_dim" (length √dim, so that a
                component is about 1) or "standardize" (mean 0, standard deviation 1).
            dim: length of a feature vector.

        Raises:
            ConfigError: for another mode.
        """
        super().__init__()
        if mode not in MODES:
            raise ConfigError(
                f"model.scaling={mode}", expected=f"one of {', '.join(MODES)}", todo="choose one"
            )
        self.mode, self.dim = mode, dim
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def fit(self, features: NDArray[np.floating]) -> Self:
        """Compute mean and standard deviation from the features of training images.

        A constant dimension is centred but not scaled.

        Args:
            features: one row per training image, shape (images, dim).

        Raises:
            DataError: if there is no row, or a value is not finite.
        """
        if self.mode != "standardize":
            return self
        if len(features) == 0:
            raise DataError(
                "no training image to standardise features with",
                expected="features of at least one training image",
                todo="check the split, or model.scaling=none",
            )
        # NumPy in float64, because sums over many images lose precision in float32.
        mean = np.mean(features, axis=0, dtype=np.float64)
        std = np.std(features, axis=0, dtype=np.float64)
        if not (np.isfinite(mean).all() and np.isfinite(std).all()):
            raise DataError(
                "features with NaN or infinite values",
                expected="finite numbers",
                todo="compute the features again",
            )
        constant = std <= 1e-7 * np.maximum(np.abs(mean), 1e-30)
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(np.where(constant, 1.0, std)))
        return self

    def forward(self, features: Tensor) -> Tensor:
        """Scaled features, shape of the input (N, dim)."""
        if self.mode == "unit":
            return nn.functional.normalize(features, dim=-1)
        if self.mode == "unit_sqrt_dim":
            return nn.functional.normalize(features, dim=-1) * self.dim**0.5
        if self.mode == "standardize":
            return (features - self.mean) / self.std
        return features

    @torch.no_grad()
    def scaled(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """``forward`` for a matrix in numpy, shape (images, dim)."""
        out = np.empty(features.shape, dtype=np.float32)
        for start in range(0, len(features), 8192):
            # Copy each part: memory-mapped features are read-only, which torch warns about.
            part = torch.from_numpy(np.array(features[start : start + 8192], dtype=np.float32))
            out[start : start + 8192] = self(part.to(self.mean.device)).cpu().numpy()
        return out
