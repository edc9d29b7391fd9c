"""The zero-shot baseline against its formula written out, with the small CLIP of this package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from interestingness.errors import DataError
from interestingness.models.backbones import SceneClipBackbone
from interestingness.models.text_towers import SceneClipText
from interestingness.scoring.cupl import Cupl, mean_direction, read_prompts
from interestingness.scoring.table_scorer import ScorerMaterial
from interestingness.tables.table_format import write_table
from interestingness.tables.tables import Tables

SENTENCES = """question,text
interesting,a large red circle on green
interesting,many small stars at night
uninteresting,a plain grey square
"""


@pytest.fixture(autouse=True)
def scenes(material: ScorerMaterial) -> None:
    """The small CLIP is for synthetic scenes only."""
    material.tables.manifest = replace(material.tables.manifest, domain="synthetic")


def scorer(prompts: str = "shipped", contrast: str | None = None, **changes: object) -> Cupl:
    options = {
        "question": "interesting",
        "contrast": contrast,
        "prompts": prompts,
        "alike": 1.0,
        "column": "cupl",
        "architecture": "scene_clip",
        "weights": "embedded",
    }
    return Cupl(**{**options, **changes})


@pytest.fixture
def sentences(tmp_path: Path) -> str:
    file = tmp_path / "sentences.csv"
    file.write_text(SENTENCES)
    return str(file)


def cosines(material: ScorerMaterial, texts: list[str]) -> np.ndarray:
    """unit(image) · unit(mean(unit(text))), image by image."""
    vectors = SceneClipText(weights="embedded").embed(texts).astype(float)
    mean = np.mean([v / np.sqrt((v**2).sum()) for v in vectors], axis=0)
    mean /= np.sqrt((mean**2).sum())
    features, present = material.features(SceneClipBackbone(weights="embedded"))
    images = [row / np.sqrt((row.astype(float) ** 2).sum()) for row in features[present]]
    found = np.full(len(present), np.nan)
    found[present] = [image @ mean for image in images]
    return found


def test_scores_are_cosines_with_the_mean_sentence(
    material: ScorerMaterial, sentences: str
) -> None:
    positive = cosines(material, ["a large red circle on green", "many small stars at night"])
    negative = cosines(material, ["a plain grey square"])
    one = scorer(sentences).scores(material)
    np.testing.assert_allclose(one, positive, atol=1e-6)
    assert np.nanstd(one) > 1e-3
    two = scorer(sentences, "uninteresting").scores(material)
    np.testing.assert_allclose(two, positive - negative, atol=1e-6)
    assert np.isnan(one[-2:]).all() and not np.isnan(one[:-2]).any()
    assert list(material.skips.reasons) == ["39.png"]


def test_sentences_of_a_model_are_read_from_the_data_set(
    material: ScorerMaterial, tables: Tables, sentences: str
) -> None:
    with pytest.raises(DataError, match="interesting"):
        scorer("dataset").scores(material)
    texts = pa.table(
        {
            "kind": ["cupl", "cupl", "cupl", "description", "cupl"],
            "text": [
                "a large red circle on green",
                "many small stars at night",
                None,
                "a picture",
                "a plain grey square",
            ],
            "rater_id": ["gpt"] * 5,
            "question": ["interesting"] * 4 + ["uninteresting"],
        }
    )
    (tables.root / "annotations").mkdir()
    write_table("texts", texts, tables.root / "annotations" / "texts-gpt-cupl.parquet")
    for contrast in (None, "uninteresting"):
        own, file = scorer("dataset", contrast), scorer(sentences, contrast)
        np.testing.assert_array_equal(own.scores(material), file.scores(material))
        assert own.identity() == file.identity()
    assert scorer("dataset", "uninteresting").identity() != own.identity()  # not yet used


def test_copies_of_a_sentence_count_once() -> None:
    texts = ["A dog.", "a  dog", "A cat.", "A cat indeed."]
    vectors = np.array([[2.0, 0.0], [9.0, 0.0], [0.0, 1.0], [0.05, 1.0]])
    mean, used = mean_direction(texts, vectors, 1.0)
    assert used == ["A dog.", "A cat.", "A cat indeed."]
    mean, used = mean_direction(texts, vectors, 0.98)
    assert used == ["A dog.", "A cat."]
    np.testing.assert_allclose(mean, [0.5**0.5, 0.5**0.5])


def test_what_is_shipped(tables: Tables) -> None:
    for question in ("interesting", "uninteresting"):
        texts = read_prompts("shipped", question, tables)
        assert len(texts) == len(set(texts)) == 30
    with pytest.raises(DataError, match="'safe'"):
        read_prompts("shipped", "safe", tables)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "mine.csv"),
        (b"a,b\n1,2\n", "'question'"),
        (b"\xff\xfe\x00", "mine.csv"),
    ],
)
def test_a_bad_table_is_one_error(
    content: bytes | None, said: str, tables: Tables, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_prompts(str(file), "interesting", tables)
