"""The LightningDataModule: one loader per part of the split."""

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
    """Gives Lightning a loader per part; the factory decides how batches are made.

    It stores the position within an epoch of training. Lightning does so too, but loses it where
    a schedule asks for the number of steps, because loaders are then made too early.
    """

    def __init__(self, parts: PartFactory) -> None:
        """Store the factory.

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
        """Load training pairs with a label, in a new order every epoch."""
        loader = self._loader("train")
        if isinstance(loader, EpochLoader):
            self._train = loader
            if self._resumed is not None:
                loader.load_state_dict(self._resumed)
        return loader

    def val_dataloader(self) -> EpochLoader | list[EpochLoader]:
        """Load validation pairs in fixed order; an empty list if the split has none."""
        return self._loader("validation")

    def test_dataloader(self) -> EpochLoader | list[EpochLoader]:
        """Load test pairs in fixed order."""
        return self._loader("test")

    def transfer_batch_to_device(
        self, batch: PairBatch, device: torch.device, dataloader_idx: int
    ) -> PairBatch:
        """Copy asynchronously from page-locked memory; Lightning does so for plain tensors only."""
        return batch.to(device, non_blocking=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the position of training within its epoch; the same in all processes."""
        return {} if self._train is None else {"train": self._train.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Start the next training loader at this position (called before loaders are made)."""
        self._resumed = state_dict.get("train")
