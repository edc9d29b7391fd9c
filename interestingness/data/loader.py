"""Load the batches of one process, epoch after epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

from interestingness.data.batch import PairBatch

BatchSource = Callable[[int, int], Iterator[PairBatch]]
"""``source(epoch, start)`` yields the batches of an epoch from batch ``start`` on."""


class EpochLoader:
    """Lightning's loader: a fixed number of batches whose order is a function of the epoch.

    It is its own sampler, because Lightning announces the epoch through ``sampler.set_epoch``. The
    iterator is a generator: nothing is read before the first batch is requested, hence not before
    the epoch is known. ``state_dict`` lets a run resume in the middle of an epoch.
    """

    def __init__(self, source: BatchSource, steps: int) -> None:
        """Wrap a batch source.

        Args:
            source: see ``BatchSource``.
            steps: batches in every epoch, equal in all processes.
        """
        self.source = source
        self.steps = steps
        self.epoch = 0
        self.batch_sampler = None  # Lightning reads it from every sampler
        self._start = 0
        self._done = 0

    @property
    def sampler(self) -> Self:
        """Return the loader itself; see the class."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each one."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[PairBatch]:
        start, self._start = self._start, 0
        self._done = start
        for batch in self.source(self.epoch, start):
            self._done += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return how many batches of this epoch were returned; 0 after the last."""
        return {"done": self._done % self.steps if self.steps else 0}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Start the next iteration after the batches that were returned."""
        self._start = int(state["done"])
