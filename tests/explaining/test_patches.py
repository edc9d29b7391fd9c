"""Maps of a score with a known answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from interestingness.errors import DataError
from interestingness.explaining.alike import Known, neighbours
from interestingness.explaining.concepts import LEAST, concepts_of, read_words
from interestingness.explaining.overlay import SIDE, overlay, side_by_side
from interestingness.explaining.patches import exact_map, occlusion, rank_correlation
from interestingness.models.backbones import SceneClipBackbone, TorchvisionBackbone
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer


def redness(pixels: torch.Tensor) -> np.ndarray:
    found: np.ndarray = pixels[..., 0].float().mean(dim=(1, 2)).numpy()
    return found


def spotted(row: int, column: int) -> torch.Tensor:
    """Black, with a red spot in one of 8 × 8 cells."""
    pixels = torch.zeros(64, 64, 3, dtype=torch.uint8)
    pixels[8 * row : 8 * row + 8, 8 * column : 8 * column + 8, 0] = 255
    return pixels


@pytest.mark.parametrize("place", [(0, 0), (3, 5), (7, 2)])
def test_the_patch_that_makes_the_score_is_found(place: tuple[int, int]) -> None:
    pixels = spotted(*place)
    found = occlusion(redness, pixels)
    assert np.unravel_index(found.effect.argmax(), found.effect.shape) == place
    assert not found.exact
    against = occlusion(lambda some: -redness(some), pixels)
    assert np.allclose(against.effect, -found.effect)
    assert np.allclose(occlusion(lambda some: np.ones(len(some)), pixels).effect, 0)


def test_a_mean_over_places_is_divided_exactly() -> None:
    backbone = TorchvisionBackbone(
        "resnet18", pretrained="IMAGENET1K_V1", weights="random:0", licence="none"
    )
    head = LinearHead(backbone.dim)
    head.load_state_dict({"weight": torch.linspace(-1, 1, backbone.dim)})
    scaler = FeatureScaler("standardize", backbone.dim)
    scaler.fit(np.random.default_rng(0).normal(1, 2, (50, backbone.dim)).astype(np.float32))
    scorer = Scorer(backbone, scaler, head).eval()
    pixels = torch.from_numpy(
        np.random.default_rng(1).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    )
    found = exact_map(scorer, pixels)
    assert found is not None and found.exact and found.effect.shape == (7, 7)
    with torch.inference_mode():
        score = float(scorer.score(scorer.encode(pixels[None]))[0])
        zero = float(scorer.score(torch.zeros(1, backbone.dim))[0])
    assert found.effect.sum() == pytest.approx(score - zero, abs=1e-3)


def test_towers_with_a_class_token_have_no_exact_map() -> None:
    backbone = SceneClipBackbone(weights="embedded")
    scorer = Scorer(backbone, FeatureScaler("none", backbone.dim), LinearHead(backbone.dim)).eval()
    pixels = backbone.transform.pixels(Image.new("RGB", (64, 64), "teal"))
    assert exact_map(scorer, pixels) is None
    unit = Scorer(backbone, FeatureScaler("unit", backbone.dim), LinearHead(backbone.dim))
    assert exact_map(unit, pixels) is None


def test_random_weights_give_another_explanation() -> None:
    backbone = SceneClipBackbone(weights="embedded")
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize((64, 64))
    pixels = backbone.transform.pixels(picture)
    maps = []
    for weights in (rng.normal(size=backbone.dim), rng.normal(size=backbone.dim)):

        @torch.inference_mode()
        def score(some: torch.Tensor, weights: np.ndarray = weights) -> np.ndarray:
            found: np.ndarray = backbone(backbone.transform.normalise(some)).numpy() @ weights
            return found

        maps.append(occlusion(score, pixels).effect)
    assert abs(rank_correlation(*maps)) < 0.8
    assert rank_correlation(maps[0], maps[0]) == pytest.approx(1)


def test_neighbours_are_on_both_sides_and_not_the_picture_itself() -> None:
    features = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.3], [0.0, 1.0], [0.7, 0.1]])
    scores = np.array([0.0, 1.0, -1.0, 5.0, 2.0])
    known = Known(list("abcde"), features, features, scores)
    found = neighbours(known, features[0], 0.0)
    assert found.higher == [1, 4] and found.lower == [2]


def test_concepts_that_the_score_follows() -> None:
    rng = np.random.default_rng(0)
    vectors = np.eye(4)
    features = np.abs(rng.normal(size=(200, 4)))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    scores = 3 * unit[:, 2] - unit[:, 0]
    found = concepts_of(["red", "green", "cat", "dog"], vectors, features, scores)
    assert found.words[int(found.loading.argmax())] == "cat"
    assert found.words[int(found.loading.argmin())] == "red"
    assert np.abs(found.loading).max() <= 1
    assert found.presence(np.array([0.0, 0.0, 1.0, 0.0])).argmax() == 2
    with pytest.raises(DataError):
        concepts_of(["a", "b"], vectors[:2], features[: LEAST - 1], scores[: LEAST - 1])


def test_words(tmp_path: Path) -> None:
    assert len(read_words(None)) > 80
    file = tmp_path / "words.txt"
    file.write_text("cat\n\n dog \ncat\n", encoding="utf-8")
    assert read_words(file) == ["cat", "dog"]
    for bad in (tmp_path / "absent.txt", tmp_path):
        with pytest.raises(DataError):
            read_words(bad)
    file.write_text("one\n")
    with pytest.raises(DataError):
        read_words(file)


def test_what_is_drawn() -> None:
    effect = np.zeros((8, 8))
    effect[1, 1], effect[6, 6] = 2.0, -2.0
    pixels = torch.full((64, 64, 3), 128, dtype=torch.uint8)
    drawn = overlay(pixels, effect)
    assert drawn.size == (SIDE, SIDE)
    high, low = (np.array(drawn)[y, x].astype(int) for y, x in ((90, 90), (390, 390)))
    assert high[0] > high[2] + 60 and low[2] > low[0] + 60
    assert np.array(drawn)[240, 240].tolist() == [128, 128, 128]
    assert side_by_side(pixels, drawn).size == (2 * SIDE + 8, SIDE)
    assert np.array(overlay(pixels, np.zeros((8, 8))))[5, 5].tolist() == [128, 128, 128]
