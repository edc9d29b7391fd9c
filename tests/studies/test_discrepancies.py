"""The study of discrepancies: planted likes and dislikes are found, bad input is said."""

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from scipy.special import expit

from interestingness.errors import ConfigError, DataError, LabelError, WeightsError
from interestingness.models.contract import EmbeddingContract
from interestingness.models.text_towers import SceneClipText
from interestingness.reports.page import write_report
from interestingness.schema import Pairs
from interestingness.studies.discrepancies import Discrepancies
from interestingness.studies.embedding import TfidfEmbedder
from interestingness.studies.study import ImageFeatures
from interestingness.tables.tables import Manifest, Tables
from tests.studies.conftest import material_of

KINDS = ("boat on the sea", "cat in a room", "car in a street", "tree on a hill")
PEOPLE = (2.0, -2.0, -1.0, 1.0)
"""What people make of each kind; the judge has cars for trees, and likes vivid colours."""
JUDGE = (2.0, -2.0, 1.0, -1.0)
HOSTILE = "<script>alert('x')</script> because of\x00 the boat"


def study(**change):
    options = {
        "of": "descriptions",
        "columns": ["description"],
        "reference": "human",
        "source": "gpt4o",
        "reasons_by": "source",
        "embedder": TfidfEmbedder(),
        "clusters": 4,
        "distance": None,
        "splits": 2,
        "attributes": ["colourfulness", "symmetry", "coherence"],
        "scores": [],
        "repeats": 40,
        "refits": 20,
    }
    return Discrepancies(**options | change)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """160 pictures of four kinds; vivid ones are liked by the judge alone."""
    root = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    images = 160
    kind = np.arange(images) % 4
    vivid = rng.random(images)
    ids = [f"i{k:03d}" for k in range(images)]
    for name, share in zip(ids, vivid, strict=True):
        noise = rng.random((24, 24, 3))
        grey = noise.mean(axis=-1, keepdims=True)
        pixels = share * noise + (1 - share) * grey
        Image.fromarray(np.uint8(255 * pixels)).save(root / f"{name}.png")
    people = np.array(PEOPLE)[kind]
    judge = np.array(JUDGE)[kind] + 6 * (vivid - 0.5)
    couples = sorted({tuple(sorted(rng.choice(ids, 2, replace=False))) for _ in range(600)})
    pairs = Pairs.from_ids([a for a, _ in couples], [b for _, b in couples], ids)[0]
    votes = []
    for row, pair in enumerate(pairs.pair_ids):
        left, right = int(pairs.left[row]), int(pairs.right[row])
        for rater, who, utility in (("p", "human", people), ("gpt-4o", "model", judge)):
            for sample in range(2 if who == "human" else 1):
                chose_left = rng.random() < expit(utility[left] - utility[right])
                word = KINDS[kind[left if chose_left else right]].split()[0]
                votes.append(
                    {
                        "pair_id": pair,
                        "rater_id": f"{rater}{sample}",
                        "rater_kind": who,
                        "choice": "left" if chose_left else "right",
                        "first": "left" if rng.random() < 0.5 else "right",
                        "reason": HOSTILE if word == "boat" else f"the {word} is nice",
                    }
                )
    tables = Tables.write(
        root,
        Manifest("planted", "photographs"),
        {
            "images": pa.table(
                {
                    "image_id": ids,
                    "path": [f"{name}.png" for name in ids],
                    "description": [f"A {KINDS[k]}" for k in kind],
                }
            ),
            "pairs": pa.table(
                {
                    "pair_id": pairs.pair_ids,
                    "left": [a for a, _ in couples],
                    "right": [b for _, b in couples],
                }
            ),
            "votes": pa.Table.from_pylist(votes),
            "scores": pa.table(
                {"image_id": ids, "name": ["motion"] * images, "score": rng.random(images)}
            ),
        },
    )
    values = np.column_stack([np.eye(4)[kind], vivid, rng.normal(size=images)])
    values += rng.normal(0, 0.05, values.shape)
    contract = EmbeddingContract.of_cached("planted", "0" * 16, values.shape[1])
    features = ImageFeatures(
        values.astype(np.float32), np.ones(images, dtype=bool), contract, "planted features"
    )
    material = material_of(tables, root / "cache")
    material.encode = lambda _: features
    return material


@pytest.fixture(scope="module")
def result(planted):
    return study().run(planted)


def rows_of(result, name):
    return next(table.rows for table in result.tables if table.name == name)


def word_of(row):
    """First salient word of a cluster: "boat" of "1 boat, sea"."""
    return str(row["cluster"]).split()[1].strip(",")


def test_planted_likes_are_found(result):
    clusters = {
        str(row["cluster"]).split()[1].strip(","): row for row in rows_of(result, "clusters")
    }
    verdicts = {word: row["verdict"] for word, row in clusters.items()}
    assert verdicts == {
        "boat": "both like",
        "cat": "both dislike",
        "car": "gpt4o more",
        "hill": "human more",
    }
    assert clusters["boat"]["agreed_winner"].low > 0.5 > clusters["cat"]["agreed_winner"].high
    assert clusters["boat"]["agreement"].estimate > clusters["car"]["agreement"].estimate
    assert all(row["images"] == row["texts"] == 40 for row in clusters.values())
    assert "both like 1, both dislike 1, gpt4o more 1, human more 1" in result.answer
    scatter = next(figure for figure in result.figures if figure.name == "map")
    assert len(scatter.x) == 160 and set(scatter.group) == set(verdicts.values())
    assert len(scatter.images) == 4 and np.isfinite(scatter.x).all()


def test_the_vivid_colours_that_the_judge_likes_are_found(result):
    assert "Holm's correction for 4 tests" in result.answer
    attributes = {row["attribute"]: row for row in rows_of(result, "attributes")}
    assert list(attributes) == ["colourfulness", "symmetry", "coherence", "novelty"]
    assert attributes["colourfulness"]["difference"].low > 0.02
    assert attributes["colourfulness"]["together"].low > 0.2
    for quiet in ("symmetry", "coherence"):
        assert attributes[quiet]["difference"].low < 0 < attributes[quiet]["difference"].high


def test_a_score_of_the_data_set_counts_as_attribute(planted):
    result = study(scores=["motion"], attributes=["contrast"]).run(planted)
    motion = rows_of(result, "attributes")[-1]
    assert motion["attribute"] == "motion" and motion["unit"] == "score"
    assert motion["difference"].low < 0 < motion["difference"].high
    with pytest.raises(DataError, match="no score is called 'faces'"):
        study(scores=["faces"]).run(planted)


def test_reasons_are_clustered_and_hostile_ones_stay_text(planted, tmp_path):
    result = study(of="reasons").run(planted)
    rows = rows_of(result, "clusters")
    assert sum(row["texts"] for row in rows) == len(planted.pairs)
    boat = next(row for row in rows if "boat" in str(row["cluster"]))
    car = next(row for row in rows if "car" in str(row["cluster"]))
    assert boat["agreement"].estimate > 0.8 > 0.6 > car["agreement"].estimate
    page = write_report(tmp_path, result, picture=lambda _: None, settings={}).read_text()
    assert "<script>alert(" not in page and "\x00" not in page
    assert "&lt;script&gt;alert(" in page


def test_people_have_reasons_too(planted):
    result = study(of="reasons", reasons_by="reference").run(planted)
    assert sum(row["texts"] for row in rows_of(result, "clusters")) == 2 * len(planted.pairs)


def test_images_are_clustered_by_features_and_named_by_descriptions(planted):
    rows = rows_of(study(of="images").run(planted), "clusters")
    assert sum(row["images"] for row in rows) == 160
    assert {word_of(row) for row in rows} >= {"boat", "cat"}
    unnamed = rows_of(study(of="images", columns=["nothing"]).run(planted), "clusters")
    assert [row["cluster"] for row in unnamed] == ["1", "2", "3", "4"]


def test_a_cut_at_a_distance_and_the_same_answer_twice(planted, result):
    again = study(clusters=None, distance=2.0).run(planted)
    assert again.answer == result.answer and len(rows_of(again, "clusters")) == 4
    assert rows_of(again, "clusters") == rows_of(result, "clusters")


def test_synthetic_data_say_that_they_are_simulated(synthetic_material):
    result = study(clusters=6, embedder=SceneClipText(weights="embedded")).run(synthetic_material)
    assert "SIMULATION" in result.simulated
    assert any("templates" in note for note in result.notes)
    assert len(rows_of(result, "clusters")) == 6


def test_tables_without_files_are_said(handmade):
    rng = np.random.default_rng(1)
    votes = []
    for k in range(160):
        a, b = sorted(rng.choice(24, 2, replace=False).tolist())
        side = "left" if rng.random() < 0.5 else "right"
        for rater, kind in (("p", "human"), ("gpt-4o", "model")):
            votes.append(
                {"left": f"i{a:02d}", "right": f"i{b:02d}", "choice": side, "rater": f"{rater}{k}"}
                | {"kind": kind, "reason": f"the {'boat' if a % 2 else 'cat'} number {k}"}
            )
    result = study(of="reasons", clusters=2).run(handmade(votes=votes))
    assert any("names no files" in note for note in result.notes)
    assert [row["attribute"] for row in rows_of(result, "attributes")] == ["novelty"]


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"source": "llama"}, ConfigError, "llama"),
        ({"source": "human"}, ConfigError, "both 'human'"),
        ({"clusters": 5}, DataError, r"5 clusters of 4 distinct"),
        ({"clusters": None}, ConfigError, "one of the two"),
        ({"columns": ["caption"]}, DataError, "no column caption"),
        ({"embedder": SceneClipText(weights="random")}, WeightsError, "synthetic scenes only"),
        ({"attributes": ["vividness"]}, ConfigError, "nobody measures vividness"),
    ],
)
def test_bad_input_is_one_clear_error(planted, change, error, match):
    with pytest.raises(error, match=match):
        study(**change).run(planted)


@pytest.mark.parametrize("change", [{"of": "pixels"}, {"reasons_by": "me"}, {"splits": 0}])
def test_options_that_do_not_exist_are_refused(change):
    with pytest.raises(ConfigError, match="correct the option"):
        study(**change)


def test_a_source_without_votes_has_no_reasons(synthetic_material):
    with pytest.raises(LabelError, match="not made of votes"):
        study(of="reasons", source="aesthetic").run(synthetic_material)
