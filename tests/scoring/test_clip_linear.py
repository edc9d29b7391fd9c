"""A published head as a scorer: its number on the tower's feature, image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from interestingness.errors import WeightsError
from interestingness.models.backbones import OpenClipBackbone
from interestingness.scoring.clip_linear import ClipLinear
from interestingness.scoring.table_scorer import ScorerMaterial

HEAD = (
    Path(__file__).parents[3] / "shared" / "data" / "heads" / "LAION-AI__sa_0_4_vit_b_32_linear.pth"
)

NAME = "laion_aesthetic_b32"


@pytest.mark.skipif(not HEAD.is_file(), reason=f"no published head at {HEAD}")
def test_the_published_formula_on_a_tower_from_a_file(
    material: ScorerMaterial, tmp_path: Path
) -> None:
    options = {"architecture": "ViT-B-32-quickgelu", "pretrained": "openai", "licence": "none"}
    with pytest.raises(WeightsError):
        ClipLinear(head=NAME, column="aesthetic", weights="random:0", file=str(HEAD))
    weights = tmp_path / "tower.safetensors"
    tower = OpenClipBackbone(weights="random:0", **options)
    save_file(tower.network.state_dict(), weights)
    scorer = ClipLinear(head=NAME, column="aesthetic", weights=str(weights), file=str(HEAD))
    found = scorer.scores(material)
    state = torch.load(HEAD, weights_only=True)
    features, present = material.features(tower)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-9)
    expected = unit @ state["weight"][0].float().numpy() + float(state["bias"][0])
    np.testing.assert_allclose(found[present], expected[present], atol=1e-4)
    assert np.ptp(found[present]) > 1e-3 and np.isnan(found[~present]).all()
    assert "MIT (head)" in scorer.licence


def test_an_unknown_head_is_one_error() -> None:
    with pytest.raises(WeightsError, match="'best'"):
        ClipLinear(head="best", column="x", weights="random")
