"""LaFin's table: a row a combination, and what it says of fusion."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from interestingness.data.splits import by_image
from interestingness.errors import ConfigError, DataError, LabelError
from interestingness.models.contract import EmbeddingContract
from interestingness.models.fusion import row_name
from interestingness.stats.bootstrap import Interval
from interestingness.studies.lafin_table1 import (
    Combination,
    LafinTable1,
    _verdict,
    combinations_of,
)
from interestingness.studies.result import Spread
from interestingness.studies.study import ImageFeatures, Material
from interestingness.tables.tables import Tables

SETTINGS: dict[str, Any] = {
    "label": "lafin", "source": "true_utility", "weight": None, "splits": 2, "epochs": 30,
    "pair_epochs": 30, "lr": 0.003, "batch_size": 64, "hidden": 8, "dropout": 0.1,
}  # fmt: skip


@pytest.fixture
def material(synthetic_material: Material) -> Material:
    """Two modalities: one that knows the flag, one of noise that two images lack."""

    def encode(tables: Tables) -> ImageFeatures:
        rng = np.random.default_rng(0)
        rows = tables.table("scores").to_pylist()
        known = {row["image_id"]: row["score"] for row in rows if row["name"] == "lafin"}
        flag = np.array([known[image] for image in tables.image_ids.tolist()])
        values = rng.normal(size=(len(flag), 7)).astype(np.float32)
        values[:, 0] += 6 * (flag - 0.5)
        values[:2, 4:] = np.nan
        contract = EmbeddingContract.of_cached(row_name({"image": 4, "tags": 3}), "x", 7)
        return ImageFeatures(values, np.ones(len(flag), dtype=bool), contract, "planted")

    synthetic_material.encode = encode
    synthetic_material.split = lambda number, t: by_image(
        t.pairs, t.images, train=0.6, validation=0.2, test=0.2, seed=number
    )
    return synthetic_material


def test_every_combination_has_a_row() -> None:
    found = combinations_of(["image", "tags", "title", "tags_with_leaks"])
    assert len(found) == 7 + 1 + 1
    assert found[6:] == [
        Combination(("image", "tags", "title")),
        Combination(("image", "tags", "title"), reduce=False),
        Combination(("tags_with_leaks",)),
    ]
    assert [row.leaks for row in found] == [False] * 8 + [True]
    assert combinations_of(["tags"]) == [Combination(("tags",))]


def test_what_is_planted_comes_out(material: Material) -> None:
    result = LafinTable1(**SETTINGS).run(material)
    table = result.tables[0]
    rows = {(r["modalities"], r["joined"]): r for r in table.rows}
    assert list(rows) == [
        ("image", ""), ("tags", ""), ("image + tags", "reduced"), ("image + tags", "directly"),
        ("any tag with explor", ""),
    ]  # fmt: skip
    image, tags = rows["image", ""]["test"], rows["tags", ""]["test"]
    assert isinstance(image, Spread) and isinstance(tags, Spread)
    assert image.repeats == 2 and image.mean > 0.85 > 0.75 > tags.mean
    leak = rows["any tag with explor", ""]["precision"]
    assert isinstance(leak, Spread) and leak.mean > 0.8  # who has one was listed, as simulated
    for row in rows.values():
        values = [row[name] for name in ("train", "validation", "precision", "recall", "pairs")]
        assert all(isinstance(v, Spread) and (np.isnan(v.mean) or 0 <= v.mean <= 1) for v in values)
    assert "the highest single one (image)" in result.answer and "Pairs: " in result.answer
    assert re.search(r"does not beat it beyond chance, \S+ points \[\S+, \S+\]", result.answer)
    assert result.simulated


def test_the_audit_finds_the_planted_leak(material: Material) -> None:
    audit = LafinTable1(**SETTINGS).run(material).tables[1]
    leaking = [row for row in audit.rows if row["leaks"]]
    assert "any tag with explor" in {row["tag"] for row in leaking}
    assert all(float(row["z"]) > 0 for row in leaking)  # type: ignore[arg-type]
    sure = [abs(float(row["z"])) for row in audit.rows]  # type: ignore[arg-type]
    assert sure == sorted(sure, reverse=True)


def test_one_split_has_intervals_over_images(material: Material) -> None:
    result = LafinTable1(**SETTINGS | {"splits": 1, "label": "true_utility"}).run(material)
    cell = result.tables[0].rows[0]["test"]
    assert isinstance(cell, Interval) and cell.low <= cell.estimate <= cell.high
    assert "one split says nothing about how sure" in result.answer
    assert "above its median" in dict(result.used)["interesting"]


@pytest.mark.parametrize("wrong", [{"label": "fame"}, {"source": "fame"}, {"weight": "fame"}])
def test_what_is_not_there(material: Material, wrong: dict[str, str]) -> None:
    with pytest.raises((ConfigError, LabelError), match="fame"):
        LafinTable1(**SETTINGS | wrong).run(material)


def test_what_it_needs(synthetic_material: Material, material: Material) -> None:
    material.split = lambda number, t: by_image(
        t.pairs, t.images, train=0.5, validation=0, test=0.5, seed=number
    )
    with pytest.raises(DataError, match="no validation example"):
        LafinTable1(**SETTINGS).run(material)


def test_one_modality_is_no_table(synthetic_material: Material) -> None:
    with pytest.raises(ConfigError, match="at least two modalities"):
        LafinTable1(**SETTINGS).run(synthetic_material)


@pytest.mark.parametrize(
    "wrong",
    [
        {"splits": 0}, {"epochs": 0}, {"pair_epochs": -1},
        {"batch_size": 0}, {"hidden": 0}, {"lr": 0}, {"lr": math.inf},
        {"dropout": 2}, {"dropout": -0.1}, {"dropout": math.nan},
        {"epochs": 0, "dropout": 1},
    ],
)  # fmt: skip
def test_numbers_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        LafinTable1(**SETTINGS | wrong)
    assert raised.value.found == " ".join(f"study.{name}={value}" for name, value in wrong.items())
    assert all(f"study.{name}" in raised.value.todo for name in wrong)


@pytest.mark.parametrize("typed", ["model.head.dropout=2", "+model.head.depth=2"])
def test_the_models_head_is_not_the_tables(material: Material, typed: str) -> None:
    def prepare() -> Tables:
        raise AssertionError("the data set was asked for")

    material.prepare, material.overrides = prepare, ("study.splits=1", typed)
    with pytest.raises(ConfigError, match=re.escape(typed)) as raised:
        LafinTable1(**SETTINGS).run(material)
    assert "study.dropout" in raised.value.todo


def test_no_lead_is_larger_than_100_points() -> None:
    rows = [Combination(("image",)), Combination(("tags",)), Combination(("image", "tags"))]
    found = np.zeros((3, 6, 2))
    found[0], found[2] = [0.1, 0.2], [0.9, 0.4]
    assert "[−100.0, +100.0] over 2 splits" in _verdict(rows, found, 2, 1.0)
