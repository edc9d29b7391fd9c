"""The embedded small CLIP: loads through stock open_clip and knows scenes better than chance."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from interestingness.datasets.synthetic.draw import draw
from interestingness.datasets.synthetic.scenes import Scene, synthetic_scenes
from interestingness.datasets.synthetic.tastes import TRUTH
from interestingness.datasets.synthetic.words import caption
from interestingness.models.scene_clip import CONFIG, MODEL_NAME, WEIGHTS

open_clip = pytest.importorskip("open_clip")

LARGEST_FILE = 8_000_000
SEED, TRAINED_ON = 4_321, 160


@pytest.fixture(scope="module", autouse=True)
def _known_to_open_clip() -> Iterator[None]:
    open_clip.add_model_config(CONFIG)
    yield


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return list(synthetic_scenes(SEED, 300))


@pytest.fixture(scope="module")
def pictures(scenes: list[Scene]) -> torch.Tensor:
    small = [draw(s).resize((64, 64), Image.Resampling.BICUBIC) for s in scenes]
    pixels = torch.from_numpy(np.stack([np.asarray(p) for p in small])).float() / 255
    mean, deviation = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    return ((pixels - torch.tensor(mean)) / torch.tensor(deviation)).permute(0, 3, 1, 2)


def _features(model: torch.nn.Module, pictures: torch.Tensor) -> np.ndarray:
    model.eval()
    with torch.no_grad():
        found = [model.encode_image(part) for part in pictures.split(100)]
    return torch.cat(found).numpy().astype(float)


def _accuracy(features: np.ndarray, truth: np.ndarray) -> float:
    """Held-out pair accuracy of a ridge; every pair of held-out scenes counts."""
    x = (features - features[:TRAINED_ON].mean(0)) / features[:TRAINED_ON].std(0)
    seen, y = x[:TRAINED_ON], truth[:TRAINED_ON]
    weights = np.linalg.solve(seen.T @ seen + 100 * np.eye(x.shape[1]), seen.T @ (y - y.mean()))
    score, wanted = x[TRAINED_ON:] @ weights, truth[TRAINED_ON:]
    one, other = np.triu_indices(len(score), 1)
    return float(np.mean((score[one] > score[other]) == (wanted[one] > wanted[other])))


def test_the_file_is_small_and_says_how_it_was_made() -> None:
    assert WEIGHTS.stat().st_size <= LARGEST_FILE
    with safe_open(WEIGHTS, "pt") as file:
        assert {"scenes", "seed", "batch"} <= set(file.metadata())
    assert json.loads(CONFIG.read_text())["vision_cfg"]["image_size"] == 64


def test_it_loads_strictly_with_both_towers() -> None:
    model = open_clip.create_model(MODEL_NAME, pretrained=str(WEIGHTS))
    with safe_open(WEIGHTS, "pt") as file:
        assert set(file.keys()) == set(model.state_dict())
        for name, value in model.state_dict().items():
            assert torch.equal(value, file.get_tensor(name).float()), name


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_knows_more_of_scenes_than_random_weights(
    scenes: list[Scene], pictures: torch.Tensor
) -> None:
    truth = TRUTH.of(scenes)
    trained = open_clip.create_model(MODEL_NAME, pretrained=str(WEIGHTS))
    torch.manual_seed(0)
    random = open_clip.create_model(MODEL_NAME)
    better = _accuracy(_features(trained, pictures), truth)
    worse = _accuracy(_features(random, pictures), truth)
    assert better > worse + 0.05, (better, worse)


def test_captions_find_their_pictures(scenes: list[Scene], pictures: torch.Tensor) -> None:
    model = open_clip.create_model(MODEL_NAME, pretrained=str(WEIGHTS)).eval()
    tokens = open_clip.get_tokenizer(MODEL_NAME)([caption(s) for s in scenes[:100]])
    with torch.no_grad():
        image = model.encode_image(pictures[:100], normalize=True)
        text = model.encode_text(tokens, normalize=True)
    found = (image @ text.T).argmax(1) == torch.arange(100)
    assert found.float().mean() > 0.3
