from itertools import pairwise

import pytest
import torch

from interestingness.errors import ConfigError
from interestingness.learning.parameter_groups import ParameterGroups
from interestingness.learning.schedule import WarmupCosine
from interestingness.models.backbones import SceneClipBackbone
from interestingness.models.heads import LinearHead
from interestingness.models.scaling import FeatureScaler
from interestingness.models.scorer import Scorer
from interestingness.models.tuning import FullTuning, LastBlocks, Tuning, tune


def groups(tuning: Tuning, **options: float) -> tuple[dict[str, dict], Scorer]:
    """The group of each parameter, by the parameter's name."""
    backbone = tune(SceneClipBackbone(weights="random:0"), tuning)
    scorer = Scorer(backbone, FeatureScaler("none", backbone.dim), LinearHead(backbone.dim))
    made = ParameterGroups(**{"backbone_lr": 0.1, "layer_decay": 0.5, **options}).of(scorer)
    names = {id(p): n for n, p in scorer.named_parameters()}
    return {names[id(p)]: group for group in made for p in group["params"]}, scorer


def test_each_layer_learns_at_half_the_rate_of_the_one_above() -> None:
    found, scorer = groups(FullTuning())
    assert set(found) == {n for n, p in scorer.named_parameters() if p.requires_grad}
    scale = {name: group["lr_scale"] for name, group in found.items()}
    block = "backbone.network.transformer.resblocks.{}.mlp.c_fc.weight"
    assert scale["head.weight"] == 1
    assert scale["backbone.network.proj"] == pytest.approx(0.1)
    assert [scale[block.format(at)] for at in (3, 2, 1, 0)] == pytest.approx(
        [0.05, 0.025, 0.0125, 0.00625]
    )
    assert scale["backbone.network.conv1.weight"] == pytest.approx(0.1 / 32)


def test_only_matrices_decay_and_embeddings_do_not() -> None:
    found, _ = groups(FullTuning())
    decays = {name for name, group in found.items() if "weight_decay" not in group}
    assert all(name.endswith(("weight", "proj")) and "ln_" not in name for name in decays)
    assert "backbone.network.positional_embedding" not in decays
    assert "backbone.network.transformer.resblocks.0.attn.in_proj_weight" in decays
    assert len(decays) == 4 * 4 + 2  # four matrices a block, the patches and the projection


def test_what_is_frozen_is_in_no_group() -> None:
    found, _ = groups(LastBlocks(blocks=1), layer_decay=1.0)
    assert not any("resblocks.2" in name for name in found)
    assert {g["lr_scale"] for g in found.values()} == {0.1, 1.0}
    optimizer = torch.optim.AdamW(list({id(g): g for g in found.values()}.values()), lr=1e-3)
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(found)


@pytest.mark.parametrize("bad", [{"layer_decay": 0.0}, {"layer_decay": 1.5}, {"backbone_lr": 0.0}])
def test_impossible_factors(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="layer_decay"):
        groups(FullTuning(), **bad)


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    schedule = WarmupCosine(warmup=0.1, floor=0.2)
    factors = [schedule.factor(step, 100) for step in range(101)]
    assert factors[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert factors[10] == 1
    assert factors[55] == pytest.approx(0.6)  # half way down
    assert factors[100] == pytest.approx(0.2)
    assert all(a > b for a, b in pairwise(factors[10:]))
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": 2.0}], lr=1.0)
    stepped = schedule.of(optimizer, 100)
    seen = []
    for _ in range(3):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        stepped.step()
    assert seen == pytest.approx([2 * f for f in factors[:3]])


@pytest.mark.parametrize("bad", [{"warmup": 500, "floor": 0.0}, {"warmup": 0.1, "floor": 2.0}])
def test_a_warm_up_is_a_share(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="warmup"):
        WarmupCosine(**bad)
