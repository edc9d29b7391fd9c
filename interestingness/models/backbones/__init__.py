"""The kinds of backbones that ship; each library is imported when one of its networks is built."""

from interestingness.models.backbones.attributes import AttributesBackbone
from interestingness.models.backbones.open_clip import OpenClipBackbone, SceneClipBackbone
from interestingness.models.backbones.timm import TimmBackbone
from interestingness.models.backbones.torchvision import TorchvisionBackbone

__all__ = [
    "AttributesBackbone",
    "OpenClipBackbone",
    "SceneClipBackbone",
    "TimmBackbone",
    "TorchvisionBackbone",
]
