"""Learning rate and weight decay of each parameter."""

from __future__ import annotations

from typing import Any

from torch import nn

from interestingness.errors import ConfigError
from interestingness.models.blocks import depths, is_input
from interestingness.models.scorer import Scorer


class ParameterGroups:
    """Parameter groups for any torch optimiser, by depth and by kind of parameter.

    The head has the optimiser's learning rate. The backbone's last layer has ``backbone_lr`` times
    that rate, and each earlier layer ``layer_decay`` times the rate of the next one. Weight decay
    applies to matrices only, not to biases, norms and embeddings.

    Source:
        Layer-wise decay: Howard and Ruder 2018; Bao et al. 2022 (BEiT) for transformers of images.
    """

    def __init__(self, *, backbone_lr: float, layer_decay: float) -> None:
        """Keep the factors.

        Args:
            backbone_lr: rate of the last layer as a multiple of the optimiser's, above 0.
            layer_decay: from layer to layer, in (0, 1]; 1 gives all layers the same rate.

        Raises:
            ConfigError: for factors outside these ranges.
        """
        if not (backbone_lr > 0 and 0 < layer_decay <= 1):
            raise ConfigError(
                f"model.groups.backbone_lr={backbone_lr} model.groups.layer_decay={layer_decay}",
                expected="backbone_lr above 0, and layer_decay above 0 and at most 1",
                todo="model.groups.backbone_lr=0.01 model.groups.layer_decay=0.75",
            )
        self.backbone_lr, self.layer_decay = backbone_lr, layer_decay

    def of(self, scorer: Scorer, others: nn.Module | None = None) -> list[dict[str, Any]]:
        """Groups of the parameters that require a gradient.

        Args:
            scorer: head and, if it is trained too, backbone.
            others: another module that is trained, e.g. a loss with parameters.

        Returns:
            ``{"params", "lr_scale"}`` for each group, and ``"weight_decay": 0.0`` for those without
            weight decay. Multiply each group's ``lr`` by ``lr_scale`` once the optimiser is made.
        """
        groups: dict[tuple[float, bool], dict[str, Any]] = {}

        def put(name: str, parameter: nn.Parameter, scale: float) -> None:
            spared = parameter.ndim < 2 or is_input(name)
            group = groups.setdefault((scale, spared), {"params": [], "lr_scale": scale})
            group["params"].append(parameter)
            if spared:
                group["weight_decay"] = 0.0

        backbone = scorer.backbone
        # A network without blocks has one rate, so blocks are looked for only if they are needed.
        depth = {}
        if backbone is not None and self.layer_decay < 1:
            depth = depths(backbone.network)
        last = max(depth.values(), default=0)
        for name, parameter in scorer.named_parameters():
            if not parameter.requires_grad:
                continue
            if not name.startswith("backbone."):
                put(name, parameter, 1.0)
                continue
            below = last - depth.get(name.removeprefix("backbone.network."), last)
            put(name, parameter, self.backbone_lr * self.layer_decay**below)
        # Weight decay would bias a loss's parameters, which are not weights.
        for parameter in others.parameters() if others is not None else ():
            spared = {"params": [], "lr_scale": 1.0, "weight_decay": 0.0}
            groups.setdefault((1.0, True), spared)["params"].append(parameter)
        return list(groups.values())
