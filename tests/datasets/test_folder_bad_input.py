"""A hostile or unlucky user: each mistake gets one error with what was found and what to do."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from interestingness.errors import ConfigError, DataError, InterestingnessError
from interestingness.tables.tables import Tables

Write = Callable[[str, str], Path]
Prepare = Callable[..., Tables]


def message(prepare: Prepare, kind: type[InterestingnessError] = DataError, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        prepare(**options)
    assert caught.value.found and caught.value.expected and caught.value.todo
    return str(caught.value)


# what is given, its text, and what the message must say
TABLES: list[tuple[str, str, tuple[str, ...]]] = [
    (
        "votes",
        "left,right\na.jpg,b.JPG\n",
        ("no column 'choice'", "'left', 'right'", "dataset.columns.choice="),
    ),
    ("votes", "one,two,choice\na.jpg,b.JPG,left\n", ("no column 'left'", "dataset.columns.left=")),
    (
        "votes",
        "a.jpg,b.JPG,left\nb.JPG,c.png,right\n",
        ("no column 'right'", "first line seems to be data"),
    ),
    ("votes", "left,right,choice\na.jpg,a.jpg,left\n", ("with itself", "'a.jpg'", "line 2")),
    ("votes", "left,right,choice\na.jpg,./a.jpg,left\n", ("with itself",)),
    ("votes", "left,right,choice\na.jpg,x.jpg,left\n", ("1 of 1 rows", "'x.jpg'")),
    (
        "votes",
        "left,right,choice\na.jpg,b.JPG,maybe\na.jpg,b.JPG,c.png\n",
        ("2 cells", "'maybe', 'c.png'", "line 2, 3", "left, right, tie, first, second"),
    ),
    ("votes", "left,right,choice\na.jpg,b.JPG,1\n", ("'1'",)),
    ("votes", "left,right,choice,first\na.jpg,b.JPG,first,\n", ("column 'first' is empty",)),
    # most cells mean what the column's name says, and one does not
    (
        "votes",
        "left,right,choice,first\na.jpg,b.JPG,left,left\nb.JPG,c.png,left,right\nc.png,a.jpg,left,x\n",
        ("'x'", "column 'first'", "line 4"),
    ),
    (
        "votes",
        "left,right,choice,time\na.jpg,b.JPG,left,yesterday\n"
        "a.jpg,b.JPG,left,2024-01-01\na.jpg,b.JPG,left,2024-01-01\n",
        ("'yesterday'", "line 2", "dataset.columns.time=null"),
    ),
    (
        "votes",
        "left,right,choice,probability\na.jpg,b.JPG,left,75\na.jpg,b.JPG,left,0.5\na.jpg,b.JPG,left,1\n",
        ("'75'", "from 0 to 1"),
    ),
    (
        "votes",
        "left,right,choice,rater_kind\na.jpg,b.JPG,left,robot\n"
        "a.jpg,b.JPG,left,human\na.jpg,b.JPG,left,model\n",
        ("'robot'", "human or model"),
    ),
    ("votes", "left,right,choice\na.jpg,,left\n", ("'right' names no image in 1 of 1 rows",)),
    ("votes", "", ("empty",)),
    ("votes", "\n \n", ("empty",)),
    ("votes", "left,right,choice\n", ("no rows",)),
    ("votes", "left,right,choice\n,,\n", ("no rows",)),
    (
        "votes",
        "left|right|choice\na.jpg|b.JPG|left\n",
        ("'left|right|choice'", "comma, semicolon or tab"),
    ),
    ("votes", "left right choice\na.jpg b.JPG left\n", ("no column 'left'", "separated by comma")),
    ("votes", "left,right,choice\na.jpg,b.JPG\n", ("line 2", "3 cells in every row")),
    ("votes", "left,right,choice\na.jpg,b.JPG,left,extra\n", ("line 2", "4 cells")),
    ("votes", 'left,right,choice\n"a.jpg,b.JPG,left\n', ("line 2",)),
    ("votes", "left,left,choice\na.jpg,b.JPG,left\n", ("two columns are called 'left'",)),
    ("votes", ",,\na.jpg,b.JPG,left\n", ("no column names",)),
    ("votes", "left,right,choice\n\0,b.JPG,left\n", ("binary",)),
    ("pairs", "left,right\na.jpg,a.jpg\n", ("with itself",)),
    ("pairs", "left\na.jpg\n", ("no column 'right'",)),
    (
        "scores",
        "image,stars\na.jpg,3\nA.jpx,4\nc.jpg,1\nD.jpx,5\nzzz,2\n",
        (
            "4 of 5 rows",
            "4 images",
            "'A.jpx' (did you mean 'a.jpg'?)",
            "'c.jpg' (did you mean 'c.png'?)",
            "'D.jpx' (did you mean 'trip/d.jpg'?), …",
            "dataset.on_missing=skip",
        ),
    ),
    ("scores", "image,stars\nZuerich 1.jpg,3\na.jpg,3\n", ("did you mean 'Zürich 1.jpg'?",)),
    (
        "scores",
        "photo,stars\na.jpg,3\n",
        ("no column 'image'", "'photo'", "dataset.columns.image="),
    ),
    (
        "scores",
        "image,photo,stars\n17,a.jpg,3\n18,b.JPG,4\n",
        ("2 of 2", "dataset.columns.image=photo"),
    ),
    ("scores", "image,stars\nx.jpg,3\ny.jpg,4\n", ("belong together",)),
    (
        "scores",
        "image,stars\na.jpg,3\na.jpg,4\n",
        ("more than one row", "line 2, 3", "dataset.ratings"),
    ),
    ("scores", "image,stars\na.jpg,3\nphotos/a.jpg,4\n", ("more than one row",)),
    (
        "scores",
        "image,stars\na.jpg,3\nb.JPG,4\nc.png,five\n",
        ("column 'stars'", "'five'", "line 4"),
    ),
    ("scores", "image,stars\na.jpg,3\nb.JPG,4\nc.png,inf\n", ("'inf'",)),
    ("scores", "image,stars\na.jpg,3\nb.JPG,4\nc.png,1e999\n", ("'1e999'",)),
    ("scores", "image,v\na.jpg,1e3\nb.JPG,inf\nc.png,−5\n", ("'inf'", "line 3")),
    ("scores", "image,v\na.jpg,1e3\nb.JPG,inf\nc.png,x\n", ("'v' has 'inf'", "line 3")),
    (
        "scores",
        "image,concept\na.jpg,cat\nb.JPG,dog\n",
        ("no column holds numbers", "dataset.groups"),
    ),
    ("scores", "image\na.jpg\nb.JPG\n", ("only the column 'image'",)),
    ("scores", "image,stars\na.jpg,3\nb.JPG,\n", ("1 of 6 images have a score",)),
    ("scores", "image,stars\na.jpg,\nb.JPG,NaN\n", ("no column holds numbers",)),
    ("scores", "image,stars\n,3\n", ("'image' names no image",)),
    ("ratings", "image,rating\na.jpg,3\n", ("no column 'rater'", "dataset.columns.rater=")),
    (
        "ratings",
        "image,rater,stars\na.jpg,x,3\n",
        ("no column 'rating'", "dataset.columns.rating="),
    ),
    ("ratings", "image,rater,rating\na.jpg,x,good\nb.JPG,x,2\n", ("'good'", "line 2")),
    ("ratings", "image,rater,rating\na.jpg,,2\nb.JPG,x,2\n", ("'rater' is empty",)),
    ("ratings", "image,rater,rating\na.jpg,x,\nb.JPG,x,\n", ("every rating is empty",)),
    ("ratings", "image,rater,rating\na.jpg,x,1\nb.JPG,y,2\n", ("no rater has rated two images",)),
    ("groups", "image,concept\nq.jpg,cat\na.jpg,cat\n", ("1 of 2 rows",)),
    ("groups", "image,concept\na.jpg,cat\na.jpg,dog\n", ("more than one row",)),
]


@pytest.mark.parametrize(("kind", "text", "parts"), TABLES)
def test_bad_table(
    prepare: Prepare, write: Write, tmp_path: Path, kind: str, text: str, parts: tuple[str, ...]
) -> None:
    said = message(prepare, **{kind: write("table.csv", text)})
    for part in parts:
        assert part in said, said
    assert "table.csv" in said or "dataset." in said
    assert not list((tmp_path / "cache").glob("folder-*"))


def test_wrong_kinds_of_file(prepare: Prepare, tmp_path: Path, photos: Path) -> None:
    def given(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(data)
        return message(prepare, scores=path)

    assert "no such file" in message(prepare, scores=tmp_path / "absent.csv")
    assert "a folder" in message(prepare, scores=photos)
    assert "a folder" in message(prepare, scores="")
    assert "no such file" in message(prepare, scores="~nobody-here/stars.csv")
    assert "spreadsheet" in given("stars.xlsx", b"PK\x03\x04 and so on")
    assert "UTF-16" in given("stars.txt", "image,stars\na.jpg,3\n".encode("utf-16")[:-1])
    assert "line 3 is not UTF-8" in given(
        "s.csv", "image,stars\na.jpg,3\nZürich 1.jpg,4".encode("latin-1")
    )
    packed = gzip.compress(b"image,stars\na.jpg,3\n" * 50)
    assert "damaged gzip" in given("s.csv.gz", packed[:-9])
    assert "damaged gzip" in given("s.csv.gz", packed[:20] + b"\xff" * 30)
    parquet = tmp_path / "s.parquet"
    pq.write_table(pa.table({"image": ["a.jpg"], "stars": [[1, 2]]}), parquet)
    assert "'stars' holds list" in message(prepare, scores=parquet)
    assert "Parquet" in given("s.parquet", parquet.read_bytes()[:-30])
    assert "binary" in message(prepare, scores=photos / "a.jpg")


def test_bad_images(prepare: Prepare, tmp_path: Path, photos: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no image" in message(prepare, images=empty)
    (empty / "notes.txt").write_text("x")
    (empty / "film.mp4").write_text("x")
    assert "1 × .txt" in message(prepare, images=empty)
    assert "nothing is at" in message(prepare, images=tmp_path / "absent")
    assert "nothing is at" in message(prepare, images="~nobody-here/photos")
    assert "no image" in message(prepare, images=str(tmp_path / "*.jpg"))
    assert "one image only" in message(prepare, images=photos / "a.jpg")
    assert "one image only" in message(prepare, images=[photos / "a.jpg", photos / "a.jpg"])
    assert "no image" in message(prepare, images=empty / "notes.txt")
    assert "a folder is at" in message(prepare, images=[photos])
    assert "no image" in message(prepare, images=[])
    assert "dataset.images is empty" in message(prepare, images="")
    assert "dataset.images is empty" in message(prepare, images=None)


def test_two_spellings_of_one_name(prepare: Prepare, photos: Path) -> None:
    Image.new("RGB", (5, 5)).save(photos / "Zu\u0308rich 1.jpg")
    if len(list(photos.glob("Z*"))) == 1:
        pytest.skip("this file system keeps one spelling")
    names = prepare().image_ids.tolist()
    assert len(names) == 7 and {"Zürich 1.jpg", "Zu\u0308rich 1.jpg"} < set(names)


def test_a_name_that_is_not_utf8(prepare: Prepare, photos: Path) -> None:
    try:
        (photos / b"caf\xe9.jpg".decode("utf-8", "surrogateescape")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system refuses such names")
    assert len(prepare().image_ids) == 6


@pytest.mark.parametrize(
    "options",
    [
        {"on_missing": "ignore"},
        {"equal_ratings": "half"},
        {"columns": {"photo": "x"}},
        {"pairs_per_image": 0},
        {"pairs_per_image": 2.5},
        {"votes_per_rater": 0},
        {"seed": -1},
    ],
)
def test_bad_options(prepare: Prepare, options: dict[str, Any]) -> None:
    assert f"dataset.{next(iter(options))}" in message(prepare, ConfigError, **options)


def test_a_renamed_column_that_no_table_has(prepare: Prepare, write: Write) -> None:
    scores = write("s.csv", "image,stars\na.jpg,3\nb.JPG,4\n")
    said = message(prepare, scores=scores, columns={"rater": "subject"})
    assert "dataset.columns.rater=subject" in said and "stars" in said


def test_keys(prepare: Prepare, write: Write) -> None:
    scores = write("s.csv", "image,item,stars\na.jpg,1,3\nb.JPG,2,4\n")
    ratings = write("r.csv", "item,rater,rating\n1,x,3\n2,x,4\n9,x,4\n")
    assert "no column 'image'" in message(prepare, scores=scores, ratings=ratings)
    assert "no such column" in message(prepare, scores=scores, ratings=ratings, image_key="number")
    assert "a table of scores or groups" in message(prepare, ratings=ratings, image_key="item")
    said = message(prepare, scores=scores, ratings=ratings, image_key="item")
    assert "1 of 3 rows" in said and "'9'" in said
    twice = write("t.csv", "image,item,stars\na.jpg,1,3\nb.JPG,1,4\n")
    assert "names two images" in message(prepare, scores=twice, ratings=ratings, image_key="item")


def test_absent_images_are_skipped_and_counted_when_asked(prepare: Prepare, write: Write) -> None:
    tables = prepare(
        scores=write("s.csv", "image,stars\na.jpg,3\nx.jpg,4\nb.JPG,5\n"),
        votes=write("v.csv", "left,right,choice\na.jpg,b.JPG,left\na.jpg,x.jpg,x.jpg\n"),
        ratings=write("r.csv", "image,rater,rating\na.jpg,u,1\nb.JPG,u,2\ny.jpg,u,3\n"),
        on_missing="skip",
    )
    facts = tables.manifest.facts
    assert [facts[k]["rows_without_image"] for k in ("scores", "votes", "ratings")] == [1, 1, 1]
    assert tables.table("votes").num_rows == 2
    everything = write("s.csv", "image,stars\nx.jpg,4\n")
    assert "1 of 1 rows" in message(prepare, scores=everything, on_missing="skip")


def test_a_name_in_two_folders_must_be_whole(prepare: Prepare, write: Write, photos: Path) -> None:
    (photos / "other").mkdir()
    Image.new("RGB", (5, 5)).save(photos / "other" / "d.jpg")
    said = message(prepare, scores=write("s.csv", "image,stars\nd.jpg,3\na.jpg,4\n"))
    assert "'d.jpg' (did you mean 'other/d.jpg'?)" in said


def test_votes_on_unlisted_pairs(prepare: Prepare, write: Write) -> None:
    pairs = write("p.csv", "left,right\na.jpg,b.JPG\n")
    votes = write("v.csv", "left,right,choice\na.jpg,b.JPG,left\nc.png,b.JPG,left\n")
    said = message(prepare, pairs=pairs, votes=votes)
    assert (
        "1 of 2 votes are on pairs" in said
        and "line 3" in said
        and "leave dataset.pairs out" in said
    )


def test_columns_that_disagree(prepare: Prepare, write: Write) -> None:
    said = message(
        prepare,
        scores=write("s.csv", "image,stars,concept\na.jpg,3,cat\nb.JPG,4,dog\n"),
        groups=write("g.csv", "image,concept\na.jpg,cat\nb.JPG,cow\n"),
    )
    assert "differ for 1 images ('dog' and 'cow')" in said


def test_a_constant_score_is_warned_of(
    prepare: Prepare, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    tables = prepare(scores=write("s.csv", "image,stars,x\na.jpg,3,1\nb.JPG,3,2\n"))
    assert "the same number in every row of stars" in caplog.text
    assert tables.manifest.facts["scores"]["scores_without_variation"] == ["stars"]


def test_numbers_nobody_can_tell_are_no_scores(prepare: Prepare, write: Write) -> None:
    # Thousands or three decimals? With a semicolon between cells it may be either.
    said = message(prepare, scores=write("s.csv", "image;views\na.jpg;1,250\nb.JPG;3,100\n"))
    assert "'1,250'" in said and "line 2" in said and "dataset.decimal=," in said


def test_our_own_columns_are_not_overwritten(prepare: Prepare, write: Write) -> None:
    text = "image,stars,width,path\na.jpg,3,9999,/etc/passwd\nb.JPG,4,1,x\n"
    tables = prepare(scores=write("s.csv", text))
    assert 9999 not in tables.images["width"].to_pylist()
    assert "/etc/passwd" not in tables.images["path"].to_pylist()
    assert tables.scores("width")[1] == 9999


def test_names_cannot_leave_the_folder(prepare: Prepare, write: Write, tmp_path: Path) -> None:
    Image.new("RGB", (5, 5)).save(tmp_path / "secret.jpg")
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg"), "trip/../../secret.jpg"):
        assert "not there" in message(prepare, scores=write("s.csv", f"image,stars\n{name},3\n"))
