"""Frozen towers on one's own labels: the same splits for all, and a line for what is absent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from interestingness.errors import ConfigError, LabelError, WeightsError
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Spread
from interestingness.studies.source_heads import Training, fit_heads
from interestingness.studies.study import EncodedTower, ImageFeatures, Material, StudyInterrupted
from interestingness.studies.towers import TowerTable
from interestingness.tables.tables import Tables


class Stand:
    """Towers of a test: one that sees, one that is blind, one without weights."""

    def __init__(self, material: Material) -> None:
        self.seeing = material.features
        self.asked: list[tuple[str, str | None, bool, int]] = []

    def names(self) -> list[str]:
        return ["absent", "blind", "seeing"]

    def encode(
        self, tables: Tables, name: str, *, weights: str | None, download: bool, timed: int
    ) -> EncodedTower:
        self.asked.append((name, weights, download, timed))
        if name == "absent":
            raise WeightsError("no such file", expected="a file", todo="fetch it")
        features = self.seeing
        if name == "blind":
            noise = np.random.default_rng(1).normal(size=features.values.shape)
            features = replace(features, values=noise.astype(np.float32))
        return EncodedTower(features, 2_000_000, 32, 10.0, "MIT")

    def read(self, tables: Tables, file: str) -> EncodedTower:
        return EncodedTower(self.seeing)


@pytest.fixture
def material(synthetic_material: Material) -> Material:
    synthetic_material.towers = Stand(synthetic_material)
    return synthetic_material


def study(**changed: object) -> TowerTable:
    settings: dict[str, object] = {
        "reference": "true_utility",
        "learn": None,
        "towers": None,
        "weights": {},
        "features": {},
        "splits": 3,
        "timed": 8,
        "scaling": "standardize",
    }
    return TowerTable(**{**settings, **changed})  # type: ignore[arg-type]


def test_towers_are_compared_on_the_same_splits(material: Material) -> None:
    result = study().run(material)
    table, absent = result.tables
    assert [row["tower"] for row in table.rows] == ["seeing", "blind"]
    assert [(row["tower"], row["why"]) for row in absent.rows] == [("absent", "no such file")]
    seeing, blind = table.rows
    heads = fit_heads(
        material,
        {"true_utility": material.sources.there["true_utility"]},
        {"true_utility": material.references.there["true_utility"]},
        train_on=np.ones(len(material.pairs), bool),
        test_on=np.ones(len(material.pairs), bool),
        training=Training(3, None, "standardize", None, material.seed),
    )
    assert seeing["accuracy"] == Spread.of(heads.accuracy[0, 0, 0])
    difference = blind["minus_first"]
    assert isinstance(difference, Interval) and difference.repeats == 3
    assert difference.low < difference.estimate < -0.1 and difference.estimate < difference.high
    assert difference.estimate == pytest.approx(
        blind["accuracy"].mean - seeing["accuracy"].mean  # type: ignore[union-attr]
    )
    assert seeing.get("minus_first") is None
    assert (seeing["parameters"], seeing["rate"], seeing["licence"]) == (2.0, 10.0, "MIT")
    assert "seeing" in result.answer and "1 of 3" in result.answer


def test_only_named_towers_are_downloaded(material: Material) -> None:
    stand = material.towers
    assert isinstance(stand, Stand)
    study(weights={"absent": "x.pt"}).run(material)
    assert stand.asked == [
        ("absent", "x.pt", False, 8), ("blind", None, False, 8), ("seeing", None, False, 8)
    ]  # fmt: skip
    stand.asked.clear()
    named = study(towers=["blind", "seeing"], timed=0).run(material)
    assert stand.asked == [("blind", None, True, 0), ("seeing", None, True, 0)]
    # the first that was named is what the others are held against
    row = next(row for row in named.tables[0].rows if row["tower"] == "seeing")
    assert row["minus_first"].estimate > 0.1  # type: ignore[union-attr]


def test_features_of_a_file_are_a_tower(material: Material) -> None:
    row = study(features={"mine": "x.npz"}, towers=[]).run(material).tables[0].rows[0]
    assert row["tower"] == "mine" and row["rate"] is None and row["parameters"] is None


def test_bad_input(material: Material) -> None:
    for changed in ({"splits": 0}, {"timed": -1}):
        with pytest.raises(ConfigError):
            study(**changed)
    for changed in ({"towers": ["clap"]}, {"weights": {"clap": "x"}}):
        with pytest.raises(ConfigError, match="clap"):
            study(**changed).run(material)
    with pytest.raises((ConfigError, LabelError)):
        study(reference="nobody").run(material)
    nothing = study(towers=["absent"]).run(material)
    assert [table.name for table in nothing.tables] == ["not_compared"]


def test_an_interruption_keeps_what_is_done(material: Material) -> None:
    class Stopped(Stand):
        def encode(self, tables: Tables, name: str, **more: object) -> EncodedTower:
            if name == "seeing":
                raise KeyboardInterrupt
            return super().encode(tables, name, **more)  # type: ignore[arg-type]

    material.towers = Stopped(material)
    with pytest.raises(StudyInterrupted) as told:
        study().run(material)
    assert [row["tower"] for row in told.value.result.tables[0].rows] == ["blind"]


def test_towers_of_unusable_images_share_no_test_pair(material: Material) -> None:
    """A tower without any usable image has a line, and no number."""
    stand = material.towers
    assert isinstance(stand, Stand)
    none = np.zeros(len(stand.seeing.present), dtype=bool)
    stand.seeing = ImageFeatures(
        stand.seeing.values, none, stand.seeing.embedding, "", (("a.png", "broken"),)
    )
    result = study(towers=["seeing"], splits=2).run(material)
    assert [table.name for table in result.tables] == ["not_compared"]
    assert "1 images unusable" in str(result.tables[0].rows[0]["why"])
