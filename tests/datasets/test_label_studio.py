"""Label Studio's export as votes on a folder of images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interestingness.datasets.vote_tables import read_vote_files
from interestingness.errors import DataError
from interestingness.tables.tables import Tables

NAMES = ["a.jpg", "b.JPG", "c.png", "Zürich 1.jpg", "trip/d.jpg", "trip/e.webp"]


@pytest.fixture
def export(raw: Callable[[str], ModuleType], tmp_path: Path) -> Path:
    made: Path = raw("label_studio").write(tmp_path / "export.json", NAMES)
    return made


def test_votes(export: Path, photos: Path, prepare: Callable[..., Tables]) -> None:
    tables = prepare(images=photos, votes=export)
    assert len(tables.pairs) == 6
    votes = tables.vote_table
    assert votes.num_rows == 14 and tables.manifest.facts["votes"]["votes_without_answer"] == 2
    first = tables.votes(raters=["1"])
    # Rater 1 prefers the later name; canonical order puts the earlier one left.
    assert (first.preference == 0).all() and len(first) == 6
    assert (tables.votes(raters=["bob@example.org"]).preference == 1).all()
    # The left one of the task was shown first, wherever it stands in the pair.
    later = [NAMES[k] > NAMES[(k + 1) % 6] for k in range(6)]
    shown = dict(zip(first.key.tolist(), first.first.tolist(), strict=True))
    ids = tables.pairs.image_ids
    for at, key in enumerate(tables.pairs.key.tolist()):
        sides = {ids[tables.pairs.left[at]], ids[tables.pairs.right[at]]}
        k = next(k for k in range(6) if {NAMES[k], NAMES[(k + 1) % 6]} == sides)
        assert shown[key] == (-1 if later[k] else 1)
    assert set(votes["reason"].to_pylist()) == {"the light", None}
    assert votes["time"][0].as_py().year == 2024
    assert votes["provenance"][0].as_py() == "Label Studio, task 1, annotation 100"


def test_sides_may_be_named(export: Path, photos: Path, prepare: Callable[..., Tables]) -> None:
    one = prepare(images=photos, votes=export)
    columns = {"left": "image2", "right": "image1"}
    other = prepare(images=photos, votes=export, columns=columns)
    rater = {"raters": ["1"]}
    assert np.array_equal(one.votes(**rater).preference, 1 - other.votes(**rater).preference)


def test_audited_without_images(export: Path) -> None:
    found = read_vote_files([export], default_question="interesting")
    assert len(found.pairs) == 6 and found.table.num_rows == 14


def _without_result(tasks: list[dict[str, Any]]) -> Any:
    for task in tasks:
        for annotation in task["annotations"]:
            annotation["result"] = [{"type": "choices", "value": {}}]
    return tasks


def _one_image(tasks: list[dict[str, Any]]) -> Any:
    del tasks[2]["data"]["image2"]
    return tasks


@pytest.mark.parametrize(
    "change, said",
    [
        (_without_result, "no pairwise result in 6 tasks (found 14 × choices)"),
        (_one_image, "task 3 has the data 'image1', 'title'"),
        (lambda tasks: [{"id": 1, "image1": "a", "pw": "left"}], "no column 'left'"),
        (lambda tasks: {"tasks": tasks}, "no column 'left'"),
        (lambda tasks: [1], "no list of objects"),
        (lambda tasks: [{"data": {}}], "no list of annotations"),
        (lambda tasks: None, "not JSON"),
    ],
)
def test_another_export(
    change: Callable[[Any], Any],
    said: str,
    export: Path,
    photos: Path,
    prepare: Callable[..., Tables],
) -> None:
    changed = change(json.loads(export.read_text()))
    export.write_text("[{" if changed is None else json.dumps(changed))
    with pytest.raises(DataError) as error:
        prepare(images=photos, votes=export)
    assert said in str(error.value) and error.value.expected and error.value.todo


@pytest.mark.parametrize(
    ("names", "votes"),
    [
        (["day1/1.jpg", "day1/2.jpg", "day2/1.jpg", "day2/2.jpg"], 2),
        (["day1/1.jpg", "day1/2.jpg"], 1),  # votes about day2 are not about day1
    ],
)
def test_the_longest_suffix_decides(
    names: list[str], votes: int, tmp_path: Path, prepare: Callable[..., Tables]
) -> None:
    for name in names:
        path = tmp_path / "days" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6)).save(path)
    tasks = [
        {
            "id": day,
            "data": {f"image{k}": f"s3://b/day{day}/{k}.jpg" for k in (1, 2)},
            "annotations": [
                {"id": day, "result": [{"type": "pairwise", "value": {"selected": "left"}}]}
            ],
        }
        for day in (1, 2)
    ]
    export = tmp_path / "days.json"
    export.write_text(json.dumps(tasks))
    tables = prepare(images=tmp_path / "days", votes=export, on_missing="skip")
    assert tables.vote_table.num_rows == votes
    assert {tables.pairs.pair(row).left for row in range(len(tables.pairs))} == {
        f"day{day}/1.jpg" for day in range(1, votes + 1)
    }
    if votes == 1:
        with pytest.raises(DataError, match="day2/1"):
            prepare(images=tmp_path / "days", votes=export)
