"""Descriptions out of the image table, or out of the table of texts that models wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from interestingness.datasets.folder_tables import pair_table
from interestingness.datasets.image_texts import (
    reads_written,
    texts_of_images,
    written_descriptions,
)
from interestingness.errors import DataError
from interestingness.schema import Pairs
from interestingness.studies.texts import descriptions
from interestingness.tables.table_format import write_table
from interestingness.tables.tables import ANNOTATIONS, Manifest, Tables

IDS = ["a", "b", "c"]


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return made(tmp_path / "data")


def made(root: Path, **columns: Any) -> Tables:
    images = pa.table({"image_id": IDS, **columns})
    pairs = pair_table(Pairs.from_ids(["a"], ["b"], IDS)[0])
    manifest = Manifest("mine", domain="photographs")
    tables = Tables.write(root, manifest, {"images": images, "pairs": pairs})
    (root / ANNOTATIONS).mkdir()
    return tables


def add(tables: Tables, writer: str, kind: str = "description", **texts: str | None) -> None:
    """What a model wrote, as its own table."""
    same = {"kind": [kind] * len(texts), "rater_id": [writer] * len(texts)}
    table = pa.table({"image_id": list(texts), "text": list(texts.values()), **same})
    write_table("texts", table, tables.root / ANNOTATIONS / f"texts-{writer}-{kind}.parquet")


def test_what_a_model_wrote_takes_the_place_of_the_column(tables: Tables) -> None:
    with pytest.raises(DataError, match=r"no description(.|\n)*interestingness caption"):
        texts_of_images(tables, "description")
    add(tables, "coca", a="a dog", b=" ", elsewhere="a cat")
    add(tables, "gpt-4o", a="two dogs", b="a door", c=None)
    add(tables, "gpt-4o", "cupl", c="interesting images have skies")
    assert texts_of_images(tables, "description") == [["a dog"], ["a door"], []]
    assert written_descriptions(tables).writers == {"coca": 1, "gpt-4o": 1}
    assert texts_of_images(tables, "description", raters=["gpt*"]) == [["two dogs"], ["a door"], []]
    assert reads_written(tables, ["image", "description"], None)
    assert not reads_written(tables, ["image", "tags"], ["gpt*"])
    with pytest.raises(DataError, match=r"by llama\*; there are some by coca, gpt-4o"):
        texts_of_images(tables, "description", raters=["llama*"])
    # Studies read the same.
    found = descriptions(tables, ["description"])
    assert found.text == ("a dog", "a door") and "a model wrote" in found.what


def test_a_column_comes_first_unless_a_writer_is_named(tmp_path: Path) -> None:
    tables = made(tmp_path / "data", description=["own", None, "words"])
    add(tables, "coca", a="a dog", c="a cat")
    assert texts_of_images(tables, "description") == [["own"], [], ["words"]]
    assert not reads_written(tables, ["description"], None)
    assert texts_of_images(tables, "description", raters=["*"]) == [["a dog"], [], ["a cat"]]
    assert reads_written(tables, ["description"], ["*"])
    assert descriptions(tables, ["description"]).text == ("own", "words")


def test_only_descriptions_are_looked_for_elsewhere(tables: Tables) -> None:
    add(tables, "coca", a="a dog")
    with pytest.raises(DataError, match="no column 'caption'"):
        texts_of_images(tables, "caption")
