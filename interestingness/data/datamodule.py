"""The LightningDataModule: one loader per part of the split, whatever the batches are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import torch

from interestingness.data.batch import PairBatch
from interestingness.data.loader import BatchSource, EpochLoader

PartFactory = Callable[[str, int, int], tuple[BatchSource, int] | None]
"""``factory(part, rank, ranks)`` gives the batches of "train", "validation" or "test" and their
number per epoch, or None for an empty part."""


class PairDataModule(L.LightningDataModule):
    """Hands Lightning a loader per part; who makes the batches is the factory's business.

    It remembers how far an epoch of training has come. Lightning does so as well, but forgets it
    where a schedule asks for the number of steps, because loaders are then made too early.
    """

    def __init__(self, parts: PartFactory) -> None:
        """Keep the factory.

        Args:
            parts: see ``PartFactory``.
        """
        super().__init__()
        self._parts = parts
        self._train: EpochLoader | None = None
        self._resumed: dict[str, Any] | None = None

    def _loader(self, part: str) -> EpochLoader | list[EpochLoader]:
        trainer = self.trainer
        rank, ranks = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        found = self._parts(part, rank, ranks)
        return EpochLoader(*found) if found is not None else []

    def train_dataloader(self) -> EpochLoader | list[EpochLoader]:
        """Training pairs with a label, in a new order every epoch."""
        loader = self._loader("train")
        if isinstance(loader, EpochLoader):
            self._train = loader
            if self._resumed is not None:
                loader.load_state_dict(self._resumed)
        return loader

    def val_dataloader(self) -> EpochLoader | list[EpochLoader]:
        """Validation pairs in fixed order; an empty list where the split has none."""
        return self._loader("validation")

    def test_dataloader(self) -> EpochLoader | list[EpochLoader]:
        """Test pairs in fixed order."""
        return self._loader("test")

    def transfer_batch_to_device(
        self, batch: PairBatch, device: torch.device, dataloader_idx: int
    ) -> PairBatch:
        """From page-locked memory without waiting; Lightning waits for what is no plain tensor."""
        return batch.to(device, non_blocking=True)

    def state_dict(self) -> dict[str, Any]:
        """Where training is within its epoch; the same on all ranks."""
        return {} if self._train is None else {"train": self._train.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Called before loaders are made: the next one for training begins there."""
        self._resumed = state_dict.get("train")
