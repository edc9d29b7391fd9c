"""Advice about a loss that is no number names options that the run's model takes."""

from __future__ import annotations

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from interestingness.assembly.advice import smaller_steps
from interestingness.assembly.plainly import plainly
from interestingness.errors import ConfigError

FUSION = {"scaling": "none", "modalities": ["image", "tags"]}
PLAIN = {"scaling": "none"}
ENDLESS = {"dim": 8, "hidden": 10**13, "dropout": 0.0}


def config(model, *, source="features", clip=None):
    trainer = {"gradient_clip_val": clip}
    parts = {"optimizer": {"lr": 0.1}, "trainer": trainer, "data": {"source": source}}
    return OmegaConf.create({**parts, "model": model})


@pytest.mark.parametrize(
    ("model", "source", "scaling"),
    [
        (FUSION, "features", ""),
        (PLAIN, "features", "(model.scaling=unit_sqrt_dim, or standardize)"),
        (PLAIN, "shards", "(model.scaling=unit_sqrt_dim)"),
        ({"scaling": "standardize"}, "features", ""),
    ],
)
def test_scaling_is_named_where_the_model_takes_it(model, source, scaling):
    said = smaller_steps(config(model, source=source))
    assert scaling in said and ("scaling" in said) == bool(scaling)
    assert "optimizer.lr, now 0.1" in said and "trainer.gradient_clip_val=1" in said


def test_what_is_done_already_is_not_named():
    assert (
        smaller_steps(config(FUSION, clip=2.0)) == "lower the learning rate (optimizer.lr, now 0.1)"
    )


def test_a_network_that_memory_cannot_hold_is_said_to_be_one():
    with (
        pytest.raises(ConfigError, match="not enough to build the model") as raised,
        plainly(config(PLAIN)),
    ):
        instantiate({"_target_": "interestingness.models.heads.MLPHead"}, **ENDLESS)
    assert "model.head.hidden" in raised.value.todo
