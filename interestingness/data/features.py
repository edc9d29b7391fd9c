"""Make batches of pairs from a matrix of cached features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from interestingness.data.batch import PairBatch
from interestingness.data.plan import EpochPlan, shuffled
from interestingness.schema import Pairs


class FeatureBatches:
    """A batch source (see ``data.loader``) that gathers rows of a feature matrix."""

    def __init__(
        self,
        features: NDArray[np.float32],
        pairs: Pairs,
        rows: NDArray[np.int64],
        preference: NDArray[np.float64],
        weight: NDArray[np.float64],
        *,
        batch_size: int,
        seed: int | None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """Store the arrays; nothing is copied.

        Args:
            features: one row per image of ``pairs.image_ids``, shape (images, dim).
            pairs: all pairs of the data set.
            rows: the pairs of this part of the split, rows of ``pairs``.
            preference: for all pairs; NaN where unused, shape (pairs,).
            weight: for all pairs, shape (pairs,).
            batch_size: pairs in a global batch, over all processes.
            seed: of the order of pairs; None keeps the order of ``rows``.
            rank: this process, in [0, ranks).
            ranks: number of processes.
        """
        self.features, self.pairs, self.rows = features, pairs, rows
        self.preference, self.weight = preference, weight
        self.batch_size, self.seed = batch_size, seed
        self.rank, self.ranks = rank, ranks

    @property
    def steps(self) -> int:
        """Return the batches per epoch, equal in all processes."""
        return -(-len(self.rows) // self.batch_size)

    def __call__(self, epoch: int, start: int) -> Iterator[PairBatch]:
        """Yield this process's batches of one epoch, from batch ``start`` on."""
        order = self.rows
        if self.seed is not None:
            order = self.rows[shuffled(len(self.rows), seed=self.seed, epoch=epoch)]
        plan = EpochPlan(order, batch_size=self.batch_size, ranks=self.ranks)
        for step in range(start, plan.steps):
            total = float(self.weight[plan.global_rows(step)].sum())
            yield self._batch(plan.rows(step, self.rank), plan.global_rows(step), total)

    def _batch(
        self, rows: NDArray[np.integer], everyone: NDArray[np.integer], total: float
    ) -> PairBatch:
        placeholder = len(rows) == 0
        if placeholder:
            # The last batch has fewer pairs than processes: this one takes a step of weight 0.
            rows = everyone[:1]
        left, right = self.pairs.left[rows], self.pairs.right[rows]
        used, inverse = np.unique(np.concatenate([left, right]), return_inverse=True)
        known = ~np.isnan(self.preference[rows])
        keep = known & (not placeholder)
        return PairBatch(
            images=torch.from_numpy(np.ascontiguousarray(self.features[used], dtype=np.float32)),
            left=torch.from_numpy(inverse[: len(rows)]),
            right=torch.from_numpy(inverse[len(rows) :]),
            preference=_float(np.where(known, self.preference[rows], 0.5)),
            weight=_float(np.where(keep, self.weight[rows], 0.0)),
            row=torch.from_numpy(np.full(1, -1) if placeholder else rows.astype(np.int64)),
            normalizer=torch.tensor(total / self.ranks if total > 0 else 1.0),
        )


def _float(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
