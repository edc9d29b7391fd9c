"""What is opened, what stays as it was, and what a checkpoint must hold."""

from typing import Any

import pytest
import torch

from interestingness.errors import ConfigError, WeightsError
from interestingness.models.backbones import SceneClipBackbone, TorchvisionBackbone
from interestingness.models.blocks import depths, find_blocks
from interestingness.models.exchange import restore
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer, build_scorer
from interestingness.models.tuning import (
    FullTuning,
    LastBlocks,
    LowRank,
    Tuning,
    checkpoint_gradients,
    tune,
    tune_as,
)

LORA = LowRank(rank=2, alpha=4.0, targets=["attn.in_proj_weight", "mlp.c_fc.weight"])


def backbone() -> SceneClipBackbone:
    return SceneClipBackbone(weights="random:0")


def images() -> torch.Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def learn(one: SceneClipBackbone) -> None:
    """One step along the gradient of something."""
    parameters = [p for p in one.parameters() if p.requires_grad]
    for _ in range(2):  # a low-rank update needs two: the first moves one factor only
        optimizer = torch.optim.SGD(parameters, lr=0.1)
        optimizer.zero_grad()
        one.train()(images()).square().mean().backward()
        optimizer.step()


def test_depths_go_from_the_image_to_the_embedding() -> None:
    network = backbone().network
    found = depths(network)
    assert find_blocks(network).path == "transformer.resblocks"
    names = ("conv1.weight", "positional_embedding", "class_embedding", "ln_pre.bias")
    assert {found[name] for name in names} == {0}
    assert found["transformer.resblocks.0.ln_1.weight"] == 1
    assert found["transformer.resblocks.3.mlp.c_fc.weight"] == 4
    assert found["proj"] == found["ln_post.weight"] == 5


@pytest.mark.parametrize("tuning", [FullTuning(), LastBlocks(blocks=1), LORA], ids=lambda t: t.kind)
def test_training_changes_what_was_opened_and_nothing_else(tuning: Tuning) -> None:
    one = tune(backbone(), tuning)
    before = {n: t.clone() for n, t in one.state_dict().items()}
    learn(one)
    moved = {n for n, t in one.state_dict().items() if not torch.equal(t, before[n])}
    assert moved and moved <= one.changed
    kinds = {
        "full": {n.split(".")[1] for n in before},
        "last_blocks": {"transformer", "ln_post", "proj"},
        "low_rank": {"transformer"},
    }
    assert {n.split(".")[1] for n in one.changed} == kinds[tuning.kind]
    if tuning.kind == "low_rank":
        assert {n.rsplit(".", 1)[1] for n in one.changed} == {"up", "down"}
    if tuning.kind == "last_blocks":
        assert not any("resblocks.2" in n for n in one.changed)


def test_a_low_rank_update_starts_at_nothing_and_is_alpha_over_rank_times_the_product() -> None:
    plain, one = backbone(), tune(backbone(), LORA)
    torch.testing.assert_close(one(images()), plain(images()))
    learn(one)
    attention = one.network.transformer.resblocks[0].attn
    kept = attention.parametrizations.in_proj_weight
    expected = kept.original + 2.0 * kept[0].up @ kept[0].down
    torch.testing.assert_close(attention.in_proj_weight, expected)
    merged = backbone()
    for name, block in zip(range(4), merged.network.transformer.resblocks, strict=True):
        tuned = one.network.transformer.resblocks[name]
        block.attn.in_proj_weight.data = tuned.attn.in_proj_weight.detach()
        block.mlp.c_fc.weight.data = tuned.mlp.c_fc.weight.detach()
    torch.testing.assert_close(one.eval()(images()), merged(images()), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(one(images()), plain(images()), atol=1e-3)


@pytest.mark.parametrize("tuning", [FullTuning(), LastBlocks(blocks=1), LORA], ids=lambda t: t.kind)
def test_what_changed_is_enough_to_build_the_scorer_again(tuning: Tuning) -> None:
    one = tune(backbone(), tuning)
    scorer = Scorer(one, FeatureScaler("none", one.dim), LinearHead(one.dim))
    learn(one)
    scorer.head.weight.data.normal_()
    frozen = set(scorer.frozen_names())
    kept = {n: t.clone() for n, t in scorer.state_dict().items() if n not in frozen}
    again = build_scorer(scorer.spec(), backbone())
    untrained = backbone().fingerprint()
    restore(again, kept, where="here")
    torch.testing.assert_close(again.eval()(images()), scorer.eval()(images()))
    assert again.backbone is not None and again.backbone.frozen
    assert again.backbone.fingerprint() != untrained
    assert again.backbone.fingerprint() == one.settle().fingerprint()
    assert set(again.frozen_names()) == frozen
    with pytest.raises(WeightsError, match="missing"):
        restore(
            build_scorer(scorer.spec(), backbone()), {"head.weight": kept["head.weight"]}, where="x"
        )


def test_recomputed_activations_give_the_same_gradients() -> None:
    plain, saving = (tune(backbone(), LastBlocks(blocks=2)) for _ in range(2))
    checkpoint_gradients(saving)
    for one in (plain, saving):
        one.train()(images()).square().mean().backward()
    ours = {n: p.grad for n, p in plain.named_parameters() if p.grad is not None}
    theirs = {n: p.grad for n, p in saving.named_parameters() if p.grad is not None}
    assert ours.keys() == theirs.keys() and len(ours) > 10
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, theirs[name])


def test_bad_options_are_refused_with_what_there_is() -> None:
    with pytest.raises(WeightsError, match=r"'attn.qkv.weight'") as caught:
        tune(backbone(), LowRank(rank=2, alpha=2.0, targets=["attn.qkv.weight"]))
    for there in ("attn.in_proj_weight", "attn.out_proj.weight", "mlp.c_fc.weight"):
        assert there in caught.value.expected
    with pytest.raises(WeightsError, match="rank=160"):
        tune(backbone(), LowRank(rank=160, alpha=2.0, targets=["attn.in_proj_weight"]))
    for wrong, said in (({"alpha": 0.0}, "alpha=0.0"), ({"targets": []}, r"targets=\[\]")):
        options: dict[str, Any] = {"rank": 2, "alpha": 2.0, "targets": ["attn.in_proj_weight"]}
        with pytest.raises(ConfigError, match=rf"model\.tuning\.{said}"):
            tune(backbone(), LowRank(**{**options, **wrong}))
    with pytest.raises(WeightsError, match=r"model\.tuning\.blocks=5"):
        tune(backbone(), LastBlocks(blocks=5))
    with pytest.raises(WeightsError, match="adapter"):
        tune_as(backbone(), {"kind": "adapter"})
    convolutional = TorchvisionBackbone(
        "resnet18", pretrained="IMAGENET1K_V1", weights="random:0", licence="none"
    )
    with pytest.raises(WeightsError):
        tune(convolutional, LastBlocks(blocks=1))
    with pytest.raises(WeightsError):
        checkpoint_gradients(convolutional)
