"""The small CLIP's image tower is open_clip's to the bit, without open_clip."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

from interestingness.models.backbones.open_clip import CLIP_MEAN, CLIP_STD, SceneClipBackbone
from interestingness.models.scene_clip import CONFIG


def theirs() -> nn.Module:
    from open_clip.model import _build_vision_tower

    config = json.loads(CONFIG.read_text())
    tower: nn.Module = _build_vision_tower(config["embed_dim"], config["vision_cfg"])
    return tower.eval()


@pytest.mark.parametrize("weights", ["embedded", "random:7"])
def test_features_are_those_of_open_clip(weights: str) -> None:
    backbone = SceneClipBackbone(weights=weights)
    torch.manual_seed(7)
    tower = theirs()
    if weights == "embedded":
        tower.load_state_dict(backbone.network.state_dict())
    ours: dict[str, Any] = backbone.network.state_dict()
    assert list(ours) == list(tower.state_dict())
    assert all(torch.equal(ours[name], value) for name, value in tower.state_dict().items())
    images = torch.randn(5, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(backbone(images), tower(images))


def test_checkpointing_changes_no_gradient() -> None:
    backbone = SceneClipBackbone(weights="random:0").unfreeze().train()
    images, gradients = torch.randn(2, 3, 64, 64), []
    for enable in (False, True):
        backbone.network.set_grad_checkpointing(enable)  # type: ignore[operator]
        backbone.zero_grad()
        backbone(images).square().sum().backward()
        gradients.append([p.grad.clone() for p in backbone.parameters() if p.grad is not None])
    assert len(gradients[0]) > 50
    assert all(torch.allclose(a, b) for a, b in zip(*gradients, strict=True))


def test_preprocessing_is_open_clips_default() -> None:
    from open_clip.transform import PreprocessCfg

    assert (tuple(PreprocessCfg().mean), tuple(PreprocessCfg().std)) == (CLIP_MEAN, CLIP_STD)
