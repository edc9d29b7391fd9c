"""Errors of torch, Lightning and Hydra name the option, and advice names options that apply."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from interestingness.assembly.errors import avoid_nan, translate_errors
from interestingness.errors import ConfigError

FUSION = {"scaling": "none", "modalities": ["image", "tags"]}
PLAIN = {"scaling": "none"}


def config(
    model: dict[str, Any], *, source: str = "features", clip: float | None = None
) -> DictConfig:
    trainer = {"gradient_clip_val": clip}
    parts = {"optimizer": {"lr": 0.1}, "trainer": trainer, "data": {"source": source}}
    return OmegaConf.create({**parts, "model": model})


@pytest.mark.parametrize(
    ("place", "node"),
    [
        ("backbone", {"_target_": "torch.nn.Softmax2d", "a": 1}),
        (
            "head",
            {
                "_target_": "torch.nn.Conv2d",
                "in_channels": 3,
                "out_channels": 4,
                "groups": 2,
                "kernel_size": 1,
            },
        ),
    ],
)
def test_a_value_that_a_class_refuses_is_named_by_its_place(
    place: str, node: dict[str, Any]
) -> None:
    cfg = OmegaConf.create({"model": {place: node}})
    with pytest.raises(ConfigError) as raised, translate_errors(cfg):
        instantiate(cfg.model[place])
    assert raised.value.found.startswith(f"model.{place}: ")
    assert f"model.{place}" in raised.value.todo


def test_a_value_that_the_trainer_refuses() -> None:
    cfg = OmegaConf.create({"trainer": {"_target_": "lightning.Trainer", "precision": "nonsense"}})
    with pytest.raises(ConfigError) as raised, translate_errors(cfg):
        instantiate(cfg.trainer, logger=False)
    assert raised.value.found.startswith("trainer: ")


def test_errors_that_are_not_about_options_pass() -> None:
    for error in (ValueError("broken"), RuntimeError("broken"), KeyError("broken")):
        with pytest.raises(type(error)) as raised, translate_errors(config(PLAIN)):
            raise error
        assert raised.value is error


def test_a_head_too_large_for_memory() -> None:
    endless = {"_target_": "interestingness.models.heads.MLPHead", "dim": 8, "hidden": 10**13}
    with pytest.raises(ConfigError) as raised, translate_errors(config(PLAIN)):
        instantiate(endless, dropout=0.0)
    assert "model.head.hidden" in raised.value.todo


@pytest.mark.parametrize(
    ("precision", "advised"),
    [("16-true", True), ("16-mixed", True), ("bf16-true", True), ("bf16-mixed", False),
     ("32-true", False), (None, False)],
)  # fmt: skip
def test_advice_about_nan_begins_with_half_precision(precision: str | None, advised: bool) -> None:
    cfg = config(PLAIN)
    cfg.trainer.precision = precision
    assert avoid_nan(cfg).startswith("more precision (trainer.precision=bf16-mixed") == advised
    assert ("trainer.precision" in avoid_nan(cfg)) == advised


@pytest.mark.parametrize(
    ("cfg", "named"),
    [
        (config(FUSION), {"optimizer.lr", "gradient_clip_val"}),
        (config(PLAIN), {"optimizer.lr", "gradient_clip_val", "model.scaling", "standardize"}),
        (
            config(PLAIN, source="shards"),
            {"optimizer.lr", "gradient_clip_val", "model.scaling"},
        ),
        (config({"scaling": "standardize"}), {"optimizer.lr", "gradient_clip_val"}),
        (config(FUSION, clip=2.0), {"optimizer.lr"}),
    ],
)
def test_advice_about_nan_names_what_the_run_can_still_change(
    cfg: DictConfig, named: set[str]
) -> None:
    every = ("optimizer.lr", "gradient_clip_val", "model.scaling", "standardize")
    assert {option for option in every if option in avoid_nan(cfg)} == named
