"""Rows that are no trials, and columns that only happen to have one of our names."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from interestingness.datasets.vote_tables import VoteFiles, read_vote_files
from interestingness.errors import ConfigError, DataError
from interestingness.tables.tables import Tables

Write = Callable[[str, str], Path]
Prepare = Callable[..., Tables]


def read(folder: Path, text: str, **options: Any) -> VoteFiles:
    path = folder / "v.csv"
    path.write_text(text, encoding="utf-8")
    return read_vote_files([path], default_question="interesting", **options)


# ------------------------------------------------------------------------- rows that are no trials

FINE = "p.jpg,q.jpg,left\nq.jpg,r.jpg,right\n"


@pytest.mark.parametrize(
    "row", [",,", ",,left", "NA,NA,", " , ,", "null,None,right", ",,\n,,x\nNA,,"]
)
def test_rows_without_images_are_left_out_and_counted(row: str, tmp_path: Path) -> None:
    rows = [f"{line},1" for line in (FINE + row).splitlines()]
    found = read(tmp_path, "\n".join(["left,right,choice,n", *rows]))
    assert found.table.num_rows == 2
    assert found.pairs.image_ids.tolist() == ["p.jpg", "q.jpg", "r.jpg"]
    assert any(f"rows left out: {len(rows) - 2} " in note for note in found.notes)


@pytest.mark.parametrize(
    "row", ["Total,,left", ",q.jpg,right", "NA,p.jpg,left", "p.jpg,p.jpg,left", "q.jpg, q.jpg ,tie"]
)
def test_rows_that_may_be_mistakes_are_skipped_when_asked(row: str, tmp_path: Path) -> None:
    text = f"left,right,choice\n{FINE}{row}\n"
    with pytest.raises(DataError, match="line 4"):
        read(tmp_path, text)
    found = read(tmp_path, text, on_missing="skip")
    assert found.table.num_rows == 2
    assert any("rows left out: 1 " in note for note in found.notes)
    with pytest.raises(DataError):  # nothing is left
        read(tmp_path, f"left,right,choice\n{row}\n", on_missing="skip")


def test_tables_of_scores_and_ratings_skip_such_rows(prepare: Prepare, write: Write) -> None:
    tables = prepare(
        scores=write("s.csv", "image,stars\na.jpg,3\nb.JPG,5\n,4\nNA,1\nTotal,8\n"),
        ratings=write("r.csv", "image,rater,rating\na.jpg,u,1\nb.JPG,u,2\n,u,3\na.jpg,NA,4\n"),
        votes=write("v.csv", "left,right,choice\na.jpg,b.JPG,left\na.jpg,a.jpg,left\nSum,,\n"),
        on_missing="skip",
    )
    facts = tables.manifest.facts
    assert facts["scores"]["rows_left_out"] == {"without an image": 2}
    assert facts["scores"]["rows_without_image"] == 1
    assert facts["ratings"]["rows_left_out"] == {"without an image": 1, "without a rater": 1}
    assert facts["votes"]["rows_left_out"] == {"with one image only": 1}
    assert facts["votes"]["rows_with_one_image_twice"] == 1
    assert [tables.table(kind).num_rows for kind in ("scores", "ratings")] == [2, 2]
    votes = [vote for vote in tables.vote_table.to_pylist() if vote["provenance"] is None]
    assert len(votes) == 1


PRACTICE = [
    ("practice", "TRUE", "false"),
    ("is_practice", "1", "0"),
    ("phase", "practice", "main"),
    ("block_type", "Practice", "test"),
    ("trial_part", "warm-up", "x"),
    ("practice_loop.thisN", "0", ""),
    ("AssignmentStatus", "Rejected", "Approved"),
    ("Status", "Survey Preview", "IP Address"),
]


@pytest.mark.parametrize(("column", "practice", "main"), PRACTICE)
def test_practice_is_left_out(column: str, practice: str, main: str, tmp_path: Path) -> None:
    text = f"left,right,choice,{column}\na,b,left,{practice}\nb,c,left,{main}\nc,a,left,{main}\n"
    found = read(tmp_path, text)
    assert found.table.num_rows == 2 and any("rows left out: 1 " in n for n in found.notes)
    assert not any("not used" in note for note in found.notes)
    assert read(tmp_path, text.replace(practice, main)).table.num_rows == 3


def test_prolific_says_what_was_rejected_or_returned(tmp_path: Path) -> None:
    text = (
        "left,right,choice,Participant id,Status\na,b,left,p,APPROVED\na,c,left,q,REJECTED\n"
        "b,c,left,r,RETURNED\n"
    )
    found = read(tmp_path, text)
    assert found.table["rater_id"].to_pylist() == ["p"]
    assert any("rows left out: 2 " in note for note in found.notes)
    other = read(tmp_path, text.replace("Participant id", "rater"))  # some other status
    assert other.table.num_rows == 3


def test_rows_without_any_value_are_counted(tmp_path: Path) -> None:
    found = read(tmp_path, "left,right,choice\na,b,left\n,,\n , ,\nb,c,left\n\n")
    assert found.table.num_rows == 2
    assert [note for note in found.notes if "2" in note and "left out" in note]


def test_which_column_marks_practice_can_be_said(tmp_path: Path) -> None:
    text = "left,right,choice,phase,warm\na,b,left,practice,0\nb,c,left,main,1\n"
    assert read(tmp_path, text, columns={"practice": None}).table.num_rows == 2
    by_name = read(tmp_path, text, columns={"practice": "warm"})
    assert by_name.pairs.image_ids.tolist() == ["a", "b"]


@pytest.mark.parametrize("missing", ["", "NA", "n/a", "NaN", "null", "None", "-"])
def test_a_missing_choice_or_rater_is_no_word_and_no_person(missing: str, tmp_path: Path) -> None:
    text = f"left,right,choice,rater\na,b,left,ann\na,b,{missing},bob\nb,c,right,{missing}\n"
    votes = read(tmp_path, text).table.to_pylist()
    assert [v["choice"] for v in votes] == ["left", None, "right"]
    assert [v["rater_id"] for v in votes] == ["ann", "bob", "v"]


def test_an_image_may_be_called_na(prepare: Prepare, write: Write, photos: Path) -> None:
    (photos / "NA").mkdir()
    (photos / "NA" / "x.jpg").write_bytes((photos / "a.jpg").read_bytes())
    votes = write("v.csv", "left,right,choice\na.jpg,NA/x.jpg,left\n")
    assert prepare(votes=votes).vote_table.num_rows == 1


# --------------------------------------------------------------- columns that mean something else

# a column's name, its cells, and the column of the vote table that must not come of it
OTHER_MEANINGS = [
    ("time", ["1523.5", "844"], "time"),
    ("time", ["12:30", "12:31"], "time"),
    ("first", ["Ann", "Bob"], "first"),
    ("first", ["yes", "no"], "first"),
    ("sample", ["A12", "B7"], "sample"),
    ("sample", ["0.25", "0.75"], "sample"),
    ("probability", ["85%", "high"], "probability"),
    ("probability", ["85", "15"], "probability"),
    ("question", ["1", "2"], "question"),
    ("question", ["Q1", "Q17"], "question"),
    ("rater_kind", ["expert", "novice"], "rater_kind"),
]
PLAIN = {"first": None, "sample": 0, "question": "interesting", "rater_kind": "human"}


@pytest.mark.parametrize(("column", "cells", "ours"), OTHER_MEANINGS)
def test_what_is_not_understood_is_left_out_and_said(
    column: str, cells: list[str], ours: str, tmp_path: Path
) -> None:
    text = f"left,right,choice,{column}\na,b,left,{cells[0]}\nb,c,right,{cells[1]}\n"
    found = read(tmp_path, text)
    assert [vote["choice"] for vote in found.table.to_pylist()] == ["left", "right"]
    assert [vote.get(ours) for vote in found.table.to_pylist()] == [PLAIN.get(ours)] * 2
    assert any(f"{column!r} is not used" in note for note in found.notes)
    # said by the user, the column is taken at its word
    if column not in ("question",):
        with pytest.raises(DataError, match="line 2"):
            read(tmp_path, text, columns={column: column})
    silent = read(tmp_path, text, columns={column: None})
    assert not any("is not used" in note for note in silent.notes)


def test_most_cells_decide_whether_one_is_a_mistake(tmp_path: Path) -> None:
    text = "left,right,choice,time\na,b,left,2024-01-01\na,b,left,2024-01-02\na,b,left,later\n"
    with pytest.raises(DataError, match="'later'") as error:
        read(tmp_path, text)
    assert "columns.time=null" in error.value.todo
    assert read(tmp_path, text, columns={"time": None}).table.num_rows == 3


def test_first_and_second_need_the_column_first(tmp_path: Path) -> None:
    text = "left,right,choice,first\na,b,first,Ann\na,b,second,Bob\n"
    with pytest.raises(DataError, match="'first'"):
        read(tmp_path, text)
    votes = read(tmp_path, text, columns={"first": None}).table.to_pylist()
    assert [v["choice"] for v in votes] == ["left", "right"]


def test_a_prompt_is_the_question_that_it_contains(tmp_path: Path) -> None:
    prompt = "Which image is more interesting?"
    found = read(tmp_path, f"left,right,choice,question\na,b,left,{prompt}\n")
    assert found.question == "interesting" and any(prompt in note for note in found.notes)
    other = read(tmp_path, "left,right,choice,question\na,b,left,beautiful\n")
    assert other.question == "beautiful"
    texts = "".join(f"a,b,left,text {at} of many words\n" for at in range(30))
    assert read(tmp_path, f"left,right,choice,question\n{texts}").question == "interesting"


def test_columns_are_used_whatever_their_case(tmp_path: Path) -> None:
    text = "Left,Right,My Choice,WORKER,Extra\na,b,left,w1,0\nb,c,right,w2,0\n"
    found = read(tmp_path, text, columns={"choice": "My Choice", "rater": "WORKER"})
    unused = [note for note in found.notes if "not used" in note]
    assert len(unused) == 1 and unused[0].endswith("columns not used: Extra.")
    assert found.table["rater_id"].to_pylist() == ["w1", "w2"]


def test_options_of_columns_in_training(prepare: Prepare, write: Write) -> None:
    text = "left,right,choice,time,Who\na.jpg,b.JPG,left,2024-01-01,x\na.jpg,c.png,left,late,y\n"
    votes = write("v.csv", text)
    with_time = prepare(votes=write("w.csv", text.replace("late", "2024-01-02")))
    assert with_time.vote_table["time"].null_count == 0
    tables = prepare(votes=votes, columns={"time": None, "rater": "Who", "first": "auto"})
    assert set(tables.vote_table["time"].to_pylist()) == {None}
    assert tables.vote_table["rater_id"].to_pylist() == ["x", "y"]
    assert tables.manifest.facts["votes"]["columns not used"] == ["time"]
    with pytest.raises(ConfigError):
        prepare(votes=votes, columns={"when": "time"})


def test_configs_of_earlier_runs_mean_what_they_meant(prepare: Prepare, write: Write) -> None:
    """Where null still meant the usual name, all eight columns were there."""
    names = ("image", "left", "right", "choice", "first", "rater", "rating", "question")
    votes = write("v.csv", "left,right,choice,rater\na.jpg,b.JPG,left,x\n")
    tables = prepare(votes=votes, columns=dict.fromkeys(names))
    assert tables.vote_table["rater_id"].to_pylist() == ["x"]


# ------------------------------------------------------------------------------- one-sided raters


def _votes(rater: str, choices: str) -> str:
    pairs = combinations("abcdefghij", 2)
    sides = {"l": "left", "r": "right"}
    rows = zip(pairs, choices, strict=False)
    return "".join(f"{one},{other},{sides[choice]},{rater}\n" for (one, other), choice in rows)


@pytest.mark.parametrize(
    ("choices", "shown"),
    [
        ("l" * 20, True),
        ("r" * 20, True),
        ("l" * 38 + "rr", True),
        ("lr" * 20, False),
        ("lll", False),
    ],
)
def test_a_rater_of_one_side_shows_without_the_order_shown(
    choices: str, shown: bool, tmp_path: Path
) -> None:
    text = "left,right,choice,rater\n" + _votes("eve", choices) + _votes("ann", "lrrl" * 8)
    notes = [note for note in read(tmp_path, text).notes if "eve chose the" in note]
    assert bool(notes) == shown
    if shown:
        most = max(choices.count("l"), choices.count("r"))
        assert f"{most} of {len(choices)} votes" in notes[0]
        known = text.replace("\n", ",left\n").replace("rater,left", "rater,first", 1)
        assert not any("eve chose" in note for note in read(tmp_path, known).notes)
