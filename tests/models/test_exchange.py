"""Scorers leave as files and come back; the ICCV notebook and onnxruntime read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from interestingness.errors import WeightsError
from interestingness.models.backbone import Backbone
from interestingness.models.backbones import OpenClipBackbone, TorchvisionBackbone
from interestingness.models.exchange import (
    ABOUT,
    TENSORS,
    PixelScorer,
    ScorerCard,
    iccv_head,
    load_scorer,
    read_card,
    save_iccv,
    save_onnx,
    save_scorer,
)
from interestingness.models.heads import LayersHead, LinearHead, MLPHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.models.tuning import FullTuning, tune

CARD = ScorerCard("mine", "interesting", "votes of my friends", "logits", "MIT")
OASIS = Path(__file__).parents[3] / "shared" / "data" / "oasis" / "images"


class BaseNetwork(torch.nn.Module):
    """What the notebook's network must be for its released weights to load: one layer, fc1."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(dim, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc1(x)


def backbone() -> TorchvisionBackbone:
    return TorchvisionBackbone(
        "resnet18", pretrained="IMAGENET1K_V1", weights="random:0", licence="none"
    )


def scorer(
    mode: str = "standardize",
    *,
    head: str = "linear",
    with_backbone: bool = False,
    network: Backbone | None = None,
) -> Scorer:
    torch.manual_seed(0)
    network = network or backbone()
    heads = {
        "linear": LinearHead(network.dim),
        "mlp": MLPHead(network.dim, hidden=4, dropout=0.1),
        "layers": LayersHead(network.dim, hidden=[], activation="none"),
        "deep layers": LayersHead(network.dim, hidden=[5, 3], activation="relu"),
    }
    for weight in heads[head].weights():
        torch.nn.init.normal_(weight)
    scaler = FeatureScaler(mode, network.dim)
    scaler.fit(np.random.default_rng(0).normal(3, 2, (50, network.dim)).astype(np.float32))
    if with_backbone:
        return Scorer(network, scaler, heads[head]).eval()
    return Scorer(None, scaler, heads[head], embedding=network.contract).eval()


def features(dim: int = 512) -> torch.Tensor:
    return torch.randn(20, dim, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("head", ["linear", "mlp", "layers", "deep layers"])
@pytest.mark.parametrize("mode", ["none", "unit", "unit_sqrt_dim", "standardize"])
def test_a_scorer_comes_back_as_it_was(tmp_path: Path, head: str, mode: str) -> None:
    before = scorer(mode, head=head)
    save_scorer(tmp_path / "out", before, CARD)
    after = load_scorer(tmp_path / "out", None)
    torch.testing.assert_close(after.score(features()), before.score(features()), rtol=0, atol=0)
    assert after.embedding == before.embedding
    assert read_card(tmp_path / "out")[0] == CARD
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [ABOUT, TENSORS]


def test_a_frozen_backbone_stays_out_and_fits_again(tmp_path: Path) -> None:
    before = scorer(with_backbone=True)
    save_scorer(tmp_path, before, CARD)
    assert (tmp_path / TENSORS).stat().st_size < 20_000
    after = load_scorer(tmp_path, backbone())
    images = torch.rand(2, 3, 224, 224)
    torch.testing.assert_close(after(images), before(images), rtol=0, atol=0)
    other = TorchvisionBackbone(
        "resnet18", pretrained="IMAGENET1K_V1", weights="random:1", licence="none"
    )
    with pytest.raises(WeightsError):
        load_scorer(tmp_path, other)


@pytest.mark.parametrize(
    "damage", ["absent", "cut", "version", "tensors", "no json", "no text", "no head"]
)
def test_a_damaged_folder_is_one_error(tmp_path: Path, damage: str) -> None:
    save_scorer(tmp_path, scorer(), CARD)
    about, tensors = tmp_path / ABOUT, tmp_path / TENSORS
    if damage == "absent":
        about.unlink()
    elif damage == "cut":
        tensors.write_bytes(tensors.read_bytes()[:100])
    elif damage == "version":
        about.write_text(json.dumps({**json.loads(about.read_text()), "format_version": 9}))
    elif damage == "tensors":
        save_scorer(tmp_path / "mlp", scorer(head="mlp"), CARD)
        (tmp_path / "mlp" / TENSORS).replace(tensors)
    elif damage in {"no text", "no head"}:
        values = json.loads(about.read_text())
        values["card"]["unit"] = 7 if damage == "no text" else "logits"
        if damage == "no head":
            del values["scorer"]["head"]
        about.write_text(json.dumps(values))
    else:
        about.write_text("{")
    with pytest.raises(WeightsError):
        load_scorer(tmp_path, None)


@pytest.mark.parametrize("head", ["linear", "layers"])
@pytest.mark.parametrize("mode", ["none", "standardize"])
def test_the_notebooks_network_loads_it_unchanged(tmp_path: Path, head: str, mode: str) -> None:
    ours = scorer(mode, head=head)
    file = save_iccv(tmp_path / "RI_model.pth", ours)
    theirs = BaseNetwork(512)
    theirs.load_state_dict(torch.load(file, weights_only=True))
    with torch.inference_mode():
        expected = ours.score(features())
        # float32 sums of 512 terms, in another order
        torch.testing.assert_close(theirs(features())[:, 0], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("mode", "head"), [("unit", "linear"), ("none", "mlp"), ("none", "deep layers")]
)
def test_what_one_layer_cannot_be_is_refused(mode: str, head: str) -> None:
    with pytest.raises(WeightsError, match="--format folder"):
        iccv_head(scorer(mode, head=head))


@pytest.mark.parametrize(
    "tuned", [lambda: backbone().unfreeze(), lambda: tune(backbone(), FullTuning())]
)
def test_a_fine_tuned_backbone_is_more_than_the_notebooks_head(
    tmp_path: Path, tuned: Callable[[], Backbone]
) -> None:
    network = tuned()
    for one in (network, network.settle()):
        with pytest.raises(WeightsError, match="full") as raised:
            save_iccv(tmp_path / "RI.pth", scorer("none", with_backbone=True, network=one))
        assert "--format folder or --format onnx" in raised.value.todo
    assert not list(tmp_path.iterdir())
    assert iccv_head(scorer("none", with_backbone=True))


def photographs() -> list[Image.Image]:
    """Real ones where they are at hand, else noise."""
    if OASIS.is_dir():
        return [Image.open(p).convert("RGB") for p in sorted(OASIS.glob("*.jpg"))[:5]]
    noise = np.random.default_rng(0).integers(0, 255, (5, 9, 9, 3), dtype=np.uint8)
    return [Image.fromarray(n).resize((300, 250)) for n in noise]


def check_onnx(folder: Path, ours: Scorer) -> None:
    """Pixels of photographs → the same scores by onnxruntime and by torch, batch sizes apart."""
    onnxruntime = pytest.importorskip("onnxruntime")
    file = save_onnx(folder / "scorer.onnx", ours)
    assert ours.backbone is not None
    pixels = torch.stack([ours.backbone.transform.pixels(p) for p in photographs()])
    session = onnxruntime.InferenceSession(file)
    with torch.inference_mode():
        expected = PixelScorer(ours)(pixels).numpy()
    assert np.ptp(expected) > 0.01
    for rows in (slice(0, 5), slice(0, 1)):
        (found,) = session.run(None, {"pixels": pixels[rows].numpy()})
        np.testing.assert_allclose(found, expected[rows], rtol=1e-4, atol=1e-4)
    texts = file.read_bytes()
    assert b"Traceback" not in texts and b'File "' not in texts and b"site-packages" not in texts
    assert str(Path(torch.__file__).parent).encode() not in texts
    about = session.get_modelmeta().custom_metadata_map["embedding"]
    assert json.loads(about)["architecture"] == ours.embedding.architecture


exporter_warns = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),  # the exporter's own, 2026-11
]


class TestOnnx:
    pytestmark = exporter_warns

    def test_scores_photographs_as_torch_does(self, tmp_path: Path) -> None:
        check_onnx(tmp_path, scorer(with_backbone=True))

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("head", "mode"), [("linear", "none"), ("mlp", "standardize"), ("layers", "unit")]
    )
    def test_a_clip_vit_with_each_head(self, tmp_path: Path, head: str, mode: str) -> None:
        """The tower of the default model; its weights decide nothing here, so they are random."""
        tower = OpenClipBackbone(
            "ViT-B-32-quickgelu", pretrained="openai", weights="random:0", licence="none"
        )
        check_onnx(tmp_path, scorer(mode, head=head, with_backbone=True, network=tower))


def test_onnx_needs_images(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        save_onnx(tmp_path / "x.onnx", scorer())
    assert not list(tmp_path.iterdir())
