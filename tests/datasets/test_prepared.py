from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interestingness.datasets.prepared import prepare_prepared
from interestingness.errors import DataError
from interestingness.schema import pair_id
from interestingness.tables.tables import Tables


@pytest.fixture
def root(prepare: Callable[..., Tables], tmp_path: Path) -> Path:
    votes = tmp_path / "votes.csv"
    votes.write_text("left,right,choice\nb.JPG,a.jpg,left\nc.png,b.JPG,tie\n")
    scores = tmp_path / "scores.csv"
    scores.write_text("image,stars\na.jpg,3\nb.JPG,4\n")
    return prepare(votes=votes, scores=scores).root


def change(root: Path, kind: str, **columns: Any) -> None:
    table = pq.read_table(root / f"{kind}.parquet").to_pydict() | columns
    pq.write_table(pa.table(table), root / f"{kind}.parquet")


def test_what_folder_prepared_is_accepted(root: Path) -> None:
    tables = prepare_prepared(root)
    assert len(tables.pairs) == 2 and len(tables.image_ids) == 6
    assert tables.image_path(0).is_file()


def test_a_moved_folder_with_its_own_images(root: Path, photos: Path, tmp_path: Path) -> None:
    manifest = json.loads((root / "dataset.json").read_text()) | {"image_root": ""}
    (root / "dataset.json").write_text(json.dumps(manifest))
    for path in photos.rglob("*"):
        if path.is_file():
            target = root / path.relative_to(photos)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    moved = root.rename(tmp_path / "moved")
    assert prepare_prepared(str(moved)).image_path(1).is_file()


def refused(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        prepare_prepared(root)
    assert caught.value.expected and caught.value.todo
    return str(caught.value)


def test_no_manifest(tmp_path: Path) -> None:
    assert "no dataset.json" in refused(tmp_path / "absent")
    assert "no dataset.json" in refused(Path("~nobody-here/set"))


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format_version": 1}', '{"format_version": 1, "x": 2}']
)
def test_a_damaged_manifest(root: Path, text: str) -> None:
    (root / "dataset.json").write_text(text)
    assert "dataset.json" in refused(root)


def test_another_version_or_domain(root: Path) -> None:
    manifest = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps(manifest | {"domain": "drawings"}))
    assert "'drawings'" in refused(root)
    (root / "dataset.json").write_text(json.dumps(manifest | {"format_version": 99}))
    assert "version 99" in refused(root)


def test_pairs(root: Path) -> None:
    # The prepared pairs are a–b and b–c.
    change(root, "pairs", left=["b.JPG", "b.JPG"], right=["a.jpg", "c.png"])
    assert "row 0 has left 'b.JPG'" in refused(root)
    change(root, "pairs", left=["a.jpg", "a.jpg"], right=["b.JPG", "b.JPG"])
    assert "given twice" in refused(root)
    change(root, "pairs", left=["a.jpg", "b.JPG"], right=["b.JPG", "x.png"])
    assert "'x.png'" in refused(root)
    change(root, "pairs", left=["a.jpg", "a.jpg"], right=["b.JPG", "c.png"])
    assert "use schema.pair_id" in refused(root)


def test_votes_and_scores_must_know_their_pairs_and_images(root: Path) -> None:
    change(root, "scores", image_id=["a.jpg", "x.jpg"])
    assert "'x.jpg'" in refused(root)
    change(root, "scores", image_id=["a.jpg", "b.JPG"])
    change(root, "votes", pair_id=[pair_id("a.jpg", "b.JPG"), "00000000000000ff"])
    assert "unknown pairs" in refused(root)


def test_a_cut_table(root: Path) -> None:
    data = (root / "votes.parquet").read_bytes()
    (root / "votes.parquet").write_bytes(data[: len(data) // 2])
    assert "cannot be read as Parquet" in refused(root)
