"""Appearances and answers: nothing lost, nothing twice, undo, repetitions, choosing."""

from __future__ import annotations

import csv
import errno
import sqlite3
import threading
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from voting import session_over, vote

from interestingness.collecting import photos as photos_module
from interestingness.collecting import store as store_module
from interestingness.collecting.bursts import bursts_of
from interestingness.collecting.choosing import (
    REPEATED,
    ActivePairs,
    ListedPairs,
    RandomPairs,
    SingleImageChooser,
)
from interestingness.collecting.export import export
from interestingness.collecting.records import Given
from interestingness.collecting.session import VotingSession, VotingTask
from interestingness.collecting.store import VoteStore
from interestingness.datasets.photographs import find_photographs
from interestingness.datasets.vote_tables import read_vote_files
from interestingness.errors import ConfigError, DataError

ABOUT = {"question": "nicer?", "kind": "pairs"}


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_vote_is_exported_as_the_table_that_training_reads(
    session: VotingSession, store: VoteStore, tmp_path: Path
) -> None:
    vote(session, "ann", 5)
    (pair, *_) = session.hand_out("ann", "tab1")
    reason = 'sharper, "calm"\nand bright'
    session.answer("ann", Given(pair["token"], "key-of-ann-1", "tie", reason, 1200.5))
    vote(session, "bob", 1, choice="skip")
    out = tmp_path / "votes.csv"
    assert export(store, out) == 6
    rows = rows_of(out)
    assert [row["choice"] for row in rows] == ["left"] * 5 + ["tie"]
    assert {row["first"] for row in rows} == {"left"} and rows[-1]["reason"] == reason
    assert {row["question"] for row in rows} == {"nicer?"}
    shown = rows_of(tmp_path / "votes.appearances.csv")
    assert len(shown) == 7 and {row["choice"] for row in shown} == {"left", "tie", "skip"}
    files = read_vote_files(
        [str(out)], default_question="x", question=None, columns={}, choices={}, on_missing="error"
    )
    assert files.question == "nicer?" and files.table.num_rows == 6
    assert Counter(files.table["rater_id"].to_pylist()) == {"ann": 6}


def test_an_answer_that_arrives_twice_is_one(session: VotingSession, store: VoteStore) -> None:
    (pair, *_) = session.hand_out("ann", "tab1")
    given = Given(pair["token"], "key-000001", "left")
    assert session.answer("ann", given) == session.answer("ann", given)
    assert session.progress("ann") == {"votes": 1}
    second = Given(pair["token"], "key-000002", "right")
    assert session.answer("ann", second)["counts"] is False  # kept, and marked
    assert store.rows("SELECT choice, counts FROM answer ORDER BY id") == [
        ("left", 1),
        ("right", 0),
    ]
    with pytest.raises(DataError):
        session.answer("bob", Given(pair["token"], "key-000003", "left"))
    with pytest.raises(DataError):
        session.answer("ann", Given(pair["token"], "key-000004", "centre"))


def test_undo_goes_back_several_steps(session: VotingSession, store: VoteStore) -> None:
    vote(session, "ann", 3)
    vote(session, "bob", 1)
    order = [row[0] for row in store.rows("SELECT token FROM appearance WHERE rater = 'ann'")][:3]
    one = session.undo("ann", "tab1", "undo-00001")
    again = session.undo("ann", "tab1", "undo-00001")  # the same request, sent twice
    assert one == again and one["appearance"]["token"] == order[2] and one["votes"] == 2
    two = session.undo("ann", "tab2", "undo-00002")  # in another tab
    assert two["appearance"]["token"] == order[1] and two["votes"] == 1
    assert session.hand_out("ann", "tab2", 1)[0]["token"] == order[1]
    session.answer("ann", Given(order[1], "key-again-1", "right"))
    assert session.progress("ann") == {"votes": 2}
    choices = store.rows("SELECT choice, counts FROM answer WHERE appearance = 2 ORDER BY id")
    assert choices == [("left", 0), ("undo", 0), ("right", 1)]
    assert session.progress("bob") == {"votes": 1}
    assert session.undo("nobody", "tab1", "undo-00003")["appearance"] is None


def test_what_a_tab_has_open_is_handed_out_again(session: VotingSession) -> None:
    first = session.hand_out("ann", "tab1")
    assert session.hand_out("ann", "tab1") == first
    other = session.hand_out("ann", "tab2")
    pairs = [frozenset((p["left"], p["right"])) for p in [*first, *other]]
    assert len(set(pairs)) == 8


def test_two_requests_at_once_open_no_pair_twice(session: VotingSession, store: VoteStore) -> None:
    threads = [threading.Thread(target=session.hand_out, args=("ann", "tab1", 4)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.rows("SELECT count(*) FROM appearance") == [(4,)]


def test_pairs_come_again_with_their_sides_exchanged(
    photos: Path, store: VoteStore, tmp_path: Path
) -> None:
    many = [f"{k:04d}" for k in range(40)]
    session = session_over(photos, store, tmp_path, lambda ids: RandomPairs(many, {}, 1))
    store.add_images(many)
    with store.writing() as db:
        db.execute("UPDATE image SET id = name WHERE length(name) = 4")
    for _ in range(120):
        vote(session, "ann", 1)
    rows = store.rows("SELECT id, left_image, right_image, again FROM appearance ORDER BY id")
    again = [row for row in rows if row[3] is not None]
    assert len(again) >= REPEATED * len(rows)
    by_id = {row[0]: row for row in rows}
    for row in again:
        before = by_id[row[3]]
        assert (row[1], row[2]) == (before[2], before[1])
    fresh = [frozenset(row[1:3]) for row in rows if row[3] is None]
    assert len(set(fresh)) == len(fresh)
    statistics = session.own_statistics("ann")
    assert statistics["repeated"] == len(again) and statistics["consistent"] == 0.0
    assert statistics["left_share"] == 1.0 and statistics["median_seconds"] == 0.9


def test_everything_seen_is_the_end(session: VotingSession) -> None:
    vote(session, "ann", 15)
    left = session.hand_out("ann", "tab1")
    assert len(left) <= 1  # of 15 pairs one may still be repeated
    assert len(session.hand_out("bob", "tab1")) == 4


def test_a_list_is_shown_as_it_is(photos: Path, store: VoteStore, tmp_path: Path) -> None:
    wanted: list[tuple[str, str]] = []

    def listed(ids: list[str]) -> ListedPairs:
        wanted.extend([(ids[0], ids[1]), (ids[2], ids[3]), (ids[1], ids[2])])
        return ListedPairs(wanted, 0)

    session = session_over(photos, store, tmp_path, listed)
    session.hand_out("ann", "closed-tab")  # never answered: handed out again elsewhere
    vote(session, "ann", 3)
    found = store.rows("SELECT left_image, right_image FROM appearance JOIN answer ON appearance = "
                       "appearance.id WHERE counts")  # fmt: skip
    assert {frozenset(p) for p in found} == {frozenset(p) for p in wanted}
    assert session.hand_out("ann", "tab1") == []


def test_images_left_out_and_bursts_are_no_pair(
    photos: Path, store: VoteStore, tmp_path: Path
) -> None:
    def chooser(ids: list[str]) -> RandomPairs:
        return RandomPairs(ids, dict.fromkeys(ids[:4], 7), 0)

    session = session_over(photos, store, tmp_path, chooser)
    ids = [str(row[0]) for row in store.rows("SELECT id FROM image ORDER BY rowid")]
    burst = set(ids[:4])
    open_ = session.hand_out("ann", "tab1")
    gone = open_[0]["left"]
    store.exclude(gone, "ann", "blurred")
    vote(session, "ann", 3)
    rows = store.rows("SELECT left_image, right_image FROM appearance a JOIN answer ON "
                      "appearance = a.id WHERE counts")  # fmt: skip
    assert rows and all(gone not in row and not set(row) <= burst for row in rows)
    why = store.rows("SELECT excluded_by, excluded_why FROM image WHERE id = ?", (gone,))
    assert why == [("ann", "blurred")]


def test_bursts_are_found_by_the_cameras_clock(tmp_path: Path) -> None:
    start = datetime(2026, 5, 1, 12)
    for name, seconds in (("a", 0), ("b", 1), ("c", 2), ("d", 60), ("e", 61)):
        exif = Image.Exif()
        detail = exif.get_ifd(0x8769)
        detail[0x9003] = (start + timedelta(seconds=seconds)).strftime("%Y:%m:%d %H:%M:%S")
        Image.new("RGB", (9, 9)).save(tmp_path / f"{name}.jpg", exif=exif)
    Image.new("RGB", (9, 9)).save(tmp_path / "none.jpg")
    found = bursts_of(find_photographs([tmp_path]))
    groups = [sorted(n for n, g in found.items() if g == k) for k in set(found.values())]
    assert sorted(groups) == [["a.jpg", "b.jpg", "c.jpg"], ["d.jpg", "e.jpg"]]


def test_active_pairs_are_partly_random(photos: Path, store: VoteStore, tmp_path: Path) -> None:
    session = session_over(photos, store, tmp_path, lambda ids: ActivePairs(ids, {}, 0))
    vote(session, "ann", 12)
    how = Counter(row[0] for row in store.rows("SELECT chosen_by FROM appearance"))
    assert how["active"] and how["random"]
    known = store.rows("SELECT probability FROM appearance WHERE chosen_by = 'random'")
    assert known[0] == (1 / 15,)


def test_single_images_are_rated_and_rated_again(
    photos: Path, store: VoteStore, tmp_path: Path
) -> None:
    make = partial(SingleImageChooser, bursts={}, seed=0)
    session = session_over(photos, store, tmp_path, make, VotingTask("nice?", 7))
    vote(session, "ann", 9, choice="6")
    with pytest.raises(DataError):
        vote(session, "ann", 1, choice="8")
    out = tmp_path / "ratings.csv"
    assert export(store, out) == 9
    rows = rows_of(out)
    times = Counter(row["image"] for row in rows)
    assert (
        len(times) == 6 and set(times.values()) == {1, 2} and {r["rating"] for r in rows} == {"6"}
    )


def test_undo_leaves_what_a_screen_could_not_show(session: VotingSession, store: VoteStore) -> None:
    vote(session, "ann", 1, choice="left")
    vote(session, "ann", 1, choice="failed")
    (voted,) = store.rows("SELECT token FROM appearance a JOIN answer ON appearance = a.id "
                          "WHERE choice = 'left'")  # fmt: skip
    assert session.undo("ann", "tab1", "undo-0001")["appearance"]["token"] == voted[0]
    assert session.undo("ann", "tab1", "undo-0002")["appearance"] is None


def test_a_question_is_shown_as_a_sentence_and_guesses_are_another_question() -> None:
    assert VotingTask("beautiful").shown.endswith("more beautiful?")
    assert VotingTask("Which one?").shown == VotingTask("Which one?").stored == "Which one?"
    assert "7" not in VotingTask("nice", 7).shown and "more" not in VotingTask("nice", 7).shown
    guessed = VotingTask("nice", guess_for="ann")
    assert "ann" in guessed.shown and guessed.stored not in ("nice", VotingTask("nice").stored)


def test_a_link_to_a_store_is_the_same_store(store: VoteStore, tmp_path: Path) -> None:
    (tmp_path / "link.sqlite").symlink_to(store.path)
    with pytest.raises(ConfigError, match="another server"):
        VoteStore(tmp_path / "link.sqlite", ABOUT)


def test_names_of_raters(session: VotingSession) -> None:
    assert session.rater("  Ann  B ") == "Ann B"
    for bad in ("", " ", "x" * 65, "a\x00b"):
        with pytest.raises(DataError):
            session.rater(bad)
    session.task = VotingTask("q", None, ["ann"])
    with pytest.raises(DataError):
        session.rater("bob")


def test_a_store_has_one_server_and_one_question(store: VoteStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another server"):
        VoteStore(store.path, ABOUT)
    store.close()
    with pytest.raises(ConfigError, match="question"):
        VoteStore(store.path, {"question": "older?", "kind": "pairs"})
    (tmp_path / "text.sqlite").write_text("left,right,choice\n" * 100)
    with pytest.raises(DataError):
        VoteStore(tmp_path / "text.sqlite", ABOUT)
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(DataError):
        VoteStore(tmp_path / "other.sqlite", ABOUT)
    again = VoteStore(store.path, ABOUT)
    again.close()


def test_network_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "file_system", lambda folder: "nfs")
    with pytest.raises(ConfigError, match="network"):
        VoteStore(tmp_path / "v.sqlite", ABOUT)


def test_a_full_disk_stores_nothing_and_says_so(session: VotingSession, store: VoteStore) -> None:
    vote(session, "ann", 2)
    (pair, *_) = session.hand_out("ann", "tab1")
    pages = store.rows("PRAGMA page_count")[0][0]
    store.rows(f"PRAGMA max_page_count = {pages}")
    given = Given(pair["token"], "key-of-full", "left", "x" * 2000)
    with pytest.raises(sqlite3.OperationalError):
        for at in range(100):  # what is free in the file's pages is filled first
            session.answer("ann", Given(pair["token"], f"key-{at:06d}", "left", "x" * 2000))
    store.rows("PRAGMA max_page_count = 1000000")
    before = len(store.rows("SELECT 1 FROM answer WHERE counts"))
    assert session.answer("ann", given)["votes"] >= before - 0
    assert store.rows("PRAGMA integrity_check") == [("ok",)]


def test_a_picture_that_cannot_be_kept_is_shown(
    session: VotingSession, store: VoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(photos_module, "appear", full)
    data = session.renditions.file(str(store.rows("SELECT id FROM image")[0][0]))
    assert isinstance(data, bytes) and Image.open(BytesIO(data)).size == (320, 240)


def test_renditions_are_of_screen_size(
    session: VotingSession, store: VoteStore, photos: Path
) -> None:
    Image.fromarray(np.zeros((1000, 3000, 3), np.uint8)).save(photos / "e.jpg")
    image = str(store.rows("SELECT id FROM image WHERE name = 'e.jpg'")[0][0])
    file = session.renditions.file(image)
    assert isinstance(file, Path)
    with Image.open(file) as made:
        assert made.size == (1600, 533) and session.renditions.file(image) == file
    with pytest.raises(KeyError):
        session.renditions.file("../../e.jpg")
    stop = threading.Event()
    (photos / "a b.jpg").write_bytes(b"broken")
    images = [str(row[0]) for row in store.rows("SELECT id FROM image")]
    thread = threading.Thread(target=session.renditions.make_ahead, args=(images, stop))
    thread.start()
    thread.join()
    assert len(list(file.parent.glob("*.jpg"))) == 5
