"""Image towers of CLIP models: those that open_clip knows, and the small one in this package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from interestingness.models.backbone import PHOTOGRAPHS, SYNTHETIC, Backbone
from interestingness.models.backbones.loading import (
    licence_of,
    load_weights,
    one_size,
    options_hash,
)
from interestingness.models.backbones.open_clip_config import (
    check_config_beside,
    model_config,
    published_by,
)
from interestingness.models.contract import EmbeddingContract
from interestingness.models.weights import Weights, resolve_weights, seeded

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Of the colours of OpenAI's training images: open_clip's default preprocessing."""


class OpenClipBackbone(Backbone):
    """The image tower of a CLIP model that open_clip knows; the text tower is never built."""

    reentrant = True

    def __init__(
        self, architecture: str, *, pretrained: str | None, weights: str, licence: str
    ) -> None:
        """Build the tower and load its weights.

        Args:
            architecture: a name of ``open_clip.list_models()``, or the path of a JSON file with a
                model config of open_clip's form (``open_clip_config.json``).
            pretrained: tag that names published weights and, whatever file is loaded, their
                preprocessing; None takes open_clip's default preprocessing.
            weights: "hub", the path of a checkpoint of the whole model or of its image tower, or
                "random[:seed]".
            licence: of the published weights.

        Raises:
            WeightsError: for an unknown architecture or tag, or unusable weights.
        """
        config, preprocessing = model_config(architecture, pretrained)
        published = published_by(architecture, pretrained, licence)
        found = resolve_weights(weights, published, name=architecture)
        check_config_beside(found, config, preprocessing)
        name = Path(architecture).stem if architecture.endswith(".json") else architecture
        self._build(config, preprocessing, found, "open_clip", name, licence=licence)

    def _build(
        self,
        config: Mapping[str, Any],
        preprocessing: Mapping[str, Any],
        found: Weights,
        family: str,
        name: str,
        *,
        licence: str,
        domain: str = PHOTOGRAPHS,
    ) -> None:
        vision = dict(config["vision_cfg"])
        if "timm_model_name" in vision:
            vision["timm_model_pretrained"] = False
        if "output_tokens" in vision:
            vision["output_tokens"] = False
        with seeded(found.seed):
            tower = self._tower(config, vision)
        sha = load_weights(tower, found, name, _image_tower)
        size = one_size(vision.get("image_size", 224), name)
        contract = EmbeddingContract(
            family=family,
            architecture=name,
            architecture_hash=options_hash(
                [config["embed_dim"], vision, config.get("quick_gelu", False)]
            ),
            weights_sha256=sha,
            dim=int(config["embed_dim"]),
            image_size=size,
            resize=preprocessing.get("resize_mode") or "shortest",
            resize_size=size,
            interpolation=preprocessing.get("interpolation") or "bicubic",
            mean=tuple(preprocessing["mean"]),
            std=tuple(preprocessing["std"]),
        )
        super().__init__(
            tower, contract, licence=licence_of(found, licence), origin=found.origin, domain=domain
        )

    def _tower(self, config: Mapping[str, Any], vision: Mapping[str, Any]) -> nn.Module:
        from open_clip.model import _build_vision_tower

        # The private builder, because the public one also builds the text tower: three times the
        # time and, for ViT-B/32, 60 million numbers that nothing reads.
        tower: nn.Module = _build_vision_tower(
            config["embed_dim"], dict(vision), config.get("quick_gelu", False)
        )
        return tower

    def forward(self, images: Tensor) -> Tensor:
        """Features, shape (B, dim), as ``encode_image(normalize=False)`` gives them."""
        features: Tensor = self.network(images)
        return features


class SceneClipBackbone(OpenClipBackbone):
    """The small CLIP in this package, trained on synthetic scenes; refused on photographs."""

    def __init__(self, *, weights: str) -> None:
        """Build the image tower.

        Args:
            weights: "embedded", the path of another file of the same network, or "random[:seed]".
        """
        from interestingness.models.scene_clip import CONFIG, MODEL_NAME, WEIGHTS

        config = json.loads(CONFIG.read_text(encoding="utf-8"))
        given = str(WEIGHTS) if weights == "embedded" else weights
        found = resolve_weights(given, None, name=MODEL_NAME)
        if weights == "embedded":
            found = Weights(found.path, 0, "embedded in the package", published=True)
        self._build(
            config,
            {"mean": CLIP_MEAN, "std": CLIP_STD},
            found,
            "scene_clip",
            MODEL_NAME,
            licence="Apache-2.0",
            domain=SYNTHETIC,
        )

    def _tower(self, config: Mapping[str, Any], vision: Mapping[str, Any]) -> nn.Module:
        from interestingness.models.scene_clip.tower import SceneTower

        return SceneTower(
            image_size=vision["image_size"],
            patch_size=vision["patch_size"],
            width=vision["width"],
            layers=vision["layers"],
            heads=vision["width"] // vision["head_width"],
            dim=config["embed_dim"],
        )


def _image_tower(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The image tower's part of a checkpoint of the whole model."""
    prefix = "visual."
    tower = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    return tower or dict(state)
