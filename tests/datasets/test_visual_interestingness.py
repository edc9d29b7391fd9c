"""The reader of the ICCV files, on synthetic files in their layout."""

from __future__ import annotations

import ast
import csv
import importlib.util
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from PIL import Image

from interestingness.data.images import read_image
from interestingness.datasets.prepared import prepare_prepared
from interestingness.datasets.visual_interestingness import (
    NOT_PUBLISHED,
    PUBLISHED,
    SCORES,
    prepare_visual_interestingness,
)
from interestingness.errors import DataError
from interestingness.labels.scores import ScoreSource
from interestingness.labels.votes import VoteSource
from interestingness.tables.tables import Tables

GENERATOR = Path(__file__).parents[1] / "raw" / "visual_interestingness" / "data.py"


@pytest.fixture(scope="module")
def raw() -> ModuleType:
    spec = importlib.util.spec_from_file_location("raw_visual_interestingness", GENERATOR)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(raw: ModuleType, tmp_path: Path) -> Path:
    made: Path = raw.write(tmp_path)
    return made


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Tables]:
    return lambda **options: prepare_visual_interestingness(
        tmp_path / "cache", **{"download": False} | options
    )


def cells(folder: Path, file: str) -> list[dict[str, str]]:
    with (folder / file).open(newline="") as stream:
        return list(csv.DictReader(stream))


def authors_majority(answers: list[str]) -> str | None:
    """The rule of the published notebook."""
    valid = [a for a in answers if a in ("first", "second")]
    return Counter(valid).most_common()[0][0] if valid else None


def test_tables_are_whole_and_in_our_format(folder: Path, prepare: Callable[..., Tables]) -> None:
    tables = prepare(folder=folder)
    prepare_prepared(tables.root)
    assert len(tables.image_ids) == 40 and tables.score_names() == sorted(SCORES.values())
    assert tables.manifest.simulated == NOT_PUBLISHED
    assert tables.images["description"][0].as_py().startswith("A synthetic description, ")
    facts = tables.manifest.facts
    assert facts["images_without_file"] == 40 and facts["pairs_given_again"] > 10
    assert facts["votes_without_answer"] == 1 and facts["judgments_without_answer"] == 1


def test_the_majority_is_that_of_the_authors(folder: Path, prepare: Callable[..., Tables]) -> None:
    tables = prepare(folder=folder)
    labels = VoteSource(
        tables, name="human", raters=["*"], kind="human", aggregation="majority"
    ).labels(tables.pairs)
    row_of = {
        (str(p.left), str(p.right)): at
        for at in range(len(tables.pairs))
        for p in [tables.pairs.pair(at)]
    }
    compared = ties = 0
    for cell in cells(folder, "Relative_Interestingness.csv"):
        if not cell["Human_Answers"]:
            continue
        words = [a.strip(" .").lower() for a in ast.literal_eval(cell["Human_Answers"])]
        one, other = cell["ImageID1"], cell["ImageID2"]
        preference = labels.preference[row_of[min(one, other), max(one, other)]]
        if words.count("first") == words.count("second"):
            ties += preference == 0.5
            continue
        winner = one if authors_majority(words) == "first" else other
        assert preference == (1.0 if winner == min(one, other) else 0.0)
        compared += 1
    assert compared > 60 and ties == 1  # the authors' rule takes whoever came first there


def test_orders_repetitions_and_people(folder: Path, prepare: Callable[..., Tables]) -> None:
    tables = prepare(folder=folder)
    gpt = tables.votes(raters=["gpt-4o*"], kind="model")
    assert set(np.unique(gpt.first).tolist()) == {-1, 1} and gpt.sample.max() == 9
    labels = VoteSource(
        tables, name="g", raters=["gpt-4o*"], kind="model", aggregation="order_consistent"
    ).labels(tables.pairs)
    assert labels.facts["pairs_in_both_orders"] > 20
    # A judge who needs a gap of 0.4 to say "first" answers "second" twice where the gap is small.
    assert labels.facts["second_in_both_orders"] > labels.facts["first_in_both_orders"] == 0
    people = tables.votes(kind="human")
    assert people.raters == tuple(f"person-{k}" for k in range(1, 6))
    first = people[people.key == tables.pairs.key[0]]
    assert np.isnan(first.preference).sum() == 1 and len(first) == 5


def test_single_answers_and_reasons(folder: Path, prepare: Callable[..., Tables]) -> None:
    table = prepare(folder=folder).table("judgments")
    raters = pc.unique(table["rater_id"]).to_pylist()
    assert {"gpt-4o-2024-11-20", "deepseek-vl2-tiny", "llama-3.2-11b-vision-instruct"} < set(raters)
    untidy = table.slice(20, 5)
    assert untidy["answer"].to_pylist() == [True, True, None, False, True]
    assert table["reason"].to_pylist()[:5] == ["good", "GOOD", "nice colours", "it's odd", None]


def test_scores_and_gaps(folder: Path, prepare: Callable[..., Tables]) -> None:
    tables = prepare(folder=folder)
    views = ScoreSource(tables, name="comments", column="comments").image_scores()
    assert np.isnan(views[3]) and np.isnan(views).sum() == 1


def test_images_that_are_there_are_used(
    folder: Path, prepare: Callable[..., Tables], tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    ids = [cell["ImageID"] for cell in cells(folder, "Images_Metadata.csv")]
    for name in ids[:30]:
        Image.new("RGB", (8, 8)).save(photos / f"{name}.JPG", format="JPEG")
    tables = prepare(folder=folder, images=photos)
    assert tables.image_path(0).is_file() and tables.images["path"].null_count == 10
    whole = prepare(folder=folder)
    kept = set(ids[:30])
    expected = [
        whole.pairs.pair(at).pair_id
        for at in range(len(whole.pairs))
        if {whole.pairs.pair(at).left, whole.pairs.pair(at).right} <= kept
    ]
    assert tables.pairs.pair_ids == expected and 10 < len(expected) < len(whole.pairs)
    assert set(tables.vote_table["pair_id"].to_pylist()) == set(expected)
    facts = tables.manifest.facts
    assert facts["pairs_with_a_lost_image"] == len(whole.pairs) - len(expected)
    assert facts["lost"] == {"no file": 10}
    with pytest.raises(DataError, match="no such folder"):
        prepare(folder=folder, images=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="not one of the 40 images"):
        prepare(folder=folder, images=tmp_path / "empty")
    with pytest.raises(DataError, match="no folder for the images"):
        prepare(folder=folder, download=True)


def test_images_are_fetched_and_losses_reported(
    folder: Path,
    prepare: Callable[..., Tables],
    tmp_path: Path,
    host: Any,
    from_this_machine: None,
) -> None:
    path = folder / "Images_Metadata.csv"
    text = path.read_text().replace("https://c1.staticflickr.com/synthetic", f"{host.url}/ok")
    for at, what in ((9900007, "gone"), (9900014, "unavailable"), (9900021, "html")):
        text = text.replace(f"/ok/{at}.jpg", f"/{what}/{at}.jpg")
    path.write_text(text)
    photos = tmp_path / "photos"
    tables = prepare(folder=folder, images=photos, download=True)
    lost = {"gone": 1, "placeholder": 1, "page": 1}
    assert tables.manifest.facts["lost"] == lost and tables.images["path"].null_count == 3
    assert tables.images["lost"].to_pylist()[:4] == [None, "gone", "placeholder", "page"]
    assert read_image(tables.image_path(0)).size == (40, 30)
    host.asked.clear()
    assert prepare(folder=folder, images=photos, download=True).root == tables.root
    assert prepare(folder=folder, images=photos).root == tables.root
    assert not host.asked


def test_the_zip_file_itself(folder: Path, prepare: Callable[..., Tables], tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "set"), "zip", folder.parent, folder.name))
    tables = prepare(folder=archive)
    assert tables.root == prepare(folder=folder).root == prepare(folder=folder.parent).root
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="cannot be unpacked"):
        prepare(folder=archive)
    with zipfile.ZipFile(archive, "w") as other:
        other.writestr("Thumbs.db", "another zip file")
    with pytest.raises(DataError, match=r"no Images_Metadata\.csv, Single"):
        prepare(folder=archive)


def test_the_published_rows_are_recognised(folder: Path, prepare: Callable[..., Tables]) -> None:
    path = folder / "Images_Metadata.csv"
    lines = path.read_text().splitlines()
    for name, numbers in PUBLISHED.items():
        lines.append(
            ",".join([f"{name}.0", "https://c1.staticflickr.com/x", "x", *map(str, numbers)])
        )
    path.write_text("\n".join(lines))
    assert prepare(folder=folder).manifest.simulated == ""
    path.write_text("\n".join(lines).replace("8354", "8355"))
    assert prepare(folder=folder).manifest.simulated == NOT_PUBLISHED


def test_a_missing_file_names_the_download(prepare: Callable[..., Tables], folder: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)no Images_Metadata.csv.*1KJot5VeUSCUg11IuDYqmlS024"):
        prepare(folder=folder.parent / "nowhere")
    (folder / "Single_Interestingness.csv").unlink()
    with pytest.raises(DataError, match=r"no Single_Interestingness.csv\n"):
        prepare(folder=folder)


@pytest.mark.parametrize(
    "file, old, new, said",
    [
        ("Images_Metadata.csv", "CI_Score", "Score", "no column CI_Score"),
        ("Images_Metadata.csv", "ImageURL", "ImageID", "'ImageID'"),
        ("Images_Metadata.csv", "9900007", "9900000", "occurs 2 times"),
        ("Images_Metadata.csv", "9900007", "kitten", "line 3, column ImageID: 'kitten'"),
        ("Images_Metadata.csv", "9900007,", "", "line 3"),
        (
            "Relative_Interestingness.csv",
            "['first', 'second', 'I",
            "['first, 'second', 'I",
            "line 2",
        ),
        ("Relative_Interestingness.csv", "9900007", "9900001", "image 9900001 is not in"),
        ("Single_Interestingness.csv", "9900007", "9900001", "image 9900001 is not in"),
    ],
)
def test_a_wrong_file_is_one_clear_error(
    folder: Path, prepare: Callable[..., Tables], file: str, old: str, new: str, said: str
) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    with pytest.raises(DataError) as error:
        prepare(folder=folder)
    assert said in str(error.value) and error.value.expected and error.value.todo
    assert not list((folder.parent / "cache").glob("*/dataset.json"))


def test_a_file_that_is_no_text(folder: Path, prepare: Callable[..., Tables]) -> None:
    (folder / "Images_Metadata.csv").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(DataError, match="Images_Metadata"):
        prepare(folder=folder)
    (folder / "Images_Metadata.csv").write_text("")
    with pytest.raises(DataError, match="Images_Metadata"):
        prepare(folder=folder)
