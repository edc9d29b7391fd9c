"""Which part of a backbone training changes: all of it, its last blocks, or low-rank updates."""

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
    """Opens part of a frozen network for training.

    Attributes:
        kind: short name under which checkpoints know it.
    """

    kind: str

    @abstractmethod
    def open(self, network: nn.Module) -> None:
        """Let gradients reach what is to be trained; all else stays frozen."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Plain keyword arguments that build the same tuning again."""


class FullTuning(Tuning):
    """Every parameter."""

    kind = "full"

    def open(self, network: nn.Module) -> None:
        """All of it."""
        network.requires_grad_(True)

    def options(self) -> dict[str, Any]:
        """None."""
        return {}


class LastBlocks(Tuning):
    """The last blocks of a transformer and what follows them (norm, projection)."""

    kind = "last_blocks"

    def __init__(self, *, blocks: int) -> None:
        """How many.

        Args:
            blocks: from the end; 0 opens what follows the blocks only.
        """
        self.blocks = blocks

    def open(self, network: nn.Module) -> None:
        """Blocks and what follows.

        Raises:
            WeightsError: if the network has no blocks or fewer.
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
        """What gets an update; see ``models.low_rank.add_low_rank``."""
        self.rank, self.alpha, self.targets = rank, alpha, list(targets)

    def open(self, network: nn.Module) -> None:
        """Add the updates, once.

        Raises:
            WeightsError: for targets or ranks that cannot be.
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
    """Open a backbone for training in the way that a tuning says."""
    backbone.freeze()
    tuning.open(backbone.network)
    return backbone.opened({"kind": tuning.kind, **tuning.options()})


def tune_as(backbone: Backbone, spec: Mapping[str, Any]) -> Backbone:
    """Open a backbone as ``{"kind": …, **options}`` of a checkpoint describes.

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
    """Keep no activations inside blocks; compute them again on the way back. Slower, smaller.

    Raises:
        WeightsError: if the network's library offers no such switch.
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
