"""LaFin's training of a fusion head on rows of modalities, for single images or for pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from interestingness.data.plan import shuffled
from interestingness.errors import DataError
from interestingness.models.fusion import FusionHead
from interestingness.schema import Array

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class FusionRecipe:
    """Settings of the training.

    Attributes:
        lr: learning rate of RMSProp.
        batch_size: images or pairs in a step.
        epochs: number of epochs; the one with the lowest validation loss is kept.
        hidden: units between the last two layers.
        dropout: share of units switched off, in [0, 1).

    Source:
        LaFin: RMSProp 1e-4, batch 512, dropout .5, selection on validation loss. Epochs and hidden
        units are not published.
    """

    lr: float
    batch_size: int
    epochs: int
    hidden: int
    dropout: float


@dataclass(frozen=True, eq=False)
class Examples:
    """Training examples: images, or pairs if ``right`` is given; all of shape (examples,).

    Attributes:
        left: row of the image.
        right: row of the other image; None for single images.
        target: probability of "interesting", or that left is preferred.
        weight: non-negative.
    """

    left: Rows
    right: Rows | None
    target: Array
    weight: Array

    def __getitem__(self, which: Rows) -> Examples:
        right = None if self.right is None else self.right[which]
        return Examples(self.left[which], right, self.target[which], self.weight[which])


def fit_fusion(
    features: NDArray[np.float32],
    widths: Mapping[str, int],
    train: Examples,
    validation: Examples,
    recipe: FusionRecipe,
    *,
    reduce: bool,
    seed: int,
) -> Array:
    """Scores of all images in logits after the epoch of lowest validation loss, shape (images,).

    Args:
        features: modalities side by side, NaN where one is missing, shape (images, dim).
        widths: of the modalities, by name.
        train, validation: examples to train on, and to choose the epoch by.
        recipe: settings of the training.
        reduce: False concatenates the modalities as they are.
        seed: of weights, dropout and order. The caller's random state does not change.

    Raises:
        DataError: if a part has no examples.
    """
    for name, part in (("training", train), ("validation", validation)):
        if not len(part.left) or not part.weight.sum() > 0:
            raise DataError(
                f"no {name} example with a label and a weight",
                expected="training and validation examples: the epoch is chosen by validation loss",
                todo="choose a split with a validation part: split=lafin_64_16_20",
            )
    rows = torch.from_numpy(np.ascontiguousarray(features))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = FusionHead(
            features.shape[1],
            widths=widths,
            hidden=recipe.hidden,
            dropout=recipe.dropout,
            reduce=reduce,
        )
        optimizer = torch.optim.RMSprop(head.parameters(), lr=recipe.lr)
        least, best = np.inf, np.zeros(len(features))
        for epoch in range(recipe.epochs):
            head.train()
            order = shuffled(len(train.left), seed=seed, epoch=epoch)
            for start in range(0, len(order), recipe.batch_size):
                optimizer.zero_grad()
                _loss(head, rows, train[order[start : start + recipe.batch_size]]).backward()
                optimizer.step()
            head.eval()
            with torch.inference_mode():
                loss = float(_loss(head, rows, validation))
                if loss < least:
                    least, best = loss, head(rows).double().numpy()
    return best


def _loss(head: FusionHead, rows: torch.Tensor, some: Examples) -> torch.Tensor:
    """Weighted mean cross-entropy in nats; an image in several pairs is scored once."""
    both = some.left if some.right is None else np.concatenate([some.left, some.right])
    images, place = np.unique(both, return_inverse=True)
    scores = head(rows[torch.from_numpy(images)])
    logit = scores[torch.from_numpy(place[: len(some.left)])]
    if some.right is not None:
        logit = logit - scores[torch.from_numpy(place[len(some.left) :])]
    target, weight = (torch.from_numpy(v).float() for v in (some.target, some.weight))
    loss = binary_cross_entropy_with_logits(logit, target, weight, reduction="sum")
    return loss / weight.sum().clamp(min=1e-12)
