"""Published heads on real CLIP vectors against their own formulae, written out here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from interestingness.errors import WeightsError
from interestingness.models.contract import EmbeddingContract
from interestingness.models.published_heads import (
    CLIP_MEAN,
    CLIP_STD,
    HEADS_ON_CLIP,
    PublishedHead,
    published_head,
    read_head,
)
from interestingness.models.weights import file_sha256

HEADS = Path(__file__).parents[3] / "shared" / "data" / "heads"
needs_heads = pytest.mark.skipif(not HEADS.is_dir(), reason=f"no published heads in {HEADS}")


def contract(head: PublishedHead, **changes: object) -> EmbeddingContract:
    """Of OpenAI's tower that the head was made for."""
    made = EmbeddingContract(
        family="open_clip",
        architecture=head.architecture,
        weights_sha256="0" * 64,
        dim=head.dim,
        image_size=head.image_size,
        resize="shortest",
        resize_size=head.image_size,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )
    return replace(made, **changes)


def file_of(head: PublishedHead) -> Path:
    """Where the head lies among the shared files, found by its hash."""
    for path in HEADS.glob("*.pth"):
        if file_sha256(path) == head.file.sha256:
            return path
    raise AssertionError(f"no file of {head.name}")


def vectors(dim: int) -> np.ndarray:
    """Real vectors: means of ViT-L/14 over image sets; of ViT-B/32 what LAION published."""
    if dim == 512:
        return np.load(HEADS / "laion_rating0to9_vit_b_32.npy").astype(np.float32)
    files = sorted((HEADS / "real_clip_l14_mean_image_embeddings").glob("*.pt"))
    read = [torch.load(f, map_location="cpu", weights_only=True) for f in files]
    return torch.stack([v.float().reshape(-1) for v in read]).numpy()


def formula(head: PublishedHead, state: dict[str, torch.Tensor], x: np.ndarray) -> np.ndarray:
    """What the authors' scripts compute, in float64."""
    x = x.astype(np.float64)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    if head.name.startswith(("laion", "improved")):
        x = x / length
    elif head.name.startswith("simulacra"):
        x = x / length * np.sqrt(x.shape[1])
    names = sorted(
        {n.rsplit(".", 1)[0] if "." in n else "" for n in state},
        key=lambda n: int(n.split(".")[-1]) if n.split(".")[-1].isdigit() else 0,
    )
    for number, name in enumerate(names):
        prefix = f"{name}." if name else ""
        if number and head.name.endswith("relu"):
            x = np.maximum(x, 0)
        x = (
            x @ state[f"{prefix}weight"].double().numpy().T
            + state[f"{prefix}bias"].double().numpy()
        )
    return x[:, 0]


@needs_heads
@pytest.mark.parametrize("name", HEADS_ON_CLIP)
def test_scores_equal_the_published_formula(name: str) -> None:
    head = published_head(name)
    path = file_of(head)
    x = vectors(head.dim)
    scorer = head.scorer(contract(head), path=str(path))
    with torch.inference_mode():
        found = scorer.score(torch.from_numpy(x)).numpy()
    state = torch.load(path, map_location="cpu", weights_only=True)
    np.testing.assert_allclose(found, formula(head, state, x), atol=1e-5, rtol=1e-5)
    assert np.ptp(found) > 0.01


def test_there_are_eleven() -> None:
    assert len(HEADS_ON_CLIP) == 11
    assert len({head.file.sha256 for head in HEADS_ON_CLIP.values()}) == 11


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"normalised": True}, "normalised: True, not False"),
        ({"architecture": "ViT-L-14"}, "architecture: ViT-L-14, not ViT-L-14-quickgelu"),
        ({"image_size": 336}, "image_size: 336, not 224"),
        ({"dim": 1024}, "dim: 1024, not 768"),
        ({"mean": (0.5, 0.5, 0.5)}, "mean:"),
        ({"family": "cached"}, "family: cached"),
        ({"weights_sha256": "random:0:abc"}, "weights: random"),
    ],
)
def test_other_features_are_an_error_and_no_number(changes: dict[str, object], said: str) -> None:
    head = published_head("relative_interestingness")
    with pytest.raises(WeightsError) as error:
        head.scorer(contract(head, **changes), path="unread.pth")
    assert said in str(error.value)


def test_another_file_is_refused(tmp_path: Path) -> None:
    head = published_head("laion_aesthetic_b32")
    file = tmp_path / "sa_0_4_vit_b_32_linear.pth"
    torch.save({"weight": torch.zeros(1, 512), "bias": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match="laion_aesthetic_b32"):
        head.scorer(contract(head), path=str(file))
    with pytest.raises(WeightsError):
        head.scorer(contract(head), path=str(tmp_path / "absent.pth"))


@pytest.mark.parametrize(
    "state",
    [
        {"weight": torch.zeros(1, 8)},
        {"weight": torch.zeros(2, 8), "bias": torch.zeros(2)},
        {"weight": torch.zeros(1, 9), "bias": torch.zeros(1)},
        {"a.0.weight": torch.zeros(4, 8), "a.0.bias": torch.zeros(4), "scale": torch.zeros(1)},
        {
            "a.0.weight": torch.zeros(4, 8),
            "a.0.bias": torch.zeros(4),
            "a.2.weight": torch.zeros(1, 5),
            "a.2.bias": torch.zeros(1),
        },
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, state: dict) -> None:
    file = tmp_path / "head.pth"
    torch.save(state, file)
    with pytest.raises(WeightsError):
        read_head(file, dim=8, activation="none")


def test_layers_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        *(torch.nn.Linear(3, 3) for _ in range(11)), torch.nn.Linear(3, 1)
    )
    file = tmp_path / "head.pth"
    torch.save(network.state_dict(), file)
    head = read_head(file, dim=3, activation="none")
    x = torch.randn(5, 3)
    torch.testing.assert_close(head(x), network(x)[:, 0])


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(WeightsError, match="relative_interestingness"):
        published_head("interestingness_v9")


def test_without_a_network_the_error_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    head = published_head("relative_interestingness")
    monkeypatch.setattr(
        type(head.file), "download", lambda self, file: (_ for _ in ()).throw(OSError("no route"))
    )
    with pytest.raises(WeightsError, match=r"RI_model\.pth") as error:
        head.scorer(contract(head))
    assert "no route" in str(error.value)
