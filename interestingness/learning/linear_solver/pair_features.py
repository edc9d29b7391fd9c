"""Feature differences of pairs in the cheapest form; the full matrix is not stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interestingness.errors import DataError
from interestingness.learning.linear_solver.forms import DualForm, Form, PrimalForm
from interestingness.schema import Pairs

SHARED_PAIRS = 4096
"""Up to this number of pairs, splits take their rows from one Gram matrix of all (64 MiB)."""


class PairFeatures:
    """Centred features of the images in use, and the two rows of each pair."""

    def __init__(
        self,
        features: NDArray[np.floating],
        pairs: Pairs,
        *,
        shared: bool,
        exact: bool = False,
    ) -> None:
        """Centre the features: a common mean cancels in differences but costs precision.

        Args:
            features: one row per image of ``pairs.image_ids``, shape (images, dim).
            pairs: all pairs of all splits.
            shared: True if several splits use these pairs.
            exact: compute in float64, and never in the dual form, which shifts the optimum a
                little.

        Raises:
            DataError: if a feature of an image in use is not finite.
        """
        used = pairs.images_used()
        matrix: NDArray[np.floating] = np.array(
            features[used], dtype=np.float64 if exact else np.float32
        )
        finite = np.isfinite(matrix).all()
        if finite and len(used):
            matrix = matrix - matrix.mean(axis=0, dtype=np.float64).astype(matrix.dtype)
        if not finite:
            raise DataError(
                "features with NaN or infinite values",
                expected="finite numbers for every image in a pair",
                todo="compute the features again, or leave those images out",
            )
        place = np.full(len(pairs.image_ids), -1, dtype=np.int64)
        place[used] = np.arange(len(used))
        self.matrix = torch.from_numpy(matrix)
        self.left = torch.from_numpy(place[pairs.left])
        self.right = torch.from_numpy(place[pairs.right])
        self._gram: Tensor | None = None
        self._exact = exact
        if shared and not exact and len(pairs) <= SHARED_PAIRS:
            every = self.matrix[self.left] - self.matrix[self.right]
            self._gram = every @ every.T

    def few(self, rows: Tensor) -> bool:
        """Whether the dual form is cheaper: few pairs compared with images and dimensions."""
        if self._exact:
            return False
        return len(rows) <= 2 * min(int(self._there(rows).sum()), self.matrix.shape[1])

    def form(self, rows: Tensor) -> tuple[Form, Callable[[Tensor], Tensor]]:
        """The cheaper form of a set of pairs, and the function from coordinates to weights."""
        if self.few(rows):
            return self.dual([rows]), partial(self.weights, rows)
        primal, basis = self.primal(rows)
        return primal, lambda x: x if basis is None else basis @ x

    def dual(self, sets: Sequence[Tensor]) -> DualForm:
        """Gram matrices of sets of pairs, padded with zeros to the largest and stacked."""
        largest = max(len(rows) for rows in sets)
        if len(sets) == 1:
            return DualForm(self._gram_of(sets[0])[None])
        stacked = self.matrix.new_zeros(len(sets), largest, largest)
        for b, rows in enumerate(sets):
            stacked[b, : len(rows), : len(rows)] = self._gram_of(rows)
        return DualForm(stacked)

    def primal(self, rows: Tensor) -> tuple[PrimalForm, Tensor | None]:
        """The features of a set of pairs, and a basis (dim, size) from coordinates to weights.

        Weights lie in the span of the training images. With fewer images than dimensions there is
        one coordinate an image; otherwise coordinates are the weights and the basis is None.
        """
        left, right = self.left[rows], self.right[rows]
        there = self._there(rows)
        place = there.cumsum(0) - 1
        own = self.matrix[there]
        basis = None
        if len(own) < self.matrix.shape[1]:
            basis, triangle = torch.linalg.qr(own.T)
            own = triangle.T
        return PrimalForm(own[None], place[left], place[right]), basis

    def weights(self, rows: Tensor, coefficients: Tensor) -> Tensor:
        """Weights ``Dᵀa`` of coefficients (pairs, K), shape (dim, K)."""
        of_image = self.matrix.new_zeros(len(self.matrix), coefficients.shape[1])
        of_image.index_add_(0, self.left[rows], coefficients)
        of_image.index_add_(0, self.right[rows], coefficients, alpha=-1)
        return (of_image.T @ self.matrix).T  # few columns: faster than the transposed matrix first

    def _there(self, rows: Tensor) -> Tensor:
        there = torch.zeros(len(self.matrix), dtype=torch.bool)
        there[self.left[rows]] = there[self.right[rows]] = True
        return there

    def _gram_of(self, rows: Tensor) -> Tensor:
        if self._gram is not None:
            return self._gram.index_select(0, rows).index_select(1, rows)
        own = self.matrix[self.left[rows]] - self.matrix[self.right[rows]]
        return own @ own.T
