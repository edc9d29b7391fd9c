"""The torchmetrics shell: it accumulates scores over batches and ranks, ``stats`` computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from interestingness.stats.agreement import accuracy
from interestingness.stats.calibration import brier, expected_calibration_error

COLUMNS = ("row", "left", "right", "preference", "weight")
GatheredScores = dict[str, NDArray[Any]]


class PairScores(Metric):
    """Collects columns of pairs; each pair counts once however it was dealt out to ranks.

    Placeholders (row -1) are dropped when they arrive; pairs without a preference (weight 0) are
    kept, since another reference may judge them.
    """

    full_state_update = False
    is_differentiable = False

    def __init__(self, **kwargs: Any) -> None:
        """Set up empty columns."""
        super().__init__(**kwargs)
        for name in COLUMNS:
            self.add_state(name, default=[], dist_reduce_fx="cat")

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
        real = row >= 0
        values = {"row": row, "left": left, "right": right, "preference": preference}
        for name, value in {**values, "weight": weight}.items():
            dtype = torch.int64 if name == "row" else torch.float32
            getattr(self, name).append(value[real].detach().to(dtype))

    @override
    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather columns; a rank without pairs takes part with empty columns of the right type."""
        for name in COLUMNS:
            state = getattr(self, name)
            if isinstance(state, list) and not state:
                dtype = torch.int64 if name == "row" else torch.float32
                state.append(torch.empty(0, dtype=dtype, device=self.device))
        super().sync(*args, **kwargs)

    @property
    @override
    def update_called(self) -> bool:
        """True: a rank without pairs is nothing to warn about."""
        return True

    @override
    def compute(self) -> GatheredScores:
        """Columns over all ranks, each pair once, in ascending order of rows."""
        columns = {name: _column(getattr(self, name)) for name in COLUMNS}
        _, first = np.unique(columns["row"], return_index=True)
        return {name: values[first] for name, values in columns.items()}

    def gathered(self) -> dict[str, Tensor]:
        """What was collected so far on all ranks, to be kept and restored; every rank must ask."""
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
        "brier" and "ece" (of ``sigmoid(margin)``), the last three unweighted; NaN where there is
        nothing to judge by.
    """
    judged = scores["weight"] > 0
    margin = (scores["left"] - scores["right"])[judged].astype(np.float64)
    preference, weight = scores["preference"][judged], scores["weight"][judged]
    if not judged.any():
        nothing = dict.fromkeys(("loss", "accuracy", "brier", "ece"), float("nan"))
        return {"pairs": 0.0, **nothing}
    each = np.logaddexp(0.0, margin) - preference * margin
    probability = expit(margin)
    return {
        "pairs": float(judged.sum()),
        "loss": float(weight @ each / weight.sum()),
        "accuracy": accuracy(margin, preference),
        "brier": brier(probability, preference),
        "ece": expected_calibration_error(probability, preference),
    }


def _column(state: list[Tensor] | Tensor) -> NDArray[Any]:
    parts = state if isinstance(state, list) else [state]
    return torch.cat([part.reshape(-1) for part in parts]).cpu().numpy() if parts else np.empty(0)
