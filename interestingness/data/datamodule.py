"""The LightningDataModule: one loader per side of the split, whatever the batches are made of."""

from __future__ import annotations

from collections.abc import Callable

import lightning as L

from interestingness.data.loader import BatchSource, EpochLoader

SideFactory = Callable[[str, int, int], tuple[BatchSource, int] | None]
"""``factory(side, rank, ranks)`` gives the batches of "train", "validation" or "test" and their
number per epoch, or None for an empty side."""


class PairDataModule(L.LightningDataModule):
    """Hands Lightning a loader per side; who makes the batches is the factory's business."""

    def __init__(self, sides: SideFactory) -> None:
        """Keep the factory.

        Args:
            sides: see ``SideFactory``.
        """
        super().__init__()
        self._sides = sides

    def _loader(self, side: str) -> EpochLoader | list[EpochLoader]:
        trainer = self.trainer
        rank, ranks = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        found = self._sides(side, rank, ranks)
        return EpochLoader(*found) if found is not None else []

    def train_dataloader(self) -> EpochLoader | list[EpochLoader]:
        """Training pairs with a label, in a new order every epoch."""
        return self._loader("train")

    def val_dataloader(self) -> EpochLoader | list[EpochLoader]:
        """Validation pairs in fixed order; an empty list where the split has none."""
        return self._loader("validation")

    def test_dataloader(self) -> EpochLoader | list[EpochLoader]:
        """Test pairs in fixed order."""
        return self._loader("test")
