"""Several modalities of an image → one score: LaFin's fusion, and plain concatenation.

A row holds the modalities of an image side by side. A missing one is NaN, so that code which does
not check for it cannot mistake it for a vector of zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from interestingness.errors import ConfigError
from interestingness.models.heads import HEADS, Head, check_layers
from interestingness.ranges import Count, Share


class FusionHead(Head):
    """Reduces each modality to the width of the smallest, concatenates them, adds two layers.

    Every modality is first scaled to length √width, because word vectors and image features have
    different units. A learnt vector replaces a missing modality.

    Source:
        LaFin: MLP per modality to the smallest dimension, concatenation, MLP of two layers, ReLU,
        dropout .5. Its hidden widths are not published.
    """

    kind = "fusion"

    def __init__(
        self, dim: int, *, widths: Mapping[str, int], hidden: Count, dropout: Share, reduce: bool
    ) -> None:
        """Layers for modalities side by side.

        Args:
            dim: length of a row, the sum of the widths.
            widths: numbers of each modality by name, in the order of the row.
            hidden: units between the last two layers.
            dropout: share of units switched off while training, in [0, 1).
            reduce: False concatenates the modalities as they are (direct concatenation).

        Raises:
            ConfigError: for widths that do not add up, a dropout outside [0, 1), or no hidden unit.
        """
        super().__init__()
        if not widths or sum(widths.values()) != dim:
            raise ConfigError(
                f"a fusion of {dict(widths)} in rows of {dim} numbers",
                expected="widths that add up to the row",
                todo="correct model.modalities",
            )
        check_layers(hidden, dropout)
        self.dim, self.widths, self.hidden = dim, dict(widths), hidden
        self.dropout, self.reduce = dropout, reduce
        least = min(self.widths.values())
        self.modal = nn.ModuleList(
            nn.Sequential(nn.Linear(width, least), nn.ReLU(), nn.Dropout(dropout))
            if reduce
            else nn.Identity()
            for width in self.widths.values()
        )
        after = [least if reduce else width for width in self.widths.values()]
        self.missing = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in after)
        self.joint = nn.Sequential(
            nn.Linear(sum(after), hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Scores in logits, shape (N,), of rows (N, dim) in which a missing modality is NaN."""
        parts = []
        blocks = features.split(list(self.widths.values()), dim=1)
        for block, layers, missing in zip(blocks, self.modal, self.missing, strict=True):
            there = ~torch.isnan(block).any(dim=1, keepdim=True)
            # NaN must not enter a layer: its gradient would be NaN even where it is masked.
            full = torch.where(there, block, torch.zeros_like(block))
            scaled = nn.functional.normalize(full, dim=1) * block.shape[1] ** 0.5
            parts.append(torch.where(there, layers(scaled), missing))
        scores: Tensor = self.joint(torch.cat(parts, dim=1))
        return scores[:, 0]

    def weights(self) -> list[Tensor]:
        """The weights of all layers."""
        return [p for name, p in self.named_parameters() if name.endswith("weight")]

    def options(self) -> dict[str, Any]:
        """Keyword arguments that build the same head."""
        return {
            "dim": self.dim,
            "widths": dict(self.widths),
            "hidden": self.hidden,
            "dropout": self.dropout,
            "reduce": self.reduce,
        }


HEADS[FusionHead.kind] = FusionHead


def row_name(widths: Mapping[str, int]) -> str:
    """Name of a row of modalities for its contract: ``image 1280 + tags 300``."""
    return " + ".join(f"{name} {width}" for name, width in widths.items())


def widths_of(name: str) -> dict[str, int]:
    """The widths that ``row_name`` wrote."""
    parts = [part.rpartition(" ") for part in name.split(" + ")]
    return {modality: int(width) for modality, _, width in parts}
