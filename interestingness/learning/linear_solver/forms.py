"""The two coordinates in which a linear head on feature differences is found.

With D the feature differences of n training pairs, the optimum is ``w = Dᵀa``. With fewer pairs
than dimensions the unknown is ``a``, and only the Gram matrix ``G = DDᵀ`` is needed (dual form);
with more, it is ``w`` itself (primal form). Gradients use the same coordinates, so that one
minimiser serves both. B sets of pairs are stacked, and the K problems of a set are columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy

import torch
from torch import Tensor

SMALLEST_SHARE = 1e-6
"""A preconditioner's diagonal gets at least this share of its trace (in float64 the square of it),
because the Cholesky factorisation might fail otherwise. The optimum does not depend on it."""

SLACK = 1e-5
"""Share of the Gram matrix's mean diagonal; it changes the weights' cosine by less than 1e-7."""

PART = 4096
"""Pairs whose feature differences exist at one time."""

Solver = Callable[[Tensor], tuple[Tensor, Tensor]]


class Form(ABC):
    """Coordinates of weight vectors: columns of shape (B, size, K)."""

    def __init__(self, matrix: Tensor) -> None:
        """Keep the matrices that map coordinates to margins, shape (B, pairs, size)."""
        self.matrix = matrix

    def margins(self, x: Tensor) -> Tensor:
        """Margins of the pairs, shape (B, pairs, K)."""
        return self.matrix @ x

    def double(self, which: int) -> Form:
        """One of the stacked sets, in float64."""
        one = copy(self)
        one.matrix = self.matrix[which : which + 1].double()
        return one

    @abstractmethod
    def pull(self, slope: Tensor) -> Tensor:
        """Gradient with respect to the weights, of slopes per pair (B, pairs, K)."""

    @abstractmethod
    def inner(self, x: Tensor, y: Tensor, y_margins: Tensor) -> Tensor:
        """Inner product of the weight vectors that x and y stand for, shape (B, 1, K)."""

    @abstractmethod
    def preconditioner(self, curvature: Tensor, strength: Tensor) -> Solver:
        """Solver of ``strength·I + Dᵀ diag(curvature) D``; it finds coordinates and their margins.

        Args:
            curvature: positive, shape (B, pairs).
            strength: positive, shape (B,).
        """


class DualForm(Form):
    """Coefficients of pairs: ``w = Dᵀa``; the matrix is the Gram matrix (B, pairs, pairs).

    In a cycle of pairs (a–b, b–c, a–c) some combinations of coefficients change no weight, and
    would grow without bound. So each pair gets a tiny feature of its own: ``SLACK`` on the
    diagonal.
    """

    def __init__(self, matrix: Tensor) -> None:
        super().__init__(matrix)
        diagonal = matrix.diagonal(dim1=1, dim2=2)
        diagonal.add_(SLACK * diagonal.mean(1, keepdim=True))

    def pull(self, slope: Tensor) -> Tensor:
        return slope

    def inner(self, x: Tensor, y: Tensor, y_margins: Tensor) -> Tensor:
        return (x * y_margins).sum(1, keepdim=True)

    def preconditioner(self, curvature: Tensor, strength: Tensor) -> Solver:
        # (λI + DᵀCD)⁻¹Dᵀq = Dᵀ C½ (λI + C½GC½)⁻¹ C⁻½ q
        root = curvature.sqrt()[..., None]
        factor, added = _cholesky(root * self.matrix * root.mT, strength)

        def solve(q: Tensor) -> tuple[Tensor, Tensor]:
            scaled = q / root
            found = _solve(factor, scaled)
            # The margins follow from the solved equation, without another product with the matrix.
            return root * found, torch.addcmul(scaled, found, added, value=-1) / root

        return solve


class PrimalForm(Form):
    """The weights themselves; the matrix is that of the images' features, (1, images, dim).

    A margin is the difference of two scores, so that the pairs' own differences are never stored.
    """

    def __init__(self, matrix: Tensor, left: Tensor, right: Tensor) -> None:
        """Keep the features, and the two rows of each pair, shape (pairs,)."""
        super().__init__(matrix)
        self.left, self.right = left, right

    def margins(self, x: Tensor) -> Tensor:
        scores = self.matrix @ x
        return scores[:, self.left] - scores[:, self.right]

    def pull(self, slope: Tensor) -> Tensor:
        return (self._by_image(slope, 0, slope.shape[1]).mT @ self.matrix).mT

    def inner(self, x: Tensor, y: Tensor, y_margins: Tensor) -> Tensor:
        return (x * y).sum(1, keepdim=True)

    def preconditioner(self, curvature: Tensor, strength: Tensor) -> Solver:
        # Dᵀ C D is Xᵀ L X for the Laplacian L of the graph of pairs, which takes part after part.
        product = torch.zeros_like(self.matrix)
        for first in range(0, len(self.left), PART):
            part = slice(first, first + PART)
            apart = self.matrix[:, self.left[part]] - self.matrix[:, self.right[part]]
            product += self._by_image(curvature[:, part, None] * apart, first, apart.shape[1])
        factor, _ = _cholesky(self.matrix.mT @ product, strength)

        def solve(q: Tensor) -> tuple[Tensor, Tensor]:
            found = _solve(factor, q)
            return found, self.margins(found)

        return solve

    def _by_image(self, values: Tensor, first: int, count: int) -> Tensor:
        """Sums over each image's pairs, as the left image minus as the right one."""
        left, right = (side[first : first + count] for side in (self.left, self.right))
        out = values.new_zeros(1, self.matrix.shape[1], values.shape[2])
        return out.index_add_(1, left, values).index_add_(1, right, values, alpha=-1)


def _cholesky(matrix: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    """Factor of the matrix plus a diagonal, and the diagonal, shape (B, 1, 1)."""
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    share = SMALLEST_SHARE if matrix.dtype == torch.float32 else SMALLEST_SHARE**2
    added = torch.maximum(strength, share * diagonal.sum(1))[:, None]
    diagonal.add_(added)
    return torch.linalg.cholesky(matrix), added[..., None]


def _solve(factor: Tensor, q: Tensor) -> Tensor:
    """Solve with a Cholesky factor; ``torch.cholesky_solve`` is slower for few columns."""
    half = torch.linalg.solve_triangular(factor, q, upper=False)
    return torch.linalg.solve_triangular(factor.mT, half, upper=True)
