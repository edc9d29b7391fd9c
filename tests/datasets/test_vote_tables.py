"""Votes from files alone: simple tables, ours, several at once, and what can be wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from interestingness.datasets.vote_tables import read_vote_files
from interestingness.errors import DataError
from interestingness.schema import Pair
from interestingness.tables.tables import Manifest, Tables


def read(*paths: Path, question: str | None = None):
    return read_vote_files(paths, question=question, default_question="interesting")


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_simple_tables_join_and_unnamed_votes_are_named_by_their_file(tmp_path: Path) -> None:
    people = file(tmp_path, "people.csv", "left,right,choice,rater\na,b,left,ann\nc,b,c,bob\n")
    judge = file(tmp_path, "judge.csv", "left;right;choice;first\nb;a;tie;left\nc;d;second;c\n")
    found = read(people, judge)
    rows = found.table.to_pylist()
    assert [r["rater_id"] for r in rows] == ["ann", "bob", "judge", "judge"]
    # c,b is turned round: c is the right of the canonical pair (b, c)
    assert [r["choice"] for r in rows] == ["left", "right", "tie", "right"]
    assert [r["first"] for r in rows] == [None, None, "right", "left"]
    assert found.pairs.image_ids.tolist() == ["a", "b", "c", "d"]
    assert len(found.pairs) == 3
    assert found.notes == (
        "judge.csv does not say who voted: its votes count as one rater's.",
    )  # fmt: skip


def test_rows_without_a_rater_are_counted(tmp_path: Path) -> None:
    text = "left,right,choice,rater\na,b,left,NA\na,b,right,n/a\na,c,right,x\nb,c,left,y\n"
    found = read(file(tmp_path, "v.csv", text))
    assert set(found.table["rater_id"].to_pylist()) == {"v", "x", "y"}
    assert len(found.notes) == 1 and "2 of 4" in found.notes[0]


def test_a_vote_id_with_two_answers_is_said(tmp_path: Path) -> None:
    text = "left,right,choice,vote_id\na,b,left,v1\na,b,left,v1\nb,a,a,v1\na,b,right,v1\na,c,c,v1\n"
    found = read(file(tmp_path, "v.csv", text))
    assert found.table.num_rows == 4  # the second row repeats the first
    (note,) = (note for note in found.notes if "another answer" in note)
    assert "2 rows" in note and "line 4, 5" in note
    assert not any("not used" in note for note in found.notes)  # the vote id is


def ours(*pairs: tuple[str, str]) -> pa.Table:
    made = [Pair.of(*p) for p in pairs]
    return pa.table(
        {
            "pair_id": [p.pair_id for p in made],
            "rater_id": ["ann"] * len(made),
            "choice": ["left"] * len(made),
        }
    )


def pair_table(*pairs: tuple[str, str]) -> pa.Table:
    made = [Pair.of(*p) for p in pairs]
    return pa.table(
        {
            "pair_id": [p.pair_id for p in made],
            "left": [p.left for p in made],
            "right": [p.right for p in made],
        }
    )


def test_our_table_takes_its_images_from_the_pairs_beside_it(tmp_path: Path) -> None:
    pq.write_table(ours(("a", "b"), ("c", "b")), tmp_path / "votes.parquet")
    pq.write_table(pair_table(("a", "b"), ("c", "b"), ("x", "y")), tmp_path / "pairs.parquet")
    found = read(tmp_path / "votes.parquet")
    assert found.images_known and found.pairs.image_ids.tolist() == ["a", "b", "c"]
    pq.write_table(pair_table(("a", "b")), tmp_path / "pairs.parquet")
    with pytest.raises(DataError, match=r"1 votes are on pairs that pairs\.parquet does not have"):
        read(tmp_path / "votes.parquet")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_our_table_alone_has_pairs_without_names(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"votes{suffix}"
    table = ours(("a", "b"), ("c", "b"), ("a", "b"))
    (pq.write_table if suffix == ".parquet" else pacsv.write_csv)(table, path)
    found = read(path)
    assert not found.images_known and "no ranking" in found.notes[0]
    assert len(found.pairs) == 2 and len(found.pairs.image_ids) == 4
    assert found.pairs.find(found.pairs.key).tolist() == [0, 1]
    assert set(found.table["pair_id"].to_pylist()) == set(found.pairs.pair_ids)


def test_the_folder_of_a_data_set(tmp_path: Path) -> None:
    images = pa.table({"image_id": ["a", "b"]})
    tables = {"images": images, "pairs": pair_table(("a", "b")), "votes": ours(("a", "b"))}
    Tables.write(tmp_path / "set", Manifest("s", "synthetic", simulated="SIM"), tables)
    assert read(tmp_path / "set").simulated == "SIM"
    assert read(tmp_path / "set" / "votes.parquet").simulated == "SIM"


def test_questions(tmp_path: Path) -> None:
    path = file(
        tmp_path, "v.csv", "left,right,choice,question\na,b,left,beautiful\na,b,left,safe\n"
    )
    with pytest.raises(DataError, match="2 questions") as caught:
        read(path)
    assert "--question" in caught.value.todo
    assert read(path, question="safe").table.num_rows == 1
    with pytest.raises(DataError, match="no vote on the question 'rare'"):
        read(path, question="rare")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("left,right\na,b\n", "no column 'choice'"),
        ("left,right,choice\na,a,left\n", "an image with itself"),
        ("left,right,choice\na,b,c\n", "cannot be understood"),
        ("left,right,choice\na,,left\n", "column 'right' names no image"),
        ("left,right,choice\n", "but no rows"),
    ],
)
def test_bad_files_are_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(file(tmp_path, "v.csv", text))


HEAD = "left,right,choice,rater,time,vote_id\n"


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ("a,b,left,ann,,\n" * 3, 3),  # a rater's repeats
        ("a,b,left,,,\n" * 3, 3),  # three people without a name who agree
        ("a,b,left,ann,,1\n" * 3, 1),
        ("a,b,left,ann,,1\na,b,left,ann,,2\n", 2),
        ("a,b,left,ann,2025-03-01T10:00:00,\n" * 3, 1),
        ("a,b,left,,2025-03-01T10:00:00,\n" * 3, 3),  # a time, but nobody's
        ("a,b,left,ann,2025-03-01,\n" * 3, 3),  # a day is no time
        ("a,b,left,ann,2025-03-01T10:00,\n" * 2 + "a,c,left,ann,2025-03-01T10:00,\n", 3),  # session
        ("a,b,left,ann,2025-03-01T10:00:00,1\na,b,left,ann,2025-03-01T10:00:00,2\n", 2),
        ("a,b,left,ann,2025-03-01T10:00:00,\na,b,right,ann,2025-03-01T10:00:00,\n", 2),
        ("a,b,left,ann,2025-03-01T10:00:00,\nb,a,left,ann,2025-03-01T10:00:00,\n", 2),
    ],
)
def test_only_copies_of_a_vote_are_left_out(tmp_path: Path, rows: str, kept: int) -> None:
    found = read(file(tmp_path, "v.csv", HEAD + rows))
    assert found.table.num_rows == kept
    lost = rows.count("\n") - kept
    assert any(f"{lost} rows repeat a vote" in note for note in found.notes) == (lost > 0)


def test_a_column_of_the_export_does_not_hide_a_copy(tmp_path: Path) -> None:
    rows = "a,b,left,ann,7,1\na,b,left,ann,7,2\n"
    path = file(tmp_path, "v.csv", "left,right,choice,rater,annotation_id,page\n" + rows)
    assert read(path).table.num_rows == 1


def test_label_studio_addresses_with_one_file_name_are_two_images(tmp_path: Path) -> None:
    def task(number: int, day: str) -> dict[str, object]:
        value = {"type": "pairwise", "value": {"selected": "left"}}
        images = {f"image{k}": f"s3://b/{day}/IMG_{k}.jpg" for k in (1, 2)}
        return {"id": number, "data": images, "annotations": [{"id": number, "result": [value]}]}

    path = file(tmp_path, "e.json", json.dumps([task(1, "day1"), task(2, "day2")]))
    found = read(path)
    assert len(found.pairs) == 2 and len(found.pairs.image_ids) == 4


def test_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"without dataset\.json"):
        read(tmp_path)
    with pytest.raises(DataError, match="there is no such file"):
        read(tmp_path / "absent.csv")
