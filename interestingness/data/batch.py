"""A batch of pairs: each distinct image once, and pairs as rows of these images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class SkippedPair(NamedTuple):
    """A pair that a batch lacks because one of its images could not be read.

    Attributes:
        row: row of the pair in the data set's ``Pairs``.
        image_id: the unreadable image.
        reason: why.
    """

    row: int
    image_id: str
    reason: str


@dataclass
class PairBatch:
    """The learner's input.

    Attributes:
        images: distinct images of this batch, float (U, 3, H, W) or bytes, as the backbone's
            transform gives them; or cached features (U, dim).
        left: row of the left image in ``images``, shape (B,), int64.
        right: row of the right image, shape (B,), int64.
        preference: probability that left is preferred, in [0, 1], shape (B,); 0.5 where unused.
        weight: non-negative, 0 for placeholders, shape (B,).
        row: row of the pair in the data set's ``Pairs``, -1 for a placeholder, shape (B,), int64.
        normalizer: total weight of the global batch divided by the number of processes, scalar. The
            loss is ``sum(weight * loss) / normalizer``, so that the mean over processes of its
            gradient is the gradient of the global weighted mean, also of an uneven last batch.
        skipped: pairs that were left out because an image could not be read. The normalizer still
            counts them, since other processes cannot know.
    """

    images: Tensor
    left: Tensor
    right: Tensor
    preference: Tensor
    weight: Tensor
    row: Tensor
    normalizer: Tensor
    skipped: tuple[SkippedPair, ...] = ()

    def to(self, device: torch.device | str, non_blocking: bool = False) -> PairBatch:
        """Move the batch to a device."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> PairBatch:
        """Copy the batch to page-locked memory (called by DataLoader)."""
        return self._mapped(lambda tensor: tensor.pin_memory())

    def _mapped(self, function: Callable[[Tensor], Tensor]) -> PairBatch:
        return PairBatch(
            images=function(self.images),
            left=function(self.left),
            right=function(self.right),
            preference=function(self.preference),
            weight=function(self.weight),
            row=function(self.row),
            normalizer=function(self.normalizer),
            skipped=self.skipped,
        )
