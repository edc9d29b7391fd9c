"""Every shipped kind of backbone keeps the contract, with random weights of small networks."""

import json
from pathlib import Path

import pytest

from interestingness.models.backbone import Backbone
from interestingness.models.backbones import (
    AttributesBackbone,
    OpenClipBackbone,
    SceneClipBackbone,
    TimmBackbone,
    TorchvisionBackbone,
)
from interestingness.testing import BackboneContract

TINY_CLIP = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


class TestAttributes(BackboneContract):
    has_weights = False

    def make(self, seed):
        return AttributesBackbone(names=None)


class TestOpenClip(BackboneContract):
    @pytest.fixture(autouse=True)
    def _config(self, tmp_path: Path) -> None:
        self.config = tmp_path / "tiny.json"
        self.config.write_text(json.dumps(TINY_CLIP))

    def make(self, seed: int) -> Backbone:
        return OpenClipBackbone(
            str(self.config), pretrained=None, weights=f"random:{seed}", licence="none"
        )


class TestSceneClip(BackboneContract):
    def make(self, seed: int) -> Backbone:
        return SceneClipBackbone(weights=f"random:{seed}")


class TestTimmTransformer(BackboneContract):
    def make(self, seed: int) -> Backbone:
        return TimmBackbone(
            "test_vit.r160_in1k", weights=f"random:{seed}", image_size=64, licence="none"
        )


class TestTimmConvolutions(BackboneContract):
    def make(self, seed: int) -> Backbone:
        return TimmBackbone(
            "test_efficientnet.r160_in1k", weights=f"random:{seed}", image_size=None, licence="none"
        )


class TestTorchvision(BackboneContract):
    def make(self, seed: int) -> Backbone:
        return TorchvisionBackbone(
            "shufflenet_v2_x0_5",
            pretrained="IMAGENET1K_V1",
            weights=f"random:{seed}",
            licence="none",
        )
