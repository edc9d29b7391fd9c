"""Backbones from timm, DINOv2 among them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from interestingness.errors import ConfigError, WeightsError
from interestingness.models.backbone import Backbone
from interestingness.models.backbones.loading import (
    licence_of,
    load_weights,
    one_size,
    options_hash,
)
from interestingness.models.contract import EmbeddingContract
from interestingness.models.hub import HubFile
from interestingness.models.weights import resolve_weights, seeded

SIZES = range(32, 4097)
"""Heights and widths in pixels: at least a patch, and small enough for memory."""


class TimmBackbone(Backbone):
    """A network of timm (DINOv2 among them): pooled features before the classifier."""

    reentrant = True

    def __init__(
        self,
        architecture: str,
        *,
        weights: str,
        image_size: int | None,
        licence: str,
        global_pool: str | None = None,
    ) -> None:
        """Build the network; timm's own data config says how images are prepared.

        Args:
            architecture: a name of ``timm.list_models(pretrained=True)``, tag included.
            weights: "hub", the path of a checkpoint in timm's layout, or "random[:seed]".
            image_size: height and width in pixels; None takes timm's.
            licence: of the published weights.
            global_pool: how tokens become one feature: "token" (the class token), "avg", …; None
                takes timm's.

        Raises:
            ConfigError: for an image size outside ``SIZES``, or a pooling that the network lacks.
            WeightsError: for an unknown architecture, unusable weights or preprocessing.
        """
        import timm

        if image_size is not None and image_size not in SIZES:
            raise ConfigError(
                f"model.backbone.image_size={image_size}",
                expected=f"{SIZES[0]} to {SIZES[-1]} pixels, or null for the network's own",
                todo="model.backbone.image_size=224",
            )

        if not timm.is_model(architecture.split(".")[0]):
            raise WeightsError(
                f"timm knows no network {architecture!r}",
                expected="a name of timm.list_models(pretrained=True)",
                todo="python -c \"import timm; print(timm.list_models('*dinov2*'))\"",
            )
        config = timm.get_pretrained_cfg(architecture)
        hub = config.hf_hub_id if config is not None else None
        files = (config.hf_hub_filename or "model.safetensors",) if hub else ()
        published = HubFile(hub, (*files, "pytorch_model.bin"), licence) if hub else None
        found = resolve_weights(weights, published, name=architecture)
        size = {} if image_size is None else {"img_size": image_size}
        pooling = {} if global_pool is None else {"global_pool": global_pool}
        given: dict[str, Any] = {"pretrained": False, "num_classes": 0, **pooling}
        with seeded(found.seed):
            network = _network(architecture, given, size)
        sha = load_weights(network, found, architecture, _timm_layout)
        data = timm.data.resolve_model_data_config(network)
        pixels = image_size or one_size(data["input_size"][1:], architecture)
        squash = data["crop_mode"] == "squash"
        if data["crop_mode"] not in {"center", "squash"}:
            raise WeightsError(
                f"{architecture}: timm prepares images with crop mode {data['crop_mode']!r}",
                expected="center or squash",
                todo="give the backbone a transform of its own (docs/add/backbone.md)",
            )
        contract = EmbeddingContract(
            family="timm",
            architecture=architecture,
            architecture_hash=options_hash(size),
            weights_sha256=sha,
            dim=int(network.head_hidden_size),
            image_size=pixels,
            resize="squash" if squash else "shortest",
            resize_size=math.floor(pixels / data["crop_pct"]),
            interpolation=data["interpolation"],
            mean=tuple(data["mean"]),
            std=tuple(data["std"]),
            pooling=global_pool or "",
        )
        super().__init__(network, contract, licence=licence_of(found, licence), origin=found.origin)

    def forward(self, images: Tensor) -> Tensor:
        """Features before the classifier, shape (B, dim)."""
        features: Tensor = self.network(images)
        return features


def _network(architecture: str, given: dict[str, Any], size: dict[str, int]) -> Any:
    import timm

    try:
        try:
            return timm.create_model(architecture, **given, **size)
        except TypeError:
            # Convolutional networks take any size and have no such argument.
            return timm.create_model(architecture, **given)
    except AssertionError:
        if "global_pool" not in given:
            raise
        raise ConfigError(
            f"model.backbone.global_pool={given['global_pool']} for {architecture}",
            expected="token or avg, as far as the network has them, or null for timm's own",
            todo="correct it, or leave it out",
        ) from None


def _timm_layout(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Original checkpoints in timm's names, position embeddings at our size, no classifier."""
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    converted = dict(convert(dict(state), network) if convert else state)
    names: Any = network.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr,operator]
    own = network.state_dict()
    for name in (names,) if isinstance(names, str) else names:
        for entry in (f"{name}.weight", f"{name}.bias"):
            if entry not in own:
                converted.pop(entry, None)
    return converted
