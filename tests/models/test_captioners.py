"""The captioner against a plain loop over open_clip's own CoCa, on small networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.coca_model import CoCa
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import save_file

from interestingness.errors import ConfigError, WeightsError
from interestingness.models.captioners import CocaCaptioner

SIZE = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
TINY: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8,
        "attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 8,
        "output_tokens": True,
    },
    "text_cfg": {**SIZE, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**SIZE, "attn_pooler_heads": 2},
}  # fmt: skip
START, END, PAD = 49406, 49407, 0
MOST = 12


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({**TINY, "custom_text": True}))
    return str(path)


@pytest.fixture
def coca() -> CoCa:
    """A random network whose sentences end early, late, at once or not at all."""
    torch.manual_seed(6)
    network = CoCa(**TINY).eval()
    matrix = network.text_decoder.text_projection
    torch.nn.init.normal_(matrix)
    with torch.no_grad():
        matrix[:, END] *= 4
        matrix[:, PAD] *= 3
    return network


def built(config: str, weights: str, **more: Any) -> CocaCaptioner:
    given = {"pretrained": None, "licence": "none", "most_tokens": MOST, "batch_size": 4, **more}
    return CocaCaptioner(config, weights=weights, **given)


@torch.no_grad()
def sentence(network: CoCa, image: torch.Tensor) -> list[int]:
    """One image at a time, the whole network at every token."""
    tokens = [START]
    while len(tokens) <= MOST:
        logits = network(image[None], torch.tensor([tokens]), output_labels=False)["logits"]
        following = int(logits[0, -1].argmax())
        if following in (END, PAD):
            break
        tokens.append(following)
    return tokens[1:]


def test_it_writes_what_a_plain_loop_writes(config: str, coca: CoCa, tmp_path: Path) -> None:
    save_file(coca.state_dict(), tmp_path / "coca.safetensors")
    captioner = built(config, str(tmp_path / "coca.safetensors"))
    images = 3 * torch.randn(24, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = [sentence(coca, image) for image in images]
    lengths = {len(tokens) for tokens in expected}
    assert {0, MOST} < lengths and len(lengths) > 5  # or the batch would have nothing to get wrong
    found = captioner(images).numpy()
    assert found.shape == (24, MOST) and found.dtype == np.float32
    padded = [[*tokens, *[PAD] * (MOST - len(tokens))] for tokens in expected]
    np.testing.assert_array_equal(found, padded)
    np.testing.assert_array_equal(captioner(images[:5]).numpy(), padded[:5])
    decoder = SimpleTokenizer()
    kept = [[t for t in tokens if t not in (START, END)] for tokens in expected]
    assert captioner.texts(found) == [" ".join(decoder.decode(t).split()) for t in kept]


def test_what_it_says_of_itself(config: str, coca: CoCa, tmp_path: Path) -> None:
    file = tmp_path / "coca.pt"
    # open_clip wrote the scale of the contrastive loss as a list of one for a while
    torch.save({**coca.state_dict(), "logit_scale": torch.ones(1)}, file)
    captioner = built(config, str(file))
    assert not captioner.noise and built(config, "random").noise
    assert captioner.domain == "photographs" and captioner.dim == MOST and not captioner.training
    assert captioner.rater_id == f"tiny-{captioner.contract.weights_sha256[:12]}"
    assert "a sentence of at most 12 tokens" in captioner.describe()
    pixels = captioner.transform.pixels(Image.new("RGB", (50, 40), "red"))
    assert pixels.shape == (32, 32, 3)
    assert captioner.texts(np.zeros((1, MOST), np.float32)) == [""]
    assert not any(p.requires_grad for p in captioner.parameters())


def test_random_weights_are_those_of_their_seed(config: str) -> None:
    images = torch.randn(3, 3, 32, 32)
    one = built(config, "random:1")
    _ = [torch.full((16, 49408), float(n)) for n in range(5)]  # other numbers in freed memory
    same, other = built(config, "random:1"), built(config, "random:2")
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    np.testing.assert_array_equal(one(images), same(images))
    assert one.domain == "any pictures" and "random (seed 1)" in one.describe()
    shorter = built(config, "random:1", most_tokens=5)
    assert shorter.fingerprint() != one.fingerprint()
    np.testing.assert_array_equal(shorter(images), one(images)[:, :5])
    # The activation leaves no trace in the weights.
    quick = Path(config).with_name("tiny_quick.json")
    quick.write_text(json.dumps({**TINY, "quick_gelu": True}))
    named = [built(c, "random:1").contract for c in (config, str(quick))]
    assert named[0].weights_sha256 == named[1].weights_sha256
    assert named[0].architecture_hash != named[1].architecture_hash
    # The size of a batch decides nothing but speed.
    assert built(config, "random:1", batch_size=2).fingerprint() == one.fingerprint()


@pytest.mark.parametrize("most", [0, 17])
def test_as_many_tokens_as_it_can_write(config: str, most: int) -> None:
    with pytest.raises(ConfigError, match="most_tokens"):
        built(config, "random", most_tokens=most)
    images = torch.randn(1, 3, 32, 32)
    assert built(config, "random", most_tokens=16)(images).shape == (1, 16)


@pytest.mark.parametrize("size", [0, -3, 1.5, True, None])
def test_as_many_images_as_there_can_be(config: str, size: Any) -> None:
    with pytest.raises(ConfigError, match=f"captioner.batch_size={size}"):
        built(config, "random", batch_size=size)


@pytest.mark.parametrize("architecture", ["ViT-B-32", "coca_roberta-ViT-B-32"])
def test_other_networks_are_refused(architecture: str) -> None:
    with pytest.raises(WeightsError):
        built(architecture, "random")


def test_errors_name_the_options_of_a_captioner(config: str, coca: CoCa, tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as raised:
        built(config, str(tmp_path / "absent.pt"))
    assert "captioner.weights=" in str(raised.value) and "backbone" not in str(raised.value)
    with pytest.raises(WeightsError) as raised:
        built("coca_ViT-B-32", "random", pretrained="laion3b")
    assert "captioner.pretrained=" in str(raised.value)
    assert "mscoco_finetuned_laion2b_s13b_b90k" in str(raised.value)
    with pytest.raises(WeightsError, match="cannot be downloaded") as raised:
        built("coca_ViT-B-32", "hub", pretrained="mscoco_finetuned_laion2b_s13b_b90k")
    assert "laion/mscoco_finetuned_CoCa-ViT-B-32-laion2B-s13B-b90k" in str(raised.value)
    assert "annotate what=descriptions" in str(raised.value)
    state = {k: v for k, v in coca.state_dict().items() if "cross_attn.1" not in k}
    save_file(state, tmp_path / "part.safetensors")
    with pytest.raises(WeightsError, match="entries missing"):
        built(config, str(tmp_path / "part.safetensors"))
