"""Modalities side by side: what is missing is NaN and counted, and what cannot be is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from omegaconf import OmegaConf

from interestingness.assembly.modalities import Features, fused_features
from interestingness.datasets.folder_tables import pair_table
from interestingness.datasets.image_texts import texts_of_images
from interestingness.errors import ConfigError, DataError, WeightsError
from interestingness.models.backbone import Backbone
from interestingness.models.backbones import SceneClipBackbone
from interestingness.models.contract import EmbeddingContract
from interestingness.models.fusion import widths_of
from interestingness.models.text_towers import SceneClipText
from interestingness.schema import Pairs
from interestingness.tables.tables import Manifest, Tables

IDS = ["a", "b", "c", "d"]
TOWER = {"_target_": "interestingness.models.text_towers.SceneClipText", "weights": "random:0"}
COLUMNS: dict[str, list[Any]] = {
    "tags": ["sky, black cat", "🦄", None, "cat"],
    "keywords": ["sky cat", "", "sky", "cat"],
    "listed": [["sky", "cat"], [], None, ["cat"]],
    "title": ["A sky, a cat", " ", None, "no"],
    "bytes": [1, 2, 3, 4],
}


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    pairs = Pairs.from_ids(["a", "c"], ["b", "d"], IDS)[0]
    images = pa.table({"image_id": IDS, **COLUMNS})
    manifest = Manifest("mine", domain="photographs")
    return Tables.write(tmp_path / "data", manifest, {"images": images, "pairs": pair_table(pairs)})


def model(tmp_path: Path, *modalities: str, **more: Any) -> Any:
    (tmp_path / "words.json").write_text(json.dumps({"sky": [1.0, 0.0], "cat": [0.0, 2.0]}))
    path = str(tmp_path / "words.json")
    words = {"_target_": "interestingness.models.words.WordVectors", "path": path}
    plain = {"scaling": "none", "l2": 0.0, "vocabulary": "tags", "tower": TOWER, "words": words}
    return OmegaConf.create({**plain, "raters": None, "modalities": list(modalities), **more})


def encode(dim: int = 3, *, ready: Any = None) -> Features:
    pixels = np.arange(4 * dim, dtype=np.float32).reshape(4, dim) + 1
    there = np.array([True, True, False, True])
    return None, EmbeddingContract.of_cached("pixels", "abc", dim), pixels, there


def never(*, ready: Any = None) -> Features:
    raise AssertionError("encoded")


def test_texts_of_columns(tables: Tables) -> None:
    found = {name: texts_of_images(tables, name) for name in COLUMNS if name != "bytes"}
    assert found["tags"] == [["sky", "black cat"], ["🦄"], [], ["cat"]]
    assert found["keywords"] == [["sky", "cat"], [], ["sky"], ["cat"]]
    assert found["listed"] == [["sky", "cat"], [], [], ["cat"]]
    assert found["title"] == [["A sky, a cat"], [], [], ["no"]]
    with pytest.raises(DataError, match="holds int64"):
        texts_of_images(tables, "bytes")
    with pytest.raises(DataError, match="no column 'caption'"):
        texts_of_images(tables, "caption")


def test_modalities_stand_side_by_side(tables: Tables, tmp_path: Path) -> None:
    notes: list[str] = []
    _, contract, rows, there = fused_features(
        model(tmp_path, "image", "tags"), tables, notes, encode
    )
    assert widths_of(contract.architecture) == {"image": 3, "tags": 2} and contract.dim == 5
    nan = np.nan
    expected = [[1, 2, 3, 0.5, 1], [4, 5, 6, nan, nan], [nan] * 5, [10, 11, 12, 0, 2]]
    np.testing.assert_array_equal(rows, np.array(expected, np.float32))
    assert there.tolist() == [True, True, False, True]  # c has neither a picture nor a tag
    assert "3 of 4 have a vector (1 distinct ones have none: '🦄', …)" in notes[1]
    assert "2 images without one, 1 of them empty" in notes[1]
    other = fused_features(model(tmp_path, "tags", "image"), tables, [], encode)[1]
    assert other.fingerprint() != contract.fingerprint()


def test_tags_alone_need_no_image(tables: Tables, tmp_path: Path) -> None:
    rows = fused_features(model(tmp_path, "tags"), tables, [], never)[2]
    assert rows.shape == (4, 2)


def test_generated_tags(tables: Tables, tmp_path: Path) -> None:
    dim = SceneClipText(weights="random:0").dim
    notes: list[str] = []
    _, contract, rows, there = fused_features(
        model(tmp_path, "generated_tags"), tables, notes, partial(encode, dim)
    )
    assert any("which model they are of" in note for note in notes)
    # all four words of the data set are among the ten nearest: the mean of those with a vector
    np.testing.assert_allclose(rows[[0, 1, 3]], [[1 / 3, 4 / 3]] * 3, rtol=1e-6)
    assert there.tolist() == [True, True, False, True] and contract.dim == 2
    with pytest.raises(ConfigError, match="both towers of one CLIP model"):
        fused_features(model(tmp_path, "generated_tags"), tables, [], encode)


def test_generated_tags_of_two_models_are_refused_before_an_image_is_encoded(
    tables: Tables, tmp_path: Path
) -> None:
    def begin(*, ready: Callable[[Backbone], None]) -> Features:
        ready(SceneClipBackbone(weights="embedded"))
        raise AssertionError("encoded")

    with pytest.raises(ConfigError, match="the words nearest to an image are noise"):
        fused_features(model(tmp_path, "image", "generated_tags"), tables, [], begin)


def test_a_text_embedder_that_is_no_tower(tables: Tables, tmp_path: Path) -> None:
    tower = {"_target_": "interestingness.studies.embedding.TfidfEmbedder"}
    with pytest.raises(ConfigError, match=r"model\.tower: TfidfEmbedder"):
        fused_features(model(tmp_path, "generated_tags", tower=tower), tables, [], never)


def test_what_is_refused(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="distinct names"):
        fused_features(model(tmp_path, "tags", "tags"), tables, [], encode)
    with pytest.raises(ConfigError, match="scaling none"):
        fused_features(model(tmp_path, "tags", scaling="unit"), tables, [], encode)
    scenes = {"_target_": "interestingness.models.words.TowerVectors", "tower": TOWER}
    with pytest.raises(WeightsError, match="for synthetic images"):
        fused_features(model(tmp_path, "tags", words=scenes), tables, [], encode)
    (tmp_path / "other.json").write_text('{"dog": [1, 2]}')
    words = {"_target_": "interestingness.models.words.WordVectors"}
    words["path"] = str(tmp_path / "other.json")
    with pytest.raises(DataError, match=r"no image has the modality 'tags' \(tags: 0 of 4 have"):
        fused_features(model(tmp_path, "image", "tags", words=words), tables, [], encode)


@pytest.mark.parametrize(
    ("options", "found", "todo"),
    [
        ({"modalities": []}, "model.modalities=[]", "[image,tags]"),
        ({"modalities": ["tags", "image", "tags"]}, ": tags stands there twice", "[image,tags]"),
        ({"modalities": "tags"}, "model.modalities=tags", "model.modalities=[tags]"),
        ({"modalities": ["imge", "tags"]}, "mine has no imge", "did you mean image?"),
        ({"modalities": ["image", "Tags"]}, "mine has no Tags", "did you mean tags?"),
        ({"modalities": ["image", "colour"]}, "mine has no colour", "dataset.groups=FILE"),
        ({"modalities": ["image", None]}, "mine has no None", "dataset.groups=FILE"),
        ({"modalities": ["title_with_leaks"]}, "title_with_leaks", "name title itself"),
        ({"modalities": ["tag_with_leaks"]}, "mine has no tag_with_leaks", "dataset.groups"),
        (
            {"modalities": ["generated_tags"], "vocabulary": "tagz"},
            "model.vocabulary: mine has no tagz",
            "did you mean tags?",
        ),
        ({"modalities": ["generated_tags"], "vocabulary": None}, "has no None", "dataset.groups"),
        ({"raters": ["gpt*"]}, "model.raters=[gpt*]", "add description to model.modalities"),
        ({"raters": "gpt*"}, "model.raters=gpt*", "model.raters=[gpt*]"),
    ],
    ids=str,
)
def test_a_wrong_modality_is_refused_before_an_image_is_encoded(
    tables: Tables, tmp_path: Path, options: dict[str, Any], found: str, todo: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        fused_features(model(tmp_path, **{"modalities": ["tags"], **options}), tables, [], never)
    assert found in raised.value.found and todo in raised.value.todo


def test_a_column_of_numbers_is_refused(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds int64"):
        fused_features(model(tmp_path, "image", "bytes"), tables, [], never)
