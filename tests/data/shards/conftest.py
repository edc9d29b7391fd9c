"""A tiny synthetic data set on disk and its shards."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torch import Tensor

from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.writer import write_shards
from interestingness.schema import Pair
from interestingness.tables.tables import Manifest, Tables

MakeTables = Callable[..., Tables]


def encode(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def picture(number: int, size: int = 12) -> Image.Image:
    """A plain synthetic picture whose red channel tells its number after any encoding."""
    return Image.new("RGB", (size, size), (number * 8 % 256, 100, 200))


@pytest.fixture
def make_tables(tmp_path: Path) -> MakeTables:
    """Writes images and tables; ``replace`` gives other bytes for some image numbers."""

    def make(
        images: int = 12,
        pairs: int = 30,
        *,
        replace: dict[int, bytes] | None = None,
        name: str = "tables",
    ) -> Tables:
        root = tmp_path / name
        (root / "images").mkdir(parents=True)
        names = [f"image {i:03d} ü.jpg" for i in range(images)]
        for i, image in enumerate(names):
            data = (replace or {}).get(i) or encode(picture(i))
            (root / "images" / image).write_bytes(data)
        chosen = list(itertools.combinations(range(images), 2))
        np.random.default_rng(0).shuffle(chosen)
        chosen_pairs = [Pair.of(names[a], names[b]) for a, b in chosen[:pairs]]
        assert len(chosen_pairs) == pairs
        return Tables.write(
            root,
            Manifest("tiny", "synthetic", "SIMULATION"),
            {
                "images": pa.table({"image_id": names, "path": [f"images/{n}" for n in names]}),
                "pairs": pa.table(
                    {
                        "pair_id": [p.pair_id for p in chosen_pairs],
                        "left": [p.left for p in chosen_pairs],
                        "right": [p.right for p in chosen_pairs],
                    }
                ),
            },
        )

    return make


@pytest.fixture
def tables(make_tables: MakeTables) -> Tables:
    """Twelve images in thirty pairs."""
    return make_tables()


@pytest.fixture
def root(tables: Tables, tmp_path: Path) -> Path:
    """Thirty pairs in five shards, the last one smaller."""
    root = tmp_path / "shards"
    write_shards(tables, root, pairs_per_shard=7)
    return root


@pytest.fixture
def shards(root: Path) -> PairShards:
    """The shards, opened."""
    return PairShards(root)


@pytest.fixture
def transform() -> Callable[[Image.Image], Tensor]:
    """RGB to a tensor of 2 by 2 pixels in [0, 255]."""
    return to_tensor


def to_tensor(image: Image.Image) -> Tensor:
    small = np.array(image.resize((2, 2)), dtype=np.float32)
    return torch.from_numpy(small).permute(2, 0, 1)
