"""Group pairs with equal counts of votes, so that millions of votes become few patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from interestingness.schema import Array

_UNIT = 2.0**20
"""Counts are compared in units of 2⁻²⁰, far below any relevant difference of soft votes."""


@dataclass(frozen=True, eq=False)
class Patterns:
    """Distinct vote counts, up to a swap of left and right.

    A cell is (group, order, side): column ``6 * group + 2 * (order + 1) + side`` with order −1, 0
    or +1 as in votes and side 0 for left.

    Attributes:
        counts: votes per cell, CSR of shape (patterns, 6 · groups).
        self_mirrored: patterns that are their own mirror image, shape (patterns,).
        pattern: pattern of each pair, −1 without votes, shape (pairs,).
        swapped: whether the pair has the pattern with left and right swapped, shape (pairs,).
    """

    counts: sparse.csr_matrix
    self_mirrored: NDArray[np.bool_]
    pattern: NDArray[np.int64]
    swapped: NDArray[np.bool_]

    def multiplicity(self, weight: Array) -> Array:
        """Total weight of the pairs of each pattern, shape (patterns,)."""
        some = self.pattern >= 0
        rows = self.counts.shape[0]
        total = np.bincount(self.pattern[some], weights=weight[some], minlength=rows)
        return total.astype(np.float64)

    def spread(self, preference: Array) -> Array:
        """Spread preferences of patterns to pairs; NaN without votes, shape (pairs,)."""
        if not len(preference):
            return np.full(len(self.pattern), np.nan)
        own = preference[self.pattern]
        own = np.where(self.swapped, 1.0 - own, own)
        return np.where(self.pattern >= 0, own, np.nan)


def vote_patterns(
    pair: NDArray[np.int64],
    group: NDArray[np.int64],
    order: Array,
    preference: Array,
    *,
    pairs: int,
    groups: int,
) -> Patterns:
    """Count votes per cell and pair, and find the distinct patterns.

    Each pattern is stored in one of its two orientations, chosen by its content alone, so that
    results from patterns are exactly antisymmetric under swapping a pair's images.

    Args:
        pair: row of each vote's pair, shape (votes,).
        group: group of its rater, shape (votes,).
        order: +1 left shown first, −1 right, 0 unknown, shape (votes,).
        preference: in [0, 1]; p counts as p votes for left and 1 − p for right, shape (votes,).
        pairs: number of pairs.
        groups: number of groups.
    """
    cell = 6 * group + 2 * (order.astype(np.int64) + 1)
    rows, cols = np.concatenate([pair, pair]), np.concatenate([cell, cell + 1])
    counts = sparse.csr_matrix(
        (np.concatenate([preference, 1 - preference]), (rows, cols)), shape=(pairs, 6 * groups)
    )
    counts.sum_duplicates()
    counts.data = np.round(counts.data * _UNIT) / _UNIT
    counts.eliminate_zeros()
    here, there = _hashes(counts, mirrored=False), _hashes(counts, mirrored=True)
    less = (there[0] < here[0]) | ((there[0] == here[0]) & (there[1] < here[1]))
    equal = (there[0] == here[0]) & (there[1] == here[1])
    kept = np.where(less, there, here)
    some = np.diff(counts.indptr) > 0
    # whole votes leave the lowest 20 bits empty; the second hash fills them
    name = (kept[0] ^ (kept[1] >> np.uint64(22)))[some]
    _, first, inverse = np.unique(name, return_index=True, return_inverse=True)
    representative = np.flatnonzero(some)[first]
    pattern = np.full(pairs, -1, dtype=np.int64)
    pattern[some] = inverse
    chosen = counts[representative]
    turned = chosen[:, _mirror(np.arange(6 * groups))]
    flip = sparse.diags_array(less[representative].astype(np.float64))
    stay = sparse.diags_array((~less[representative]).astype(np.float64))
    oriented = sparse.csr_matrix(stay @ chosen + flip @ turned)
    oriented.sort_indices()
    return Patterns(oriented, equal[representative], pattern, less)


def _mirror(cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cell of a vote after left and right are swapped."""
    group, order, side = cell // 6, (cell // 2) % 3, cell % 2
    return 6 * group + 2 * (2 - order) + (1 - side)


def _hashes(counts: sparse.csr_matrix, *, mirrored: bool) -> NDArray[np.uint64]:
    """Two 64-bit hashes of every row, shape (2, rows)."""
    column = counts.indices.astype(np.int64)
    column = _mirror(column) if mirrored else column
    value = np.round(counts.data * _UNIT).astype(np.uint64)
    salt = np.random.default_rng(7).integers(1, 2**63, size=(2, counts.shape[1]), dtype=np.uint64)
    # a running sum in modular arithmetic gives row sums whatever the row's length
    total = np.zeros((2, counts.nnz + 1), dtype=np.uint64)
    np.cumsum(value * (2 * salt[:, column] + 1), axis=1, out=total[:, 1:])
    sums: NDArray[np.uint64] = total[:, counts.indptr[1:]] - total[:, counts.indptr[:-1]]
    return sums
