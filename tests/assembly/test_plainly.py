"""What a stranger's class says of its values is told with the place of the node."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from interestingness.assembly.plainly import plainly
from interestingness.errors import ConfigError


@pytest.mark.parametrize(
    ("place", "node", "said"),
    [
        ("backbone", {"_target_": "torch.nn.Softmax2d", "a": 1}, "unexpected keyword"),
        (
            "head",
            {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 4, "groups": 2},
            "in_channels must be divisible",
        ),
    ],
)
def test_a_wrong_value_of_a_strangers_class(place: str, node: dict[str, Any], said: str) -> None:
    cfg = OmegaConf.create({"model": {place: {**node}}})
    if place == "head":
        cfg.model.head.kernel_size = 1
    with pytest.raises(ConfigError) as raised, plainly(cfg):
        instantiate(cfg.model[place])
    assert f"model.{place}: " in raised.value.found and said in raised.value.found
    assert "optimiser" not in str(raised.value)
    assert f"look at model.{place} in" in raised.value.todo


def test_a_trainers_value() -> None:
    cfg = OmegaConf.create({"trainer": {"_target_": "lightning.Trainer", "precision": "nonsense"}})
    with pytest.raises(ConfigError) as raised, plainly(cfg):
        instantiate(cfg.trainer, logger=False)
    assert "look at trainer in" in raised.value.todo
