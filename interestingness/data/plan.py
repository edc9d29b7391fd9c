"""Plan which process handles which pair: pure functions of position, seed and epoch.

An epoch is an *order* of pair rows, divided into global batches. The pairs of a global batch are
dealt to the processes in turn; each process's DataLoader takes batches from its workers in turn.
The content of a global batch therefore depends on neither number, every pair occurs exactly once,
and all processes take the same number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import ConfigError

_PAIRS, _SHARDS, _POOL = 0, 1, 2
"""Apart, so that no two permutations of an epoch draw the same numbers."""


class PlanPosition(NamedTuple):
    """The process, worker and batch of a position of the order."""

    global_batch: int
    rank: int
    worker: int


def place(
    position: int, *, batch_size: int, ranks: int, workers: int, start_batch: int = 0
) -> PlanPosition:
    """Return who handles a position of an epoch's order.

    Args:
        position: index into the order, 0 or more.
        batch_size: pairs of a global batch, over all processes.
        ranks: number of processes that train together.
        workers: DataLoader workers of each process; 0 counts as 1.
        start_batch: first global batch of an epoch that is resumed in the middle.
    """
    global_batch, within = divmod(position, batch_size)
    return PlanPosition(
        global_batch, within % ranks, (global_batch - start_batch) % max(workers, 1)
    )


class Order(Protocol):
    """Pair rows in the order of an epoch: an array, or an object that computes it in pieces."""

    def __len__(self) -> int: ...

    def __getitem__(self, positions: slice) -> NDArray[np.integer]: ...


@dataclass(frozen=True, eq=False)
class EpochPlan:
    """One epoch's order in global batches, dealt to processes and workers as in ``place``.

    Attributes:
        order: pair rows.
        batch_size: pairs of a global batch, over all processes.
        ranks: number of processes.
    """

    order: Order
    batch_size: int
    ranks: int = 1

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.ranks < 1:
            raise ConfigError(
                f"batch_size {self.batch_size} with {self.ranks} ranks",
                expected="at least 1 of each",
                todo="correct batch_size or the number of devices",
            )

    def __len__(self) -> int:
        return len(self.order)

    @property
    def steps(self) -> int:
        """Return the global batches of the epoch, which are the steps of every process."""
        return -(-len(self.order) // self.batch_size)

    def global_rows(self, batch: int) -> NDArray[np.integer]:
        """Return the rows of a whole global batch, in order, shape (up to batch_size,)."""
        start = batch * self.batch_size
        return self.order[start : start + self.batch_size]

    def rows(self, batch: int, rank: int) -> NDArray[np.integer]:
        """Return the rows of a global batch for one process.

        Empty where a last batch has fewer pairs than processes: that process takes a step with a
        placeholder of weight 0, or the others would wait for it.
        """
        return self.global_rows(batch)[rank :: self.ranks]

    def batches(self, worker: int = 0, workers: int = 1, *, start_batch: int = 0) -> range:
        """Return the global batches that one worker of a process makes, in order.

        Args:
            worker: DataLoader worker id, in [0, workers).
            workers: workers of this process; 0 counts as 1.
            start_batch: first global batch of an epoch that is resumed in the middle.
        """
        return range(start_batch + worker, self.steps, max(workers, 1))

    def share(self, rank: int) -> int:
        """Return the number of pairs that one process handles in the epoch."""
        whole, rest = divmod(len(self.order), self.batch_size)
        sizes = (self.batch_size, rest)
        own = [max(0, -(-(size - rank) // self.ranks)) for size in sizes]
        return whole * own[0] + own[1]


def shuffled(n: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Permute ``range(n)``, depending on seed and epoch only, shape (n,)."""
    return np.random.default_rng([seed, epoch, _PAIRS]).permutation(n)


def shuffled_shards(n: int, *, seed: int | None, epoch: int) -> NDArray[np.int64]:
    """Return the order of an epoch's shards, shape (n,); not shuffled without a seed."""
    if seed is None:
        return np.arange(n)
    return np.random.default_rng([seed, epoch, _SHARDS]).permutation(n)


class PoolOrder:
    """Order of the kept pairs of many shards, shuffled within pools of shards, in pieces.

    The shards are permuted, taken ``pool`` at a time, and the kept pairs of a pool are permuted
    among themselves. Only pools in use are held, so a million pairs cost no more than ten thousand.
    Without a seed the shards' order stays.
    """

    def __init__(
        self,
        bounds: NDArray[np.int64],
        kept: NDArray[np.bool_] | None = None,
        *,
        seed: int | None = None,
        epoch: int = 0,
        pool: int = 1,
    ) -> None:
        """Plan the pools.

        Args:
            bounds: first row of every shard and the number of rows, ascending, shape (shards + 1,).
            kept: which rows are used, shape (rows,); None takes all.
            seed: None keeps the order of the shards.
            epoch: the same seed gives another order in every epoch.
            pool: shards that are mixed with each other, at least 1; ignored without a seed.
        """
        if pool < 1:
            raise ConfigError(
                f"a shuffle pool of {pool} shards", expected="1 or more", todo="correct it"
            )
        self._bounds, self._kept, self._seed, self._epoch = bounds, kept, seed, epoch
        shards = len(bounds) - 1
        order = shuffled_shards(shards, seed=seed, epoch=epoch)
        pool = 1 if seed is None else pool
        self._pools = [order[at : at + pool] for at in range(0, shards, pool)]
        counts = np.diff(bounds) if kept is None else _count(kept, bounds)
        sizes = [int(counts[shards_of].sum()) for shards_of in self._pools]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self._held: dict[int, NDArray[np.int64]] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, positions: slice) -> NDArray[np.int64]:
        """Return the rows at some positions, shape (positions,)."""
        start, stop, step = positions.indices(len(self))
        if step < 1:
            raise IndexError("an order is read forwards")
        if start >= stop:
            return np.empty(0, dtype=np.int64)
        first, last = self.pool_at(start), self.pool_at(stop - 1)
        rows = np.concatenate([self.pool_rows(pool) for pool in range(first, last + 1)])
        offset = int(self._starts[first])
        return rows[start - offset : stop - offset : step]

    def pool_at(self, position: int) -> int:
        """Return the pool of a position."""
        return int(np.searchsorted(self._starts, position, side="right")) - 1

    def pool_shards(self, pool: int) -> NDArray[np.int64]:
        """Return the shards of one pool, in the order of the epoch."""
        return self._pools[pool]

    def pool_rows(self, pool: int) -> NDArray[np.int64]:
        """Return the kept rows of one pool, in the order of the epoch."""
        if pool not in self._held:
            rows = np.concatenate([self._shard_rows(int(shard)) for shard in self._pools[pool]])
            if self._seed is not None:
                rng = np.random.default_rng([self._seed, self._epoch, _POOL, pool])
                rows = rng.permutation(rows)
            # A batch may span two pools; older pools are not needed again.
            self._held = {p: held for p, held in self._held.items() if abs(p - pool) < 2}
            self._held[pool] = rows
        return self._held[pool]

    def _shard_rows(self, shard: int) -> NDArray[np.int64]:
        first, end = int(self._bounds[shard]), int(self._bounds[shard + 1])
        if self._kept is None:
            return np.arange(first, end)
        return first + np.flatnonzero(self._kept[first:end])


def _count(kept: NDArray[np.bool_], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    pieces = [kept[a:b].sum() for a, b in pairwise(bounds.tolist())]
    return np.asarray(pieces, dtype=np.int64)
