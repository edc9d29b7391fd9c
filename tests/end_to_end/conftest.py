"""Runs inside this process on a small synthetic data set; imports are paid once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from interestingness.cli import conf_folder

SMALL = ["dataset.images=60", "model.backbone.weights=random", "trainer.max_epochs=3"]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data and features, shared by the session's runs."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def composed(cache: Path, tmp_path: Path) -> Callable[..., Any]:
    """``composed("train", "seed=1")``: what the command line would compose."""

    def make(config: str, *overrides: str, run: str = "run") -> Any:
        paths = [f"paths.cache={cache}", f"paths.runs={tmp_path}", f"paths.run={tmp_path / run}"]
        with initialize_config_dir(str(conf_folder().resolve()), version_base="1.3"):
            return compose(config, [*overrides, *paths])

    return make


@pytest.fixture
def trained(composed: Callable[..., Any]) -> Callable[..., Path]:
    """``trained("seed=1", run="a")``: a small run and its folder; halves, unless given a split."""
    from interestingness.assembly.run import train

    def run(*overrides: str, run: str = "run") -> Path:
        split = [] if any(o.startswith("split=") for o in overrides) else ["split=half_by_image"]
        given = [*SMALL, "trainer.accelerator=cpu", *split, *overrides]
        cfg = composed("train", *given, run=run)
        train(cfg)
        return Path(cfg.paths.run)

    return run


NODE = {
    "_target_": "interestingness.models.backbones.TorchvisionBackbone",
    "architecture": "resnet18",
    "pretrained": "IMAGENET1K_V1",
    "weights": "random:0",
    "licence": "none",
}


@pytest.fixture(scope="session")
def planted_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of ours with a random head on a random network, which needs no weight file."""
    import torch

    from interestingness.learning.learner import CHECKPOINT_KEY
    from interestingness.models.backbones import TorchvisionBackbone
    from interestingness.models.heads import LinearHead
    from interestingness.models.scaling import FeatureScaler
    from interestingness.models.scorer import Scorer

    backbone = TorchvisionBackbone(**{k: v for k, v in NODE.items() if k != "_target_"})
    head = LinearHead(backbone.dim)
    torch.manual_seed(0)
    torch.nn.init.normal_(head.weight)
    scorer = Scorer(backbone, FeatureScaler("none", backbone.dim), head)
    frozen = set(scorer.frozen_names())
    state = {f"scorer.{n}": v for n, v in scorer.state_dict().items() if n not in frozen}
    source = {"name": "planted", "question": "fun"}
    record = {"model": {"backbone": NODE}, "label_source": source, "question": "interesting"}
    file = tmp_path_factory.mktemp("run") / "made.ckpt"
    own = {"scorer": scorer.spec(), "record": record}
    torch.save({"state_dict": state, CHECKPOINT_KEY: own}, file)
    return file
