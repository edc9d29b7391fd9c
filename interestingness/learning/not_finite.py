"""Errors for losses and weights that are NaN or infinite: where it happened and what to change."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from interestingness.data.batch import PairBatch
from interestingness.errors import DataError

SMALLER_STEPS = "lower the learning rate, clip gradients, or scale features"


def check_loss(loss: Tensor, scores: Tensor, batch: PairBatch, *, where: str, todo: str) -> None:
    """Refuse a loss that is NaN or infinite, before the optimiser's step.

    Args:
        loss: scalar.
        scores: of the batch's images, shape (U,).
        batch: the batch of the loss.
        where: epoch, batch and step, for the message.
        todo: what the user can change.

    Raises:
        DataError: with the number of scores that are not finite and the first rows of their pairs.
    """
    if torch.isfinite(loss):
        return
    bad = ~torch.isfinite(scores)
    rows = batch.row[bad[batch.left] | bad[batch.right]].tolist()
    pairs = f"; first pairs concerned: rows {rows[:3]}" if rows else ""
    raise DataError(
        f"the loss is {loss.item()} in {where}: {int(bad.sum())} of {len(scores)} scores are not "
        f"finite{pairs}",
        expected="a finite loss",
        todo=f"{todo}; the checkpoint of the last finished epoch is kept",
    )


def check_weights(state: Mapping[str, Tensor], *, where: str, todo: str) -> None:
    """Refuse weights that are NaN or infinite, before they overwrite a good checkpoint.

    A finite loss may have an infinite gradient, so that ``check_loss`` does not catch all of them.

    Raises:
        DataError: with the number of such tensors and the name of the first.
    """
    broken = [name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise DataError(
            f"{len(broken)} weights are not finite at the end of {where}: {broken[0]}, …",
            expected="finite weights",
            todo=f"{todo}; the last good checkpoint, if there is one, is kept",
        )
