"""Metrics of torchmetrics that gather scores over batches and processes; ``stats`` computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from interestingness.schema import Pairs
from interestingness.stats.agreement import accuracy
from interestingness.stats.calibration import brier, expected_calibration_error

COLUMNS = ("row", "left", "right", "preference", "weight")
GatheredScores = dict[str, NDArray[Any]]


class GatheredColumns(Metric):
    """Columns of numbers that are collected over batches and gathered from all processes."""

    full_state_update = False
    is_differentiable = False
    columns: ClassVar[Mapping[str, torch.dtype]]

    def __init__(self, **kwargs: Any) -> None:
        """Set up empty columns."""
        super().__init__(**kwargs)
        for name in self.columns:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def append(self, values: Mapping[str, Tensor], where: Tensor) -> None:
        """Add the rows of each column where a mask holds."""
        for name, dtype in self.columns.items():
            getattr(self, name).append(values[name][where].detach().to(dtype))

    @override
    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather columns; a process without rows takes part with empty ones of the right type."""
        for name, dtype in self.columns.items():
            state = getattr(self, name)
            if isinstance(state, list) and not state:
                state.append(torch.empty(0, dtype=dtype, device=self.device))
        super().sync(*args, **kwargs)

    @property
    @override
    def update_called(self) -> bool:
        """True: a process without rows is nothing to warn about."""
        return True

    def collected(self) -> dict[str, NDArray[Any]]:
        """The columns as they were collected."""
        return {name: _column(getattr(self, name)) for name in self.columns}


class ImageScores(GatheredColumns):
    """Collects the score of each distinct image of a batch, once.

    A batch knows its images by the pairs that they are in: ``2 · row`` stands for the left image of
    a pair and ``2 · row + 1`` for the right one.
    """

    columns: ClassVar[Mapping[str, torch.dtype]] = {"slot": torch.int64, "score": torch.float32}

    def update(self, row: Tensor, left: Tensor, right: Tensor, score: Tensor) -> None:
        """Add a batch.

        Args:
            row: row of the pair in the data set's ``Pairs``, -1 for a placeholder, shape (B,).
            left: row of the left image in ``score``, shape (B,).
            right: row of the right image, shape (B,).
            score: of the distinct images in logits, shape (U,).
        """
        slot = torch.full_like(score, -1, dtype=torch.int64)
        real = row >= 0
        slot[right[real]] = 2 * row[real] + 1
        slot[left[real]] = 2 * row[real]
        self.append({"slot": slot, "score": score}, slot >= 0)

    @override
    def compute(self) -> GatheredScores:
        """Columns over all processes; ``scores_by_image`` reads them."""
        return self.collected()


def scores_by_image(gathered: GatheredScores, pairs: Pairs) -> NDArray[np.float64]:
    """Score per image of the data set, NaN where it was not tested, shape (images,).

    Args:
        gathered: what ``ImageScores.compute`` gave.
        pairs: all pairs of the data set.
    """
    scores = np.full(len(pairs.image_ids), np.nan)
    row, right = np.divmod(gathered["slot"].astype(np.int64), 2)
    scores[np.where(right, pairs.right[row], pairs.left[row])] = gathered["score"]
    return scores


class PairScores(GatheredColumns):
    """Collects columns of pairs; each pair counts once however it was dealt out to processes.

    Placeholders (row -1) are dropped when they arrive; pairs without a preference (weight 0) are
    kept, since another reference may have one.
    """

    columns: ClassVar[Mapping[str, torch.dtype]] = {
        **dict.fromkeys(COLUMNS, torch.float32),
        "row": torch.int64,
    }

    def update(
        self, row: Tensor, left: Tensor, right: Tensor, preference: Tensor, weight: Tensor
    ) -> None:
        """Add a batch.

        Args:
            row: row of the pair in the data set's ``Pairs``, -1 for a placeholder, shape (B,).
            left: scores of the left images in logits, shape (B,).
            right: scores of the right images, shape (B,).
            preference: in [0, 1], shape (B,).
            weight: non-negative, 0 where there is no preference, shape (B,).
        """
        values = {"row": row, "left": left, "right": right, "preference": preference}
        self.append({**values, "weight": weight}, row >= 0)

    @override
    def compute(self) -> GatheredScores:
        """Columns over all processes, each pair once, in ascending order of rows."""
        columns = self.collected()
        _, first = np.unique(columns["row"], return_index=True)
        return {name: values[first] for name, values in columns.items()}

    def gathered(self) -> dict[str, Tensor]:
        """What was collected so far, to be kept and restored; every process must ask."""
        return {name: torch.from_numpy(values) for name, values in self.compute().items()}

    def restore(self, kept: Mapping[str, Tensor]) -> None:
        """Begin with what ``gathered`` gave, or with nothing."""
        self.reset()
        for name, values in kept.items():
            getattr(self, name).append(values.to(self.device))


def pair_metrics(scores: GatheredScores) -> dict[str, float]:
    """Loss, accuracy, Brier score and calibration error over the pairs with a preference.

    Args:
        scores: what ``PairScores.compute`` gave.

    Returns:
        "pairs" (how many have one), "loss" (weighted mean, in nats), "accuracy" (decided pairs),
        "brier" and "ece" (of ``sigmoid(margin)``), the last three unweighted; NaN if no pair
        has a preference.
    """
    known = scores["weight"] > 0
    margin = (scores["left"] - scores["right"])[known].astype(np.float64)
    target, weight = scores["preference"][known], scores["weight"][known]
    preference = np.clip(target, 0.0, 1.0)  # rectified labels leave [0, 1]
    if not known.any():
        nothing = dict.fromkeys(("loss", "accuracy", "brier", "ece"), float("nan"))
        return {"pairs": 0.0, **nothing}
    each = np.logaddexp(0.0, margin) - target * margin
    probability = expit(margin)
    return {
        "pairs": float(known.sum()),
        "loss": float(weight @ each / weight.sum()),
        "accuracy": accuracy(margin, preference),
        "brier": brier(probability, preference),
        "ece": expected_calibration_error(probability, preference),
    }


def _column(state: list[Tensor] | Tensor) -> NDArray[Any]:
    parts = state if isinstance(state, list) else [state]
    return torch.cat([part.reshape(-1) for part in parts]).cpu().numpy() if parts else np.empty(0)
