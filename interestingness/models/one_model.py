"""Check that an image tower and a text tower belong to one model."""

from __future__ import annotations

from interestingness.errors import ConfigError
from interestingness.models.backbone import Backbone
from interestingness.models.text_towers import OpenClipText

EXPECTED = (
    "both towers of one CLIP model with the same weights: otherwise the words nearest to an image "
    "are noise"
)


def check_one_model(backbone: Backbone, tower: OpenClipText) -> str:
    """Refuse towers whose vectors are not comparable.

    Args:
        backbone: embeds images.
        tower: embeds texts.

    Returns:
        A sentence to print if both have random weights, which is allowed for tests; else "".

    Raises:
        ConfigError: for two networks, or two files of weights.
    """
    image = backbone.contract
    found = (
        f"generated_tags with images by {image.architecture} (weights {backbone.origin}) and words "
        f"by the text tower of {tower.name} (weights {tower.origin})"
    )
    if image.architecture != tower.name:
        raise ConfigError(
            found,
            expected=EXPECTED,
            todo="choose the two of one model: model/backbone=clip_vit_b32 "
            "text_embedder@model.tower=clip_text, for synthetic scenes model/backbone=scene_clip "
            "text_embedder@model.tower=scene_clip_text",
        )
    if image.weights_sha256.startswith("random:") and tower.weights_sha256.startswith("random:"):
        return "generated_tags: both towers have random weights, so that the words are noise"
    if image.weights_sha256 != tower.weights_sha256:
        raise ConfigError(
            found,
            expected=EXPECTED,
            todo="give model.backbone.weights and model.tower.weights the same value: both as they "
            "are by default, or one file of the whole model",
        )
    return ""
