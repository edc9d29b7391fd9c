"""torchmetrics shells: they only accumulate pairs, ``stats`` computes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from interestingness.stats.agreement import accuracy
from interestingness.stats.calibration import brier, expected_calibration_error
from interestingness.stats.columns import Array

_COLUMNS = ("row", "margin", "preference", "weight")


class PairMetric(Metric):
    """Collects (row, margin, preference, weight) over batches and ranks; each pair counts once.

    Placeholders (row -1 or weight 0) are dropped when they arrive. A row that several ranks or
    batches have seen counts once, so the result does not depend on how the pairs were dealt out.
    Ranks may hold different numbers of pairs, or none.
    """

    full_state_update = False
    is_differentiable = False
    row: list[Tensor]
    margin: list[Tensor]
    preference: list[Tensor]
    weight: list[Tensor]

    def __init__(self, *, weighted: bool = False, **kwargs: Any) -> None:
        """Set up empty states.

        Args:
            weighted: let the pairs' weights count; else they only mark placeholders.
            kwargs: of ``torchmetrics.Metric``.
        """
        super().__init__(**kwargs)
        self.weighted = weighted
        for name in _COLUMNS:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self, row: Tensor, margin: Tensor, preference: Tensor, weight: Tensor | None = None
    ) -> None:
        """Add a batch.

        Args:
            row: row of the pair in the data set's ``Pairs``, -1 for a placeholder, shape (B,).
            margin: score of left minus score of right, in logits, shape (B,).
            preference: probability that left is preferred, in [0, 1]; NaN none, shape (B,).
            weight: non-negative, 0 for a placeholder, shape (B,); None weighs pairs alike.
        """
        weight = torch.ones_like(margin) if weight is None else weight
        real = (row >= 0) & (weight > 0)
        self.row.append(row[real].detach().long())
        self.margin.append(margin[real].detach().float())
        self.preference.append(preference[real].detach().float())
        self.weight.append(weight[real].detach().float())

    @override
    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather states; an empty rank takes part with empty columns of the right type.

        torchmetrics would send an empty float column in place of ``row``, which ends in a crash of
        gloo: the ranks disagree on the size of an element.
        """
        for name in _COLUMNS:
            state = getattr(self, name)
            if isinstance(state, list) and not state:
                kind = torch.int64 if name == "row" else torch.float32
                state.append(torch.empty(0, dtype=kind, device=self.device))
        super().sync(*args, **kwargs)

    @property
    @override
    def update_called(self) -> bool:
        """True: a rank without pairs is nothing to warn about."""
        return True

    @override
    def compute(self) -> Tensor:
        """The statistic over all distinct pairs, a scalar; NaN if there is none."""
        rows, margin, preference, weight = (_column(getattr(self, name)) for name in _COLUMNS)
        _, first = np.unique(rows, return_index=True)
        value = self.statistic(
            margin[first], preference[first], weight[first] if self.weighted else None
        )
        return torch.tensor(value, dtype=torch.float32, device=self.device)

    @abstractmethod
    def statistic(self, margin: Array, preference: Array, weight: Array | None) -> float:
        """A pure function of ``stats`` on distinct pairs, in ascending order of their rows."""


class PairAccuracy(PairMetric):
    """Share of decided pairs on which the model chooses the preferred side; chance is 0.5."""

    higher_is_better = True

    @override
    def statistic(self, margin: Array, preference: Array, weight: Array | None) -> float:
        """See ``stats.agreement.accuracy``."""
        return accuracy(margin, preference, weight=weight)


class PairBrier(PairMetric):
    """Mean squared distance between ``sigmoid(margin)`` and the preference."""

    higher_is_better = False

    @override
    def statistic(self, margin: Array, preference: Array, weight: Array | None) -> float:
        """See ``stats.calibration.brier``."""
        return brier(_sigmoid(margin), preference, weight=weight)


class PairCalibrationError(PairMetric):
    """Expected calibration error of ``sigmoid(margin)``."""

    higher_is_better = False

    @override
    def statistic(self, margin: Array, preference: Array, weight: Array | None) -> float:
        """See ``stats.calibration.expected_calibration_error``."""
        return expected_calibration_error(_sigmoid(margin), preference, weight=weight)


def _column(state: list[Tensor] | Tensor) -> Array:
    """A state as numpy, whether still a list or already gathered."""
    parts = state if isinstance(state, list) else [state]
    if not parts:
        return np.empty(0)
    return torch.cat([part.reshape(-1) for part in parts]).cpu().numpy()


def _sigmoid(margin: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(margin, -700, 700)))
