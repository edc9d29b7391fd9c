"""A small data set of plain colours, and a network that sees nothing but the colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from torch import Tensor, nn

from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips
from interestingness.models.backbone import Backbone
from interestingness.models.contract import EmbeddingContract
from interestingness.scoring.table_scorer import ScorerMaterial
from interestingness.tables.tables import Manifest, Tables


class Colour(Backbone):
    """Mean red, green and blue in [0, 1]."""

    def __init__(self) -> None:
        contract = EmbeddingContract(
            family="test",
            architecture="colour",
            weights_sha256="0" * 64,
            dim=3,
            image_size=8,
            resize="shortest",
            resize_size=8,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        )
        super().__init__(nn.Identity(), contract, licence="none", origin="none")

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


@pytest.fixture
def backbone() -> Colour:
    return Colour()


@pytest.fixture
def colours() -> np.ndarray:
    """Forty colours around four distant ones, ten each."""
    centres = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [180, 180, 180]])
    noise = np.random.default_rng(0).integers(-12, 12, (40, 3))
    return np.repeat(centres, 10, axis=0) + noise


@pytest.fixture
def tables(tmp_path: Path, colours: np.ndarray) -> Tables:
    """A picture of each colour; the last one is damaged, and one more image has no file."""
    names = [f"{i:02d}.png" for i in range(len(colours))]
    for name, colour in zip(names, colours, strict=True):
        Image.new("RGB", (12, 9), tuple(int(c) for c in colour)).save(tmp_path / name)
    (tmp_path / names[-1]).write_text("no picture")
    images = pa.table({"image_id": [*names, "known by name"], "path": [*names, None]})
    return Tables.write(
        tmp_path,
        Manifest("colours", "photographs"),
        {
            "images": images,
            "pairs": pa.table({c: pa.array([], pa.string()) for c in ("pair_id", "left", "right")}),
        },
    )


@pytest.fixture
def material(tables: Tables, tmp_path: Path) -> ScorerMaterial:
    return ScorerMaterial(tables, FeatureCache(tmp_path / "cache"), "cpu", Skips(max_share=0.1))
