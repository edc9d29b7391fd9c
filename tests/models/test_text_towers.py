"""Text towers against open_clip's own ``encode_text``."""

import json

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from interestingness.errors import WeightsError
from interestingness.models.scene_clip import CONFIG, WEIGHTS
from interestingness.models.text_towers import OpenClipText, SceneClipText

TINY = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
TEXTS = ["a red boat on the sea", "two cats", "", "word " * 50]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY))
    return str(path)


def test_vectors_are_encode_text_not_normalised(config, tmp_path):
    torch.manual_seed(1)
    clip = open_clip.model.CLIP(**TINY).eval()
    save_file(clip.state_dict(), tmp_path / "clip.safetensors")
    tower = OpenClipText(
        config, pretrained=None, weights=str(tmp_path / "clip.safetensors"), licence="none"
    )
    tokens = open_clip.tokenizer.SimpleTokenizer(context_length=12)(TEXTS)
    expected = clip.encode_text(tokens, normalize=False).detach().numpy()
    np.testing.assert_allclose(tower.embed(TEXTS), expected, rtol=1e-4, atol=1e-5)
    assert tower.embed([]).shape == (0, 24) and tower.dim == 24


def test_the_fingerprint_follows_the_weights(config):
    one, same, other = (
        OpenClipText(config, pretrained=None, weights=f"random:{seed}", licence="none")
        for seed in (0, 0, 1)
    )
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    np.testing.assert_array_equal(one.embed(TEXTS), same.embed(TEXTS))


def test_the_embedded_tower_is_open_clips_and_puts_like_scenes_together():
    tower = SceneClipText(weights="embedded")
    clip = open_clip.model.CLIP(**json.loads(CONFIG.read_text())).eval()
    from safetensors.torch import load_file

    clip.load_state_dict({k: v.float() for k, v in load_file(WEIGHTS).items()})
    texts = ["a red boat by the sea", "two red boats by the sea at noon", "a cat in the forest"]
    tokens = open_clip.tokenizer.SimpleTokenizer(context_length=32)(texts)
    expected = clip.encode_text(tokens, normalize=False).detach().numpy()
    found = tower.embed(texts)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2]
    assert tower.domain == "synthetic" and "embedded" in tower.describe()


def test_tokenisers_of_other_libraries_are_refused():
    with pytest.raises(WeightsError):
        OpenClipText("ViT-B-16-SigLIP", pretrained=None, weights="random", licence="none")
