"""The part of a backbone that is trained: all of it, its last blocks, or low-rank updates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from interestingness.errors import WeightsError
from interestingness.models.backbone import Backbone
from interestingness.models.blocks import depths, find_blocks
from interestingness.models.low_rank import LowRankUpdate, add_low_rank


class Tuning(ABC):
    """Makes part of a frozen network trainable.

    Attributes:
        kind: short name in checkpoints.
    """

    kind: str

    @abstractmethod
    def open(self, network: nn.Module) -> None:
        """Turn gradients on for the parameters to train; the others stay frozen."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Plain keyword arguments that build the same tuning again."""


class FullTuning(Tuning):
    """Every parameter."""

    kind = "full"

    def open(self, network: nn.Module) -> None:
        """Make all parameters trainable."""
        network.requires_grad_(True)

    def options(self) -> dict[str, Any]:
        """None."""
        return {}


class LastBlocks(Tuning):
    """The last blocks of a transformer and the layers after them (norm, projection)."""

    kind = "last_blocks"

    def __init__(self, *, blocks: int) -> None:
        """Keep the number of blocks.

        Args:
            blocks: counted from the end; 0 trains only the layers after the blocks.
        """
        self.blocks = blocks

    def open(self, network: nn.Module) -> None:
        """Make the last blocks and the layers after them trainable.

        Raises:
            WeightsError: if the network has no blocks, or fewer than asked for.
        """
        total = len(find_blocks(network))
        if not 0 <= self.blocks <= total:
            raise WeightsError(
                f"model.tuning.blocks={self.blocks}: the last {self.blocks} blocks of {total}",
                expected=f"a number from 0 to {total}",
                todo=f"model.tuning.blocks={total}, or model/tuning=full",
            )
        depth = depths(network)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(depth[name] > total - self.blocks)

    def options(self) -> dict[str, Any]:
        """``blocks``."""
        return {"blocks": self.blocks}


class LowRank(Tuning):
    """Low-rank updates of chosen matrices (LoRA); the network's own weights stay frozen."""

    kind = "low_rank"

    def __init__(self, *, rank: int, alpha: float, targets: Sequence[str]) -> None:
        """Keep the options of ``models.low_rank.add_low_rank``."""
        self.rank, self.alpha, self.targets = rank, alpha, list(targets)

    def open(self, network: nn.Module) -> None:
        """Add the updates if the network has none, and make them trainable.

        Raises:
            WeightsError: for impossible targets or ranks.
        """
        if not any(isinstance(m, LowRankUpdate) for m in network.modules()):
            add_low_rank(network, self.targets, rank=self.rank, alpha=self.alpha)
        for module in network.modules():
            if isinstance(module, LowRankUpdate):
                module.requires_grad_(True)

    def options(self) -> dict[str, Any]:
        """``rank``, ``alpha`` and ``targets``."""
        return {"rank": self.rank, "alpha": self.alpha, "targets": self.targets}


TUNINGS: dict[str, type[Tuning]] = {t.kind: t for t in (FullTuning, LastBlocks, LowRank)}


def tune(backbone: Backbone, tuning: Tuning) -> Backbone:
    """Make the part of a backbone that a tuning names trainable."""
    backbone.freeze()
    tuning.open(backbone.network)
    return backbone.opened({"kind": tuning.kind, **tuning.options()})


def tune_as(backbone: Backbone, spec: Mapping[str, Any]) -> Backbone:
    """Make a backbone trainable as ``{"kind": …, **options}`` of a checkpoint describes.

    Raises:
        WeightsError: for a kind that is not known here.
    """
    options = dict(spec)
    kind = options.pop("kind", None)
    if kind not in TUNINGS:
        raise WeightsError(
            f"a backbone tuned by {kind!r}",
            expected=f"one of {', '.join(sorted(TUNINGS))}",
            todo="use the version of interestingness that wrote the checkpoint",
        )
    return tune(backbone, TUNINGS[kind](**options))


def checkpoint_gradients(backbone: Backbone) -> None:
    """Recompute activations inside blocks in the backward pass: slower, but with less memory.

    Raises:
        WeightsError: if the network's library has no such option.
    """
    switch = getattr(backbone.network, "set_grad_checkpointing", None)
    if switch is None:
        raise WeightsError(
            f"{backbone.contract.architecture} ({backbone.contract.family}) cannot recompute "
            "activations",
            expected="a network of open_clip or timm",
            todo="model.gradient_checkpointing=false, and a smaller data.batch_size",
        )
    switch(True)
