"""Scorers of other packages against imitations of these: neither they nor their weights are here.

The imitations have the functions that the packages' own source has (pyiqa 0.1.16, resmem 1.1.6,
vitmem 1.0.1, VILA-R on TensorFlow Hub); what they compute is the mean of a colour.
"""

from __future__ import annotations

import sys
from io import BytesIO
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import to_tensor

from interestingness.errors import ConfigError, WeightsError
from interestingness.scoring.packages import Pyiqa, ResMem, Vila, VitMem
from interestingness.scoring.picture_scorer import PictureScorer
from interestingness.scoring.table_scorer import ScorerMaterial


class Metric:
    metric_mode, lower_better = "NR", False

    def __init__(self, name: str) -> None:
        self.lower_better = name == "brisque"
        self.metric_mode = "FR" if name == "lpips" else "NR"

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        assert images.ndim == 4 and float(images.min()) >= 0 and float(images.max()) <= 1
        return images[:, 0].mean(dim=(1, 2))[:, None]


class Network(torch.nn.Module):
    def __init__(self, pretrained: bool = False) -> None:
        super().__init__()
        assert pretrained

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[1:] == (3, 9, 12)
        return x[:, 0].mean(dim=(1, 2))[:, None]


def reddish(image: Image.Image) -> float:
    return float(np.asarray(image)[..., 0].mean() / 255)


@pytest.fixture
def imitations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages' names, with imitations behind them."""

    def module(name: str, **members: Any) -> None:
        made = ModuleType(name)
        made.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, made)

    def serving(data: bytes) -> dict[str, np.ndarray]:
        return {"predictions": np.array([[reddish(Image.open(BytesIO(data)))]])}

    module("pyiqa", create_metric=lambda name, device: Metric(name))
    module("resmem", ResMem=Network, transformer=to_tensor)
    module("vitmem", ViTMem=lambda: reddish)
    module("tensorflow", constant=lambda value: value)
    signatures = {"serving_default": serving}
    loaded = {"vila": SimpleNamespace(signatures=signatures), "no": SimpleNamespace()}
    module("tensorflow_hub", load=loaded.get)


def made(name: str) -> PictureScorer:
    kinds: dict[str, Any] = {
        "pyiqa": lambda: Pyiqa(metric="nima", column="aesthetic", max_side=100),
        "resmem": lambda: ResMem(column="memorability"),
        "vitmem": lambda: VitMem(column="memorability"),
        "vila": lambda: Vila(column="aesthetic", model="vila"),
    }
    scorer: PictureScorer = kinds[name]()
    return scorer


@pytest.mark.parametrize("name", ["pyiqa", "resmem", "vitmem", "vila"])
def test_pictures_reach_the_network_whole(
    name: str, imitations: None, material: ScorerMaterial, colours: np.ndarray
) -> None:
    scorer = made(name)
    found = scorer.scores(material)
    np.testing.assert_allclose(found[:39], colours[:39, 0] / 255, atol=1e-6)
    assert np.isnan(found[39:]).all()
    assert scorer.licence and scorer.describe()
    # Again from the cache, without the network.
    scorer.numbers = None  # type: ignore[method-assign, assignment]
    np.testing.assert_array_equal(scorer.scores(material), found)


@pytest.mark.parametrize("name", ["pyiqa", "resmem", "vitmem", "vila"])
def test_without_the_package_there_is_one_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = {"vila": "tensorflow_hub"}.get(name, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WeightsError, match=package) as error:
        made(name)
    assert f'pip install "interestingness[{name}]"' in error.value.todo


def test_metrics_are_turned_round_or_refused(imitations: None, material: ScorerMaterial) -> None:
    up, down = (Pyiqa(metric=m, column="a", max_side=100) for m in ("nima", "brisque"))
    np.testing.assert_allclose(down.scores(material), -up.scores(material))
    assert up.identity() != down.identity()
    with pytest.raises(ConfigError, match=r"scorer\.metric"):
        Pyiqa(metric="lpips", column="a", max_side=100)
    with pytest.raises(WeightsError, match="serving_default"):
        Vila(column="a", model="no")
