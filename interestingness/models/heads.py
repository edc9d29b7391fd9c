"""Heads: networks from a feature vector to a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from interestingness.errors import ConfigError, WeightsError
from interestingness.ranges import Count, Share

ACTIVATIONS = ("none", "relu")


class Head(nn.Module, ABC):
    """Feature vector → score in logits.

    Attributes:
        kind: short name in checkpoints.
        dim: length of a feature vector.
        can_shift: whether it can learn to add a constant to all scores, which cancels in margins.
    """

    kind: str
    dim: int
    can_shift: bool = True

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Scores in logits, shape (N,), of features (N, dim)."""

    def shiftable(self) -> Head:
        """This head, or a new one of its kind that can add a constant."""
        return self

    @abstractmethod
    def weights(self) -> list[Tensor]:
        """The tensors that L2 applies to: weights, not biases."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Plain keyword arguments that build the same head again, ``dim`` included."""


class LinearHead(Head):
    """One linear neuron without bias: ``score = w · feature``.

    A bias would cancel in every margin. The weights start at zero, where the loss is ln 2; the
    problem is convex, so that a random start is not needed.

    Source:
        Abdullahu and Grabner 2025.
    """

    kind = "linear"
    can_shift = False

    def __init__(self, dim: int) -> None:
        """Create a neuron for features of length ``dim``."""
        super().__init__()
        self.dim = dim
        self.weight = nn.Parameter(torch.zeros(dim))

    def forward(self, features: Tensor) -> Tensor:
        """Scores in logits, shape (N,)."""
        return features @ self.weight

    def shiftable(self) -> Head:
        """A linear neuron with a bias, which starts at zero too."""
        head = LayersHead(self.dim, hidden=[], activation="none")
        for parameter in head.parameters():
            nn.init.zeros_(parameter)
        return head

    def weights(self) -> list[Tensor]:
        """The weight vector."""
        return [self.weight]

    def options(self) -> dict[str, Any]:
        """``dim``."""
        return {"dim": self.dim}


class MLPHead(Head):
    """One hidden layer of GELU units with dropout, then a linear neuron without bias."""

    kind = "mlp"

    def __init__(self, dim: int, *, hidden: Count, dropout: Share) -> None:
        """Layers for features of length ``dim``.

        Args:
            dim: length of a feature vector.
            hidden: number of hidden units.
            dropout: share of hidden units switched off while training, in [0, 1).

        Raises:
            ConfigError: for no hidden unit, or a dropout outside [0, 1).
        """
        super().__init__()
        check_layers(hidden, dropout)
        self.dim, self.hidden, self.dropout = dim, hidden, dropout
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, 1, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Scores in logits, shape (N,)."""
        scores: Tensor = self.layers(features)
        return scores[:, 0]

    def weights(self) -> list[Tensor]:
        """The weights of both layers."""
        return [p for name, p in self.named_parameters() if name.endswith("weight")]

    def options(self) -> dict[str, Any]:
        """``dim``, ``hidden`` and ``dropout``."""
        return {"dim": self.dim, "hidden": self.hidden, "dropout": self.dropout}


class LayersHead(Head):
    """A chain of linear layers with biases, as in published heads.

    Without hidden layers it is one neuron with a bias, which cancels in margins and matters if the
    score is a rating.
    """

    kind = "layers"

    def __init__(self, dim: int, *, hidden: Sequence[int], activation: str) -> None:
        """Layers for features of length ``dim``.

        Args:
            dim: length of a feature vector.
            hidden: units of each hidden layer, from the feature on.
            activation: after each hidden layer: "none" (all linear) or "relu".

        Raises:
            ConfigError: for another activation, or a layer without units.
        """
        super().__init__()
        if activation not in ACTIVATIONS or any(units < 1 for units in hidden):
            raise ConfigError(
                f"model.head.hidden={list(hidden)} model.head.activation={activation}",
                expected=f"one unit or more in each layer; {' or '.join(ACTIVATIONS)}",
                todo="model.head.hidden=[64] model.head.activation=relu",
            )
        self.dim, self.hidden, self.activation = dim, list(hidden), activation
        sizes = [dim, *self.hidden, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, features: Tensor) -> Tensor:
        """Scores, shape (N,), in the unit of the published ratings."""
        for number, layer in enumerate(self.layers):
            if number and self.activation == "relu":
                features = nn.functional.relu(features)
            features = layer(features)
        return features[:, 0]

    def weights(self) -> list[Tensor]:
        """The weights of all layers."""
        return [p for name, p in self.named_parameters() if name.endswith("weight")]

    def options(self) -> dict[str, Any]:
        """``dim``, ``hidden`` and ``activation``."""
        return {"dim": self.dim, "hidden": self.hidden, "activation": self.activation}


def check_layers(hidden: int, dropout: float) -> None:
    """Refuse a hidden layer without units, and impossible dropout.

    Raises:
        ConfigError: for no hidden unit, or a dropout outside [0, 1).
    """
    if hidden < 1:
        raise ConfigError(
            f"model.head.hidden={hidden}",
            expected="at least one hidden unit",
            todo="model.head.hidden=64",
        )
    if not 0 <= dropout < 1:
        raise ConfigError(
            f"model.head.dropout={dropout}",
            expected="dropout in [0, 1), a share of the units",
            todo="model.head.dropout=0.1, or 0 for none",
        )


HEADS: dict[str, type[Head]] = {head.kind: head for head in (LinearHead, MLPHead, LayersHead)}
"""Heads by kind, for loading checkpoints; a plugin adds its own class here."""


def build_head(spec: Mapping[str, Any]) -> Head:
    """The head that ``{"kind": …, **options}`` describes, with fresh weights.

    Raises:
        WeightsError: for a kind that is not known here.
    """
    options = dict(spec)
    kind = options.pop("kind", None)
    if kind not in HEADS:
        raise WeightsError(
            f"a head of kind {kind!r}",
            expected=f"one of {', '.join(sorted(HEADS))}",
            todo="install the package that defines it and adds it to models.heads.HEADS",
        )
    return HEADS[kind](**options)
