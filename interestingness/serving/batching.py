"""Images of many requests → batches for the network, as large as what is waiting."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interestingness.library.scorer import LoadedScorer

MOST = 16
"""Images of a batch; while one runs, the next is decoded."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    pixels: Tensor
    features: Future[NDArray[np.float32]]


class Batcher:
    """One thread that owns the network; nobody waits for a batch to fill.

    It takes what is waiting, at most ``most`` images, and runs it. While the network is busy,
    requests add up, so that batches grow with the load by themselves.
    """

    def __init__(
        self,
        scorer: LoadedScorer,
        *,
        most: int = MOST,
        note: Callable[[int], None] = lambda images: None,
    ) -> None:
        """Start the thread.

        Args:
            scorer: with a backbone.
            most: images of a batch.
            note: called with the size of each batch.
        """
        self._scorer, self._most, self._note = scorer, most, note
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def submit(self, pixels: Tensor) -> Future[NDArray[np.float32]]:
        """Return the future features, shape (dim,), of one decoded image."""
        waiting = _Waiting(pixels, Future())
        self._queue.put(waiting)
        return waiting.features

    def close(self) -> None:
        """Run what is waiting, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        with self._scorer.forward(self._most) as forward:
            while batch := self._taken():
                self._note(len(batch))
                try:
                    found = forward(torch.stack([one.pixels for one in batch])).numpy()
                    for one, row in zip(batch, found, strict=True):
                        one.features.set_result(row)
                except Exception as error:  # one batch fails, the server goes on
                    for one in batch:
                        if not one.features.done():
                            one.features.set_exception(error)

    def _taken(self) -> list[_Waiting]:
        """Wait for one image, then take those that wait too; empty at the end."""
        first = self._queue.get()
        batch: list[_Waiting] = []
        while first is not None:
            batch.append(first)
            if len(batch) == self._most:
                break
            try:
                first = self._queue.get_nowait()
            except queue.Empty:
                break
        if first is None and batch:
            self._queue.put(None)  # the end comes after this batch
        return batch
