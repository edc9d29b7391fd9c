"""Exports of tools in their real layout, read as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interestingness.datasets.vote_tables import VoteFiles, read_vote_files
from interestingness.datasets.vote_times import time_of
from interestingness.tables.tables import Tables

MTURK = (
    '"HITId","HITTypeId","Title","Description","Keywords","Reward","CreationTime","MaxAssignments",'
    '"RequesterAnnotation","AssignmentDurationInSeconds","AutoApprovalDelayInSeconds","Expiration",'
    '"NumberOfSimilarHITs","LifetimeInSeconds","AssignmentId","WorkerId","AssignmentStatus",'
    '"AcceptTime","SubmitTime","AutoApprovalTime","ApprovalTime","RejectionTime",'
    '"RequesterFeedback","WorkTimeInSeconds","LifetimeApprovalRate","Last30DaysApprovalRate",'
    '"Last7DaysApprovalRate","Input.image_a","Input.image_b","Answer.choice","Approve","Reject"'
)


def _mturk(worker: str, status: str, one: str, other: str, answer: str) -> str:
    time = "Tue Mar 01 12:30:05 PST 2022"
    cells = ["H1", "T1", "Which?", "Pick", "images", "$0.05", time, "3", "", "3600", "259200", time]
    cells += ["", "", "A1", worker, status, time, time, time, "", "", "", "14"]
    cells += ["0% (0/0)"] * 3 + [one, other, answer, "", ""]
    return ",".join(f'"{cell}"' for cell in cells)


MTURK_CSV = "\n".join(
    [
        MTURK,
        _mturk("W1", "Approved", "p.jpg", "q.jpg", "A"),
        _mturk("W2", "Submitted", "q.jpg", "r.jpg", "B"),
        _mturk("W3", "Rejected", "q.jpg", "r.jpg", "A"),
    ]
)

QUALTRICS = """\
StartDate,EndDate,Status,IPAddress,Progress,Duration (in seconds),Finished,RecordedDate,ResponseId,\
RecipientLastName,DistributionChannel,UserLanguage,left,right,Q1
Start Date,End Date,Response Type,IP Address,Progress,Duration (in seconds),Finished,Recorded Date,\
Response ID,Recipient Last Name,Distribution Channel,User Language,left,right,"Which one?
(the more interesting)"
"{""ImportId"":""startDate"",""timeZone"":""America/Denver""}","{""ImportId"":""endDate""}",\
"{""ImportId"":""status""}","{""ImportId"":""ipAddress""}","{""ImportId"":""progress""}",\
"{""ImportId"":""duration""}","{""ImportId"":""finished""}","{""ImportId"":""recordedDate""}",\
"{""ImportId"":""_recordId""}","{""ImportId"":""recipientLastName""}",\
"{""ImportId"":""distributionChannel""}","{""ImportId"":""userLanguage""}",\
"{""ImportId"":""left""}","{""ImportId"":""right""}","{""ImportId"":""QID1""}"
2024-03-01 09:00:00,2024-03-01 09:05:00,IP Address,1.2.3.4,100,300,True,2024-03-01 09:05:01,R_1,,\
anonymous,EN,p.jpg,q.jpg,1
2024-03-01 09:00:00,2024-03-01 09:05:00,IP Address,1.2.3.5,100,300,True,2024-03-01 09:06:01,R_2,,\
anonymous,EN,q.jpg,r.jpg,2
2024-03-01 09:00:00,2024-03-01 09:05:00,Survey Preview,,100,300,True,2024-03-01 09:07:01,R_3,,\
preview,EN,q.jpg,r.jpg,1
"""

PSYCHOPY = """\
image_left,image_right,practice_trials.thisRepN,practice_trials.thisTrialN,practice_trials.thisN,\
practice_trials.thisIndex,trials.thisRepN,trials.thisTrialN,trials.thisN,trials.thisIndex,\
image_left.started,key_resp.keys,key_resp.rt,participant,session,date,expName,psychopyVersion,\
frameRate,
,,,,,,,,,,,space,1.2,07,001,2023-05-11_14h23.51.123,pairs,2023.1.1,60,
p.jpg,q.jpg,0,0,0,0,,,,,2.1,left,0.8,07,001,2023-05-11_14h23.51.123,pairs,2023.1.1,60,
p.jpg,q.jpg,,,,,0,0,0,1,3.5,left,0.7,07,001,2023-05-11_14h23.51.123,pairs,2023.1.1,60,
q.jpg,r.jpg,,,,,0,1,1,0,5.0,right,0.9,07,001,2023-05-11_14h23.51.123,pairs,2023.1.1,60,
,,,,,,,,,,,,,07,001,2023-05-11_14h23.51.123,pairs,2023.1.1,60,
"""

JSPSYCH = (
    '"rt","stimulus","response","trial_type","trial_index","plugin_version","time_elapsed",'
    '"subject_id"\r\n'
    '"900","<p>Welcome</p>"," ","html-keyboard-response","0","2.0.0","905","s1"\r\n'
    '"700","<img src=""img/p.jpg""> <img class=""x"" src=\'img/q.jpg\'>","0",'
    '"html-button-response","1","2.0.0","1700","s1"\r\n'
    '"650","<div><img src=""img/q.jpg""><img src=""img/r.jpg""></div>","1",'
    '"html-button-response","2","2.0.0","2400","s1"\r\n'
)

JSPSYCH_JSON = json.dumps(
    [
        {"rt": 9, "stimulus": "<p>Hi</p>", "response": {"age": "31", "name": "x"}, "subject": "s1"},
        {"rt": 700.5, "left": "p.jpg", "right": "q.jpg", "response": "arrowleft", "subject": "s1"},
        {"rt": 650, "left": "q.jpg", "right": "r.jpg", "response": "arrowright", "subject": "s1"},
    ],
    indent=1,
)

LABEL_STUDIO_MIN = json.dumps(
    [
        {
            "image1": f"/data/upload/3/1a2b3c4d-{one}",
            "image2": f"/data/upload/3/1a2b3c4e-{other}",
            "id": at,
            "comparison": [{"selected": side}],
            "annotator": 4,
            "annotation_id": 10 + at,
            "created_at": "2024-03-01T09:00:00.123456Z",
            "updated_at": "2024-03-01T09:00:01.123456Z",
            "lead_time": 3.2,
        }
        for at, (one, other, side) in enumerate(
            [("p.jpg", "q.jpg", "left"), ("q.jpg", "r.jpg", "right")]
        )
    ]
)

LABEL_STUDIO_CSV = """\
annotation_id,annotator,comparison,created_at,id,image1,image2,lead_time,updated_at
10,4,"[{""selected"": ""left""}]",2024-03-01T09:00:00.123456Z,1,/data/upload/3/1a2b3c4d-p.jpg,\
/data/upload/3/1a2b3c4e-q.jpg,3.2,2024-03-01T09:00:01.123456Z
11,4,"[{""selected"": ""right""}]",2024-03-01T09:00:00.123456Z,2,/data/upload/3/1a2b3c4d-q.jpg,\
/data/upload/3/1a2b3c4e-r.jpg,3.2,2024-03-01T09:00:01.123456Z
"""

ARENA = "\n".join(
    json.dumps(
        {
            "question_id": f"{at:032x}",
            "model_a": one,
            "model_b": other,
            "winner": winner,
            "judge": f"arena_user_{at}",
            "conversation_a": [{"content": "?", "role": "user"}, {"content": "!", "role": "x"}],
            "conversation_b": [{"content": "?", "role": "user"}, {"content": "!", "role": "x"}],
            "turn": 1,
            "anony": True,
            "language": "English",
            "tstamp": 1682351591.1322 + at,
        }
    )
    for at, (one, other, winner) in enumerate(
        [("p.jpg", "q.jpg", "model_a"), ("q.jpg", "r.jpg", "model_b")]
    )
)

WIDE = """\
PROLIFIC_PID,age,p.jpg vs q.jpg,q.jpg vs r.jpg,comment
5e9088a8,31,left,right,nice
"""

PROLIFIC = """\
Submission id,Participant id,Status,Started at,left,right,choice
671b8e95,5e9088a8,APPROVED,2024-10-25T12:00:00Z,p.jpg,q.jpg,p.jpg
671b8e96,5e9088a8,APPROVED,2024-10-25T12:00:00Z,q.jpg,r.jpg,r.jpg
"""

EXPORTS = {
    "MTurk": (MTURK_CSV, ["W1", "W2"]),
    "MTurk crowd-form": (
        MTURK_CSV.replace('"Answer.choice"', '"Answer.taskAnswers"')
        .replace('"A",', '"[{""choice"":{""a"":true,""b"":false}}]",')
        .replace('"B",', '"[{""choice"":{""a"":false,""b"":true}}]",'),
        ["W1", "W2"],
    ),
    "Qualtrics": (QUALTRICS, ["R_1", "R_2"]),
    "PsychoPy": (PSYCHOPY, ["07", "07"]),
    "jsPsych": (JSPSYCH, ["s1", "s1"]),
    "jsPsych JSON": (JSPSYCH_JSON, ["s1", "s1"]),
    "Label Studio JSON-MIN": (LABEL_STUDIO_MIN, ["4", "4"]),
    "Label Studio CSV": (LABEL_STUDIO_CSV, ["4", "4"]),
    "arena": (ARENA, ["arena_user_0", "arena_user_1"]),
    "wide": (WIDE, ["5e9088a8", "5e9088a8"]),
    "winner and loser": ("winner,loser,rater\np.jpg,q.jpg,a\nr.jpg,q.jpg,b\n", ["a", "b"]),
    "chosen and rejected": (
        "\n".join(
            json.dumps({"chosen": one, "rejected": "q.jpg", "user_id": who})
            for one, who in (("p.jpg", "a"), ("r.jpg", "b"))
        ),
        ["a", "b"],
    ),
    "Prolific": (PROLIFIC, ["5e9088a8", "5e9088a8"]),
}


def chosen(votes: pa.Table, sides: dict[str, tuple[str, str]]) -> list[str]:
    rows = votes.to_pylist()
    return [sides[row["pair_id"]][row["choice"] == "right"] for row in rows]


def sides_of(found: VoteFiles) -> dict[str, tuple[str, str]]:
    pairs = found.pairs
    sides = zip(pairs.image_ids[pairs.left], pairs.image_ids[pairs.right], strict=True)
    return dict(zip(pairs.pair_ids, sides, strict=True))


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_an_export_is_read_as_it_is(name: str, codec: str, tmp_path: Path) -> None:
    """Of three images, p is chosen before q and r before q, by the raters named."""
    text, raters = EXPORTS[name]
    path = tmp_path / "export"
    path.write_bytes(text.encode(codec))
    found = read_vote_files([path], default_question="interesting", on_missing="error")
    names = [Path(choice).name for choice in chosen(found.table, sides_of(found))]
    assert names == ["p.jpg", "r.jpg"]
    assert found.table["rater_id"].to_pylist() == raters
    assert len(found.pairs) == 2 and found.images_known


@pytest.mark.parametrize("name", [name for name in EXPORTS if name != "jsPsych"])
def test_an_export_trains_too(
    name: str, photos: Path, write: Callable[[str, str], Path], prepare: Callable[..., Tables]
) -> None:
    text, raters = EXPORTS[name]
    for new, old in zip(("a.jpg", "b.JPG", "c.png"), ("p.jpg", "q.jpg", "r.jpg"), strict=True):
        text = text.replace(old, new)
    tables = prepare(images=photos, votes=write("export", text))
    assert tables.vote_table["rater_id"].to_pylist() == raters
    sides = {
        pair: (tables.pairs.image_ids[left], tables.pairs.image_ids[right])
        for pair, left, right in zip(
            tables.pairs.pair_ids, tables.pairs.left, tables.pairs.right, strict=True
        )
    }
    assert chosen(tables.vote_table, sides) == ["a.jpg", "c.png"]


@pytest.mark.parametrize(
    ("name", "count", "what"),
    [
        ("MTurk", 1, "rejected"),
        ("Qualtrics", 1, "preview"),
        ("PsychoPy", 1, "practice"),
        ("PsychoPy", 2, "without images"),
        ("jsPsych", 1, "without images"),
        ("Qualtrics", 2, "lines of questions"),
    ],
)
def test_what_an_export_has_beside_votes_is_counted(
    name: str, count: int, what: str, tmp_path: Path
) -> None:
    path = tmp_path / "export"
    path.write_text(EXPORTS[name][0])
    notes = read_vote_files([path], default_question="interesting").notes
    assert any(f"{count} {what}" in note for note in notes), notes


def test_parquet_with_bytes_and_lists(tmp_path: Path) -> None:
    """Pick-a-Pic's columns."""
    table = pa.table(
        {
            "image_0_uid": ["p.jpg", "q.jpg"],
            "image_1_uid": ["q.jpg", "r.jpg"],
            "best_image_uid": ["p.jpg", "r.jpg"],
            "user_id": [1, 2],
            "jpg_0": [b"\xff\xd8\xff", b"\xff\xd8\xff"],
            "tags": [["x"], []],
            "size": [{"w": 1}, {"w": 2}],
            "created_at": [datetime(2023, 1, 1, 12), datetime(2023, 1, 2, 12)],
        }
    )
    pq.write_table(table, tmp_path / "v.parquet")
    found = read_vote_files([tmp_path / "v.parquet"], default_question="interesting")
    assert chosen(found.table, sides_of(found)) == ["p.jpg", "r.jpg"]
    assert found.table["rater_id"].to_pylist() == ["1", "2"]
    assert found.table["time"][1].as_py().day == 2
    note = next(note for note in found.notes if "left out" in note)
    assert all(f"'{column}'" in note for column in ("jpg_0", "tags", "size"))


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2024-03-01", "2024-03-01T00:00:00+00:00"),
        ("2024-03-01T09:00:00+02:00", "2024-03-01T09:00:00+02:00"),
        ("Tue Mar 01 12:30:05 PST 2022", "2022-03-01T20:30:05+00:00"),
        ("2023-05-11_14h23.51.123", "2023-05-11T14:23:51.123000+00:00"),
        ("1682351591", "2023-04-24T15:53:11+00:00"),
        ("1682351591000", "2023-04-24T15:53:11+00:00"),
        ("1523.5", None),
        ("12:30", None),
        ("morning", None),
    ],
)
def test_times(cell: str, moment: str | None) -> None:
    read: Any = time_of(cell)
    assert (read and read.isoformat()) == moment


def test_tables_of_scores_say_what_they_leave_out(
    tmp_path: Path, prepare: Callable[..., Tables]
) -> None:
    columns = {"image": ["a.jpg", "b.JPG"], "stars": [3.5, 4.5], "raw": [b"\xff", b"\xfe"]}
    pq.write_table(pa.table(columns), tmp_path / "s.parquet")
    tables = prepare(scores=tmp_path / "s.parquet")
    assert tables.manifest.facts["scores"]["score_names"] == ["stars"]
    assert any("'raw'" in note for note in tables.manifest.facts["scores"]["notes"])
    assert not tables.manifest.facts["scores"].get("columns_without_numbers")


def test_a_wide_table_leaves_out_what_was_not_asked(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("rater,p.jpg|q.jpg,q.jpg|r.jpg\nann,left,\nbob,right,A\n")
    found = read_vote_files([path], default_question="interesting")
    assert found.table["rater_id"].to_pylist() == ["ann", "bob", "bob"]
    assert chosen(found.table, sides_of(found)) == ["p.jpg", "q.jpg", "q.jpg"]
