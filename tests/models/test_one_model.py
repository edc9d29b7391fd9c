"""Words near an image mean something only where both towers were trained together."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from interestingness.errors import ConfigError
from interestingness.models.backbones import SceneClipBackbone, TorchvisionBackbone
from interestingness.models.one_model import check_one_model
from interestingness.models.scene_clip import WEIGHTS
from interestingness.models.text_towers import SceneClipText


def test_two_towers_of_one_file(tmp_path: Path) -> None:
    copy = str(shutil.copy(WEIGHTS, tmp_path / f"copy{Path(WEIGHTS).suffix}"))
    for image, text in (("embedded", "embedded"), ("embedded", copy), (copy, copy)):
        assert check_one_model(SceneClipBackbone(weights=image), SceneClipText(weights=text)) == ""


def test_two_random_towers_are_allowed_and_said() -> None:
    said = check_one_model(SceneClipBackbone(weights="random"), SceneClipText(weights="random:3"))
    assert "both towers have random weights" in said


@pytest.mark.parametrize(("image", "text"), [("random", "embedded"), ("embedded", "random")])
def test_other_weights_are_refused(image: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_one_model(SceneClipBackbone(weights=image), SceneClipText(weights=text))
    error = raised.value
    assert "random (seed 0)" in error.found and "embedded in the package" in error.found
    assert "noise" in error.expected and "model.tower.weights" in error.todo


def test_another_network_is_refused() -> None:
    network = TorchvisionBackbone(
        "resnet18", pretrained="IMAGENET1K_V1", weights="random", licence="none"
    )
    with pytest.raises(ConfigError, match=r"resnet18 .* scene-clip-64"):
        check_one_model(network, SceneClipText(weights="embedded"))
