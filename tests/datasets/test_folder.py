"""What a user gets from a folder of photographs and tables of their own."""

from __future__ import annotations

import gzip
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from interestingness.datasets import folder as folder_module
from interestingness.datasets.folder import prepare_folder
from interestingness.datasets.folder_pairs import enough_of_numbers
from interestingness.tables.tables import SPECS, Tables, read_table

Write = Callable[[str, str], Path]
Prepare = Callable[..., Tables]


def choices(tables: Tables) -> list[tuple[str, str, str | None, str | None]]:
    """Each vote as (left, right, choice, first), in the order of the table."""
    ids = tables.pairs.pair_ids
    rows = tables.table("votes").to_pylist()
    pairs = [tables.pairs.pair(ids.index(row["pair_id"])) for row in rows]
    return [(p.left, p.right, r["choice"], r["first"]) for p, r in zip(pairs, rows, strict=True)]


def test_ids_are_relative_paths_and_photographs_stay(prepare: Prepare, photos: Path) -> None:
    tables = prepare()
    assert tables.image_ids.tolist() == [
        "Zürich 1.jpg", "a.jpg", "b.JPG", "c.png", "trip/d.jpg", "trip/e.webp",
    ]  # fmt: skip
    assert tables.manifest.domain == "photographs"
    assert tables.manifest.simulated == ""
    assert Path(tables.manifest.image_root) == photos
    assert all(tables.image_path(row).is_file() for row in range(6))
    assert not list(tables.root.rglob("*.jpg"))
    sizes = dict(zip(tables.image_ids, tables.images["width"].to_pylist(), strict=True))
    assert sizes["a.jpg"] == 8 and sizes["trip/e.webp"] == 13


def test_every_table_passes_the_format(prepare: Prepare, write: Write) -> None:
    tables = prepare(
        votes=write("v.csv", "left,right,choice\na.jpg,b.JPG,left\n"),
        scores=write("s.csv", "image,stars\na.jpg,3\nb.JPG,4\n"),
        ratings=write("r.csv", "image,rater,rating\na.jpg,x,3\nb.JPG,x,4\n"),
    )
    present = sorted(kind for kind in SPECS if tables.has(kind))
    assert present == ["images", "pairs", "ratings", "scores", "votes"]
    for kind in present:
        assert read_table(kind, tables.root / f"{kind}.parquet").num_rows > 0


def test_smallest_vote_table(prepare: Prepare, write: Write) -> None:
    tables = prepare(
        votes=write("votes.csv", "left,right,choice\nb.JPG,a.jpg,left\na.jpg,c.png,right\n")
    )
    assert choices(tables) == [
        ("a.jpg", "b.JPG", "right", None),
        ("a.jpg", "c.png", "right", None),
    ]
    votes = tables.table("votes").to_pylist()
    assert {v["rater_id"] for v in votes} == {"unnamed"}
    assert {v["question"] for v in votes} == {"interesting"}
    assert {v["rater_kind"] for v in votes} == {"human"}
    assert tables.manifest.facts["pairs"]["pairs"] == 2


def test_choice_may_be_a_name_a_side_a_tie_or_nothing(prepare: Prepare, write: Write) -> None:
    rows = [
        "b.JPG,a.jpg,b.JPG",
        "b.JPG,a.jpg,a.jpg",
        "b.JPG,a.jpg,Tie",
        "b.JPG,a.jpg, LEFT ",
        "b.JPG,a.jpg,",
    ]
    tables = prepare(votes=write("votes.csv", "\n".join(["left,right,choice", *rows])))
    assert [c for _, _, c, _ in choices(tables)] == ["right", "left", "tie", "right", None]
    facts = tables.manifest.facts["votes"]
    assert (facts["votes"], facts["ties"], facts["votes_without_answer"]) == (5, 1, 1)


@pytest.mark.parametrize(
    ("first", "choice", "expected"),
    [
        ("left", "first", ("right", "right")),
        ("left", "second", ("left", "right")),
        ("right", "first", ("left", "left")),
        ("a.jpg", "second", ("right", "left")),
        ("a.jpg", "b.JPG", ("right", "left")),
    ],
)
def test_first_and_second_follow_the_order_shown(
    prepare: Prepare, write: Write, first: str, choice: str, expected: tuple[str, str]
) -> None:
    # The file has b left of a; the canonical pair has a on the left.
    text = f"left,right,choice,first\nb.JPG,a.jpg,{choice},{first}\n"
    assert choices(prepare(votes=write("v.csv", text))) == [("a.jpg", "b.JPG", *expected)]


def test_without_an_order_column_first_means_the_left_column(
    prepare: Prepare, write: Write
) -> None:
    text = "left,right,choice\nb.JPG,a.jpg,first\nb.JPG,a.jpg,second\n"
    assert choices(prepare(votes=write("v.csv", text))) == [
        ("a.jpg", "b.JPG", "right", "right"),
        ("a.jpg", "b.JPG", "left", "right"),
    ]


def test_optional_vote_columns(prepare: Prepare, write: Write) -> None:
    text = (
        "left,right,choice,rater,reason,question,persona,time,probability,rater_kind,mood\n"
        'b.JPG,a.jpg,left,ann,"odd, but nice",beautiful,p1,2025-03-01T10:00+02:00,0.75,Model,:)\n'
    )
    (vote,) = prepare(votes=write("v.csv", text)).table("votes").to_pylist()
    assert vote["rater_id"] == "ann" and vote["question"] == "beautiful"
    assert vote["reason"] == "odd, but nice" and vote["persona"] == "p1"
    assert vote["probability"] == pytest.approx(0.25)  # for left, which is a.jpg
    assert vote["time"].isoformat() == "2025-03-01T08:00:00+00:00"
    assert vote["rater_kind"] == "model"


def test_repeated_and_reversed_pairs_are_one_pair(prepare: Prepare, write: Write) -> None:
    text = "left,right,choice,rater\na.jpg,b.JPG,left,x\nb.JPG,a.jpg,left,y\na.jpg,b.JPG,tie,x\n"
    tables = prepare(votes=write("v.csv", text))
    assert len(tables.pairs) == 1
    facts = tables.manifest.facts["votes"]
    assert (facts["rows"], facts["pairs"], facts["rows_reversed"], facts["repeated_votes"]) == (
        3,
        1,
        1,
        1,
    )
    assert tables.table("votes")["sample"].to_pylist() == [0, 0, 1]


def test_scores_make_pairs_and_columns(prepare: Prepare, write: Write) -> None:
    rows = ["a.jpg,4.5,10,cat", "b.JPG,,20,dog", "c.png,NaN,3,cat", "trip/d.jpg,1,4,"]
    text = "\n".join(["image,stars,views,concept", *rows])
    tables = prepare(scores=write("stars.csv", text))
    assert tables.score_names() == ["stars", "views"]
    stars = dict(zip(tables.image_ids, tables.scores("stars"), strict=True))
    assert stars["a.jpg"] == 4.5 and np.isnan(stars["b.JPG"]) and np.isnan(stars["trip/e.webp"])
    images = {row["image_id"]: row for row in tables.images.to_pylist()}
    assert images["b.JPG"]["concept"] == "dog" and images["trip/d.jpg"]["concept"] is None
    assert images["a.jpg"]["views"] == 10
    facts = tables.manifest.facts["scores"]
    assert facts["missing_values"] == {"stars": 2}
    assert facts["images_without_row"] == 2
    # Four images with a score, two pairs each.
    used = tables.image_ids[tables.pairs.images_used()].tolist()
    assert used == ["a.jpg", "b.JPG", "c.png", "trip/d.jpg"]
    assert len(tables.pairs) == 4


def test_pairs_table_decides(prepare: Prepare, write: Write) -> None:
    pairs = write("pairs.csv", "left,right\nb.JPG,a.jpg\na.jpg,b.JPG\nc.png,a.jpg\n")
    tables = prepare(pairs=pairs, scores=write("s.csv", "image,stars\na.jpg,3\nb.JPG,4\n"))
    assert len(tables.pairs) == 2
    assert tables.manifest.facts["pairs"]["rows_reversed"] == 1
    left_out = prepare(
        pairs=pairs,
        votes=write("v.csv", "left,right,choice\na.jpg,b.JPG,left\nb.JPG,c.png,left\n"),
        on_missing="skip",
    )
    assert left_out.table("votes").num_rows == 1
    assert left_out.manifest.facts["votes"]["votes_on_unlisted_pairs"] == 1
    assert len(left_out.vote_table) == 1


def test_images_alone_make_random_pairs(prepare: Prepare) -> None:
    tables = prepare(pairs_per_image=3)
    assert len(tables.pairs) == 9
    assert not tables.has("votes") and not tables.has("scores")


def test_pairs_that_numbers_label_are_many_and_those_to_vote_on_few(
    prepare: Prepare, write: Write, tmp_path: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(120):
        Image.new("RGB", (2, 2), (i, 0, 0)).save(folder / f"{i:03}.jpg")
    text = "image,stars\n" + "".join(f"{i:03}.jpg,{i}\n" for i in range(120))
    degree: dict[str, Any] = {"pairs_per_image": None, "images": folder}
    assert len(prepare(**degree).pairs) == 120 * 10 // 2
    assert len(prepare(scores=write("s.csv", text), **degree).pairs) == 120 * 80 // 2
    assert [enough_of_numbers(n) for n in (2, 10_000, 20_000, 10**6)] == [80, 80, 40, 10]


def test_ratings_become_votes_of_each_rater(prepare: Prepare, write: Write) -> None:
    text = "image,rater,rating\n" + "".join(
        f"{image},{rater},{rating}\n"
        for rater, given in {"x": (5, 3, 3), "y": (1, 2, 4)}.items()
        for image, rating in zip(("a.jpg", "b.JPG", "c.png"), given, strict=True)
    )
    tables = prepare(ratings=write("r.csv", text + "a.jpg,z,4\n"))
    votes = [(v[0], v[1], v[2]) for v in choices(tables)]
    raters = tables.table("votes")["rater_id"].to_pylist()
    assert set(zip(raters, votes, strict=True)) == {
        ("x", ("a.jpg", "b.JPG", "left")),
        ("x", ("a.jpg", "c.png", "left")),
        ("y", ("a.jpg", "b.JPG", "right")),
        ("y", ("a.jpg", "c.png", "right")),
        ("y", ("b.JPG", "c.png", "right")),
    }
    facts = tables.manifest.facts["ratings"]
    assert facts["pairs_rated_alike"] == 1 and facts["raters_without_vote"] == 1
    assert tables.table("ratings").num_rows == 7
    tied = prepare(ratings=write("r.csv", text), equal_ratings="tie")
    assert tied.table("votes")["choice"].to_pylist().count("tie") == 1


def test_most_votes_of_a_rater(prepare: Prepare, write: Write) -> None:
    names = ("a.jpg", "b.JPG", "c.png", "trip/d.jpg", "trip/e.webp")
    text = "image,rater,rating\n" + "".join(
        f"{name},{rater},{(i * k) % 7}\n"
        for k, rater in ((1, "x"), (3, "y"))
        for i, name in enumerate(names)
    )
    path = write("r.csv", text)
    everything = prepare(ratings=path, pairs_per_image=4)
    assert everything.table("votes").num_rows == 20
    few = prepare(ratings=path, pairs_per_image=4, votes_per_rater=3)
    raters = few.table("votes")["rater_id"].to_pylist()
    assert (raters.count("x"), raters.count("y")) == (3, 3)
    other = prepare(ratings=path, pairs_per_image=4, votes_per_rater=3, seed=1)
    assert other.table("votes")["pair_id"].to_pylist() != few.table("votes")["pair_id"].to_pylist()


def test_repeated_ratings_count_as_their_mean(prepare: Prepare, write: Write) -> None:
    text = "image,rater,rating\na.jpg,x,1\na.jpg,x,9\nb.JPG,x,4\n"
    tables = prepare(ratings=write("r.csv", text))
    assert choices(tables) == [("a.jpg", "b.JPG", "left", None)]
    assert tables.table("ratings")["sample"].to_pylist() == [0, 1, 0]


def test_other_column_names_and_a_key(prepare: Prepare, write: Write) -> None:
    scores = write("s.csv", "item,File,stars\n1.0,a.jpg,3\n2.0,b.JPG,5\n3.0,c.png,1\n")
    ratings = write("r.csv", "subject;item;beauty\n9;1;2,5\n9;2;4\n9;3;1\n")
    tables = prepare(
        scores=scores, ratings=ratings, image_key="item",
        columns={"rater": "subject", "rating": "beauty", "first": None},
    )  # fmt: skip
    assert tables.table("ratings").to_pylist()[0]["image_id"] == "a.jpg"
    assert {(a, b): c for a, b, c, _ in choices(tables)} == {
        ("a.jpg", "b.JPG"): "right",
        ("a.jpg", "c.png"): "left",
        ("b.JPG", "c.png"): "left",
    }
    voted = prepare(
        scores=scores, votes=write("v.csv", "left,right,choice\n2,1,2\n"), image_key="item"
    )
    assert choices(voted) == [("a.jpg", "b.JPG", "right", None)]


def test_groups_join_by_file_name(prepare: Prepare, write: Write) -> None:
    scores = write("s.csv", "image,stars,concept\na.jpg,3,cat\nb.JPG,5,dog\n")
    groups = write("g.csv", "image,concept,fold,year\na.jpg,cat,1,2020\nc.png,owl,2.0,2021\n")
    rows = {r["image_id"]: r for r in prepare(scores=scores, groups=groups).images.to_pylist()}
    assert rows["a.jpg"]["concept"] == "cat" and rows["c.png"]["concept"] == "owl"
    assert rows["c.png"]["fold"] == 2 and rows["b.JPG"]["fold"] is None


def test_names_are_understood_in_several_spellings(
    prepare: Prepare, write: Write, photos: Path
) -> None:
    text = (
        "image,stars\n"
        "./a.jpg,1\n"
        f"{photos / 'b.JPG'},2\n"
        "photos/c.png,3\n"
        "trip\\d.jpg,4\n"
        "e.webp,5\n"
        "Zu\u0308rich 1.jpg,6\n"  # as a Mac writes it
    )
    tables = prepare(scores=write("s.csv", text))
    assert dict(zip(tables.image_ids, tables.scores("stars"), strict=True)) == {
        "a.jpg": 1, "b.JPG": 2, "c.png": 3, "trip/d.jpg": 4, "trip/e.webp": 5, "Zürich 1.jpg": 6,
    }  # fmt: skip


def test_globs_lists_and_home(
    prepare: Prepare, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare(images=str(photos / "*.jpg")).image_ids.tolist() == ["Zürich 1.jpg", "a.jpg"]
    assert len(prepare(images=str(photos / "**" / "*")).image_ids) == 6
    listed = prepare(images=[photos / "trip" / "d.jpg", str(photos / "c.png")])
    assert listed.image_ids.tolist() == ["c.png", "trip/d.jpg"]
    monkeypatch.setenv("HOME", str(tmp_path))
    home = prepare_folder(
        "~/cache", images="~/photos", question="q", pairs_per_image=1, votes_per_rater=1,
        on_missing="error", seed=0,
    )  # fmt: skip
    assert len(home.image_ids) == 6 and home.root.is_relative_to(tmp_path)


def test_a_folder_whose_name_looks_like_a_pattern(prepare: Prepare, tmp_path: Path) -> None:
    folder = tmp_path / "trip [2024]"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (5, 5)).save(folder / name)
    assert len(prepare(images=str(folder)).image_ids) == 2


def test_links_are_followed_but_not_in_circles(
    prepare: Prepare, photos: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Image.new("RGB", (5, 5)).save(elsewhere / "far.jpg")
    (photos / "linked").symlink_to(elsewhere)
    (photos / "circle").symlink_to(photos)
    (photos / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    ids = prepare().image_ids.tolist()
    assert "linked/far.jpg" in ids and len(ids) == 7


def test_csv_parquet_and_gzip_give_the_same(prepare: Prepare, write: Write, tmp_path: Path) -> None:
    csv = write("s.csv", "image,stars\na.jpg,3\nb.JPG,4.5\nc.png,\n")
    packed = tmp_path / "s.csv.gz"
    packed.write_bytes(gzip.compress(csv.read_bytes()))
    parquet = tmp_path / "s.parquet"
    table = pa.table({"image": ["a.jpg", "b.JPG", "c.png"], "stars": [3.0, 4.5, np.nan]})
    pq.write_table(table, parquet)
    semicolon = write("t.csv", "\ufeffimage;stars\r\na.jpg;3\r\nb.JPG;4,5\r\nc.png;\r\n")
    tab = write("u.tsv", "image\tstars\na.jpg\t3\nb.JPG\t4.5\nc.png\tNA\n")
    results = [prepare(scores=path) for path in (csv, packed, parquet, semicolon, tab)]
    expected = results[0].scores("stars")
    for tables in results[1:]:
        np.testing.assert_array_equal(tables.scores("stars"), expected)
        assert tables.pairs.pair_ids == results[0].pairs.pair_ids


def test_a_finished_folder_is_used_again(
    prepare: Prepare,
    write: Write,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO)
    scores = write("s.csv", "image,stars\na.jpg,3\nb.JPG,4\n")
    first = prepare(scores=scores)
    assert "prepared before" not in caplog.text
    monkeypatch.setattr(folder_module, "_build", None)  # building again would fail
    again = prepare(scores=scores)
    assert again.root == first.root and "prepared before" in caplog.text


def test_another_input_is_another_folder(prepare: Prepare, write: Write, photos: Path) -> None:
    scores = write("s.csv", "image,stars\na.jpg,3\nb.JPG,4\n")
    roots = [prepare(scores=scores).root]
    roots.append(prepare(scores=scores, seed=1).root)
    roots.append(prepare(scores=scores, question="beautiful").root)
    write("s.csv", "image,stars\na.jpg,3\nb.JPG,5\n")
    roots.append(prepare(scores=scores).root)
    os.utime(photos / "a.jpg", ns=(1, 1))
    roots.append(prepare(scores=scores).root)
    Image.new("RGB", (5, 5)).save(photos / "new.jpg")
    roots.append(prepare(scores=scores).root)
    assert len(set(roots)) == len(roots)


def test_processes_wait_for_the_first(prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    build = folder_module._build

    def counted(*arguments: object) -> object:
        built.append(1)
        return build(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(folder_module, "_build", counted)
    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_a_killed_preparation_leaves_nothing_to_be_used(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Tables, "write", staticmethod(killed))
    with pytest.raises(KeyboardInterrupt):
        prepare()
    assert not list((tmp_path / "cache").rglob("*.json"))
    monkeypatch.undo()
    tables = prepare()
    # A folder without its manifest was not finished by us: it is made anew.
    (tables.root / "dataset.json").unlink()
    assert len(prepare().image_ids) == 6


def test_counts_are_plain_values_in_the_manifest(prepare: Prepare, write: Write) -> None:
    tables = prepare(votes=write("v.csv", "left,right,choice,rater\na.jpg,b.JPG,left,x\n"))
    facts = json.loads((tables.root / "dataset.json").read_text())["facts"]
    assert facts["images"] == 6
    assert facts["votes"] == {"rows": 1, "pairs": 1, "votes": 1, "raters": 1}


def test_copies_are_known_by_their_hash(prepare: Prepare, photos: Path) -> None:
    (photos / "a (1).jpg").write_bytes((photos / "a.jpg").read_bytes())
    tables = prepare()
    hashes = dict(zip(tables.image_ids, tables.images["sha256"].to_pylist(), strict=True))
    assert hashes["a.jpg"] == hashes["a (1).jpg"] is not None
    assert tables.manifest.facts["copies_of_other_images"] == 1
    # A file whose size no other file has can be no copy, and is not read.
    assert hashes["c.png"] is None


def test_damaged_files_are_counted(
    prepare: Prepare, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8 nothing else")
    (photos / "phone.heic").write_bytes(b"may be fine with the extra")
    tables = prepare()
    assert tables.manifest.facts["unreadable_image_headers"] == 1
    assert "broken.jpg" in caplog.text
    assert len(tables.image_ids) == 8


def test_progress_is_told(prepare: Prepare) -> None:
    told: list[tuple[int, int]] = []
    prepare(progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (6, 6)


def test_name(prepare: Prepare, tmp_path: Path, photos: Path) -> None:
    assert prepare().manifest.name == tmp_path.name  # "photos" alone says little
    assert prepare(images=photos / "trip").manifest.name == "trip"
    assert prepare(name="holiday").manifest.name == "holiday"


def test_columns_that_mean_nothing_are_named(
    prepare: Prepare, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    votes = write("votes.csv", "left,right,choice,ratter\na.jpg,b.JPG,left,eve\n")
    tables = prepare(votes=votes)
    assert "columns not used: ratter" in caplog.text
    assert tables.manifest.facts["votes"]["columns not used"] == ["ratter"]


@pytest.mark.parametrize(
    "start", ["C:\\Users\\ann\\study\\", "/Users/bob/study/", "study/", "file:///home/cy/s/"]
)
def test_a_foreign_common_prefix_is_recognised_and_said(
    start: str, prepare: Prepare, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    rows = f"{start}a.jpg,{start}trip/d.jpg,left\n{start}B.jpg,{start}c.png,right\n"
    tables = prepare(votes=write("votes.csv", "left,right,choice\n" + rows))
    ids = {tables.pairs.pair(row).left for row in range(2)}
    assert ids == {"a.jpg", "b.JPG"}
    assert any("is taken for" in note for note in tables.manifest.facts["votes"]["notes"])
    assert "is taken for" in caplog.text


def test_equal_rows_train_as_votes_and_copies_do_not(prepare: Prepare, write: Write) -> None:
    head, row = "left,right,choice,rater,vote_id\n", "a.jpg,b.JPG,left,ann,{}\n"
    twice = prepare(votes=write("twice.csv", head + row.format("") * 2))
    once = prepare(votes=write("once.csv", head + row.format(5) * 2))
    assert (twice.vote_table.num_rows, once.vote_table.num_rows) == (2, 1)
