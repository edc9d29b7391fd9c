"""The CI score of planted kinds of pictures, and its input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from interestingness.errors import DataError
from interestingness.models.backbone import Backbone
from interestingness.scoring.commonly_interesting import CommonlyInteresting
from interestingness.scoring.table_scorer import ScorerMaterial
from interestingness.tables.table_format import write_table
from interestingness.tables.tables import Tables

LIKES = {0: 8, 1: 4, 2: 2, 3: 1}
"""People who like something of each kind of colour, planted."""


def scorer(backbone: Backbone, **changes: object) -> CommonlyInteresting:
    options = {
        "favourites": "judgments",
        "question": "favourite",
        "clusters": 8,
        "partitions": 4,
        "linkage": "ward",
        "scaling": "none",
        "normalise": "max",
        "seed": 0,
        "column": "commonly_interesting",
    }
    return CommonlyInteresting(backbone=backbone, **{**options, **changes})


def favourites() -> list[tuple[str, str]]:
    """Each of a kind's people likes three of its ten pictures, so that counting likes misleads."""
    rng = np.random.default_rng(1)
    found = [
        (f"{10 * kind + i:02d}.png", f"user {kind} {u}")
        for kind, people in LIKES.items()
        for u in range(people)
        for i in rng.choice(9, 3, replace=False)
    ]
    # One person who likes everything grey, often: many likes, no more people.
    return found + [(f"{30 + i:02d}.png", "user 3 0") for i in range(9)] * 5


@pytest.fixture
def judged(tables: Tables) -> Tables:
    image, user = zip(*favourites(), strict=True)
    more = pa.table(
        {
            "image_id": [*image, "00.png", "30.png", "somewhere else"],
            "rater_id": [*user, "a", "b", "c"],
            "answer": [*([True] * len(image)), False, True, True],
            "question": [*(["favourite"] * len(image)), "favourite", "beautiful", "favourite"],
        }
    )
    write_table("judgments", more, tables.root / "judgments.parquet")
    return tables


def test_planted_kinds_are_found(
    judged: Tables, material: ScorerMaterial, backbone: Backbone
) -> None:
    found = scorer(backbone).scores(material)
    expected = np.repeat([people / 8 for people in LIKES.values()], 10)
    np.testing.assert_allclose(found[:39], expected[:39])
    assert np.isnan(found[39:]).all()  # damaged, and without a file
    counts = scorer(backbone, normalise="count").scores(material)
    np.testing.assert_allclose(counts[:39], 8 * expected[:39])
    users = scorer(backbone, normalise="users").scores(material)
    # fifteen people and "c", whose favourite is no picture of this set
    np.testing.assert_allclose(users[:39], 8 * expected[:39] / 15)


def test_a_file_of_favourites(material: ScorerMaterial, backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        scorer(backbone).scores(material)
    lines = ["image_id,user_id", *(f"{image},{user}" for image, user in favourites())]
    (tmp_path / "likes.csv").write_text("\n".join(lines))
    found = scorer(backbone, favourites=str(tmp_path / "likes.csv")).scores(material)
    assert found[0] == 1.0 and found[35] == 1 / 8
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    for name in ("other.csv", "absent.parquet"):
        with pytest.raises(DataError, match=name):
            scorer(backbone, favourites=str(tmp_path / name)).scores(material)
