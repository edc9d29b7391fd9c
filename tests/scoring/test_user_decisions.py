"""Files of decisions: spellings, what is no decision, images that are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interestingness.errors import DataError
from interestingness.scoring.user_decisions import Overrides, read_overrides
from interestingness.tables.image_names import ImageNames

IDS = ["a.jpg", 'b"\n.jpg', "trip/a.jpg", "trip/caf\u00e9 🦊.jpg"]


def read(tmp_path: Path, text: str) -> Overrides:
    file = tmp_path / "decisions.csv"
    file.write_text(text, encoding="utf-8")
    return read_overrides(file, ImageNames(IDS, tmp_path / "photos"))


def test_words_stars_and_spellings(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "file;decision\n./a.jpg;Keep\ntrip\\a.jpg;-1\ntrip/cafe\u0301 🦊.jpg;5\n"
        '"b""\n.jpg";reject\na.jpg;\n',
    )
    stars = np.array([0, 4, 4, 4], dtype=np.int8)
    choice = found.over(stars)
    assert choice.decided.tolist() == [1, -1, 0, 0]
    assert choice.stars.tolist() == [0, 4, -1, 5]
    assert stars.tolist() == [0, 4, 4, 4]  # the photographs' own stay
    assert found.unknown == ()


def test_images_that_are_not_there_are_told(tmp_path: Path) -> None:
    found = read(tmp_path, "image,decision\ngone.jpg,keep\na.jpg,0\nother.jpg,reject\n")
    assert found.unknown == ("gone.jpg", "other.jpg")
    assert "2 decisions" in found.unknown_sentence() and "gone.jpg" in found.unknown_sentence()
    assert found.rows.tolist() == [0]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("image,decision\na.jpg,maybe\n", "maybe"),
        ("image,decision\na.jpg,6\n", "6"),
        ("image,decision\na.jpg,nan\n", "nan"),
        ("image,decision\na.jpg,2.5\n", "2.5"),
        ("image,decision\na.jpg,keep\n./a.jpg,reject\n", "a.jpg"),
        ("image,decision\ngone.jpg,keep\n", "none of its 1 rows"),
        ("image,opinion\na.jpg,keep\n", "decision"),
        ("name,decision\na.jpg,keep\n", "image"),
    ],
)
def test_what_is_no_decision(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, text)
    assert named in str(error.value) and error.value.todo


def test_the_same_decision_twice_is_one(tmp_path: Path) -> None:
    found = read(tmp_path, "image,decision\na.jpg,keep\n./a.jpg,yes\n")
    assert list(found.values) == ["keep"]
