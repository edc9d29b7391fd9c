"""Texts of images: cleaned, joined, taken from votes; what is missing is said."""

import numpy as np
import pyarrow as pa
import pytest

from interestingness.errors import DataError, LabelError
from interestingness.studies.texts import clean, descriptions, reasons
from interestingness.tables.tables import Manifest, Tables


def with_columns(root, **columns):
    images = {"image_id": ["a", "b", "c"], **columns}
    pairs = {"pair_id": pa.array([], pa.string())} | {
        side: pa.array([], pa.string()) for side in ("left", "right")
    }
    return Tables.write(
        root,
        Manifest("words", "photographs"),
        {"images": pa.table(images), "pairs": pa.table(pairs)},
    )


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  two\n lines\t", "two lines"),
        ("null\x00 bell\x07 escape\x1b[31m", "null bell escape [31m"),
        ("right‮left\u2028end", "right left end"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("cafe\u0301", "café"),
        (7, "7"),
        ("\u200b \ufeff", ""),
    ],
)
def test_a_text_is_one_line_without_control_characters(text, cleaned):
    assert clean(text) == cleaned


def test_a_text_has_a_bounded_length():
    assert len(clean("long " * 10_000)) == 2000


def test_columns_are_joined_and_empty_cells_left_out(tmp_path):
    tables = with_columns(tmp_path, theme=["Dog 1", None, ""], kind=["Animal", "Person", None])
    found = descriptions(tables, ["theme", "kind"])
    assert found.text == ("Dog 1 Animal", "Person")
    assert found.image.tolist() == [0, 1] and found.pair.tolist() == [-1, -1]
    assert found.empty == 1 and found.distinct == 2 and "theme and kind" in found.what
    assert found[np.array([1])].text == ("Person",)


def test_an_absent_column_names_those_that_are_there(tmp_path):
    tables = with_columns(tmp_path, theme=["x", "y", "z"])
    with pytest.raises(DataError, match=r"no column description(.|\n)*it has theme"):
        descriptions(tables, ["description"])
    with pytest.raises(DataError, match="none named"):
        descriptions(tables, [])


def test_columns_without_a_word_are_an_error(tmp_path):
    with pytest.raises(DataError, match="empty for all 3 images"):
        descriptions(with_columns(tmp_path, theme=["", " ", "\x00"]), ["theme"])


VOTES = [
    {"left": "a", "right": "b", "choice": "left", "rater": "p1", "reason": "cute  dog"},
    {"left": "a", "right": "b", "choice": "right", "rater": "p2", "reason": "nice sky"},
    {"left": "b", "right": "c", "choice": "tie", "rater": "p1", "reason": "both dull"},
    {"left": "b", "right": "c", "choice": "right", "rater": "p2", "reason": "  "},
    {
        "left": "b",
        "right": "c",
        "choice": "right",
        "rater": "gpt-4o-1",
        "kind": "model",
        "reason": "vivid colours",
    },
]


def test_a_reason_stands_for_the_image_that_its_vote_chose(handmade):
    material = handmade(votes=VOTES)
    found = reasons(material.tables, material.sources.there["human"])
    ids = material.tables.image_ids
    assert [(text, ids[row]) for text, row in zip(found.text, found.image, strict=True)] == [
        ("cute dog", "a"),
        ("nice sky", "b"),
    ]
    assert found.empty == 1 and (material.pairs.left[found.pair] == 0).all()
    judge = reasons(material.tables, material.sources.there["gpt4o"])
    assert judge.text == ("vivid colours",) and ids[judge.image[0]] == "c"


def test_votes_without_reasons_are_an_error_with_a_way_out(handmade):
    bare = [{k: v for k, v in vote.items() if k != "reason"} for vote in VOTES]
    material = handmade(votes=bare)
    with pytest.raises(LabelError, match="has a reason"):
        reasons(material.tables, material.sources.there["human"])
