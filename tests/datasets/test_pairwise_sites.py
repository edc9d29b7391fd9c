"""Exports of image-ranker and of All Our Ideas, in the columns that these programs write."""

from __future__ import annotations

from pathlib import Path

import pytest

from interestingness.datasets.vote_tables import VoteFiles, read_vote_files
from interestingness.errors import DataError

IDEAS = (
    "Vote ID,Session ID,Wikisurvey ID,Winner ID,Winner Text,Loser ID,Loser Text,Prompt ID,"
    "Appearance ID,Left Choice ID,Right Choice ID,Created at,Updated at,Response Time (s),"
    "Missing Response Time Explanation,Session Identifier,Valid"
)


def read(path: Path, text: str) -> VoteFiles:
    path.write_text(text, encoding="utf-8")
    return read_vote_files([path], default_question="interesting")


def wins(found: VoteFiles) -> list[tuple[str, str]]:
    """Winner and loser of each vote."""
    sides = {
        pair_id: {"left": left, "right": right}
        for pair_id, left, right in zip(
            found.pairs.pair_ids,
            *(
                [found.pairs.image_ids[i] for i in side]
                for side in (found.pairs.left, found.pairs.right)
            ),
            strict=True,
        )
    }
    other = {"left": "right", "right": "left"}
    return [
        (sides[pair][choice], sides[pair][other[choice]])
        for pair, choice in zip(
            found.table["pair_id"].to_pylist(), found.table["choice"].to_pylist(), strict=True
        )
    ]


def idea(vote: int, session: int, won: int, lost: int, left: int, valid: str = "TRUE") -> str:
    right = won + lost - left
    time = f"2020-10-29 13:38:{vote:02d} UTC"
    return (
        f"{vote},{session},970,{won},{won}.jpg,{lost},{lost}.jpg,50,{vote + 700},{left},{right},"
        f'{time},{time},2.846,"",x,{valid}'
    )


def test_image_rankers_removed_images_are_no_votes(tmp_path: Path) -> None:
    text = "Winner,Loser\nC:/My Pics/a b.jpg,C:/My Pics/b.jpg\nNone,C:/My Pics/c.jpg\n"
    found = read(tmp_path / "comparisons.csv", text + "C:/My Pics/c.jpg,C:/My Pics/a b.jpg\n")
    assert [(Path(a).name, Path(b).name) for a, b in wins(found)] == [
        ("a b.jpg", "b.jpg"),
        ("c.jpg", "a b.jpg"),
    ]
    assert any("image-ranker" in note and "line 3" in note for note in found.notes)


def test_another_table_with_a_missing_winner_stays_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read(tmp_path / "v.csv", "rater,winner,loser\nann,a.jpg,b.jpg\nann,None,c.jpg\n")


def test_all_our_ideas_tell_sides_sessions_and_what_is_valid(tmp_path: Path) -> None:
    rows = [idea(1, 5, 3, 2, left=3), idea(2, 5, 4, 2, left=2, valid="FALSE")]
    rows.append(idea(3, 6, 4, 3, left=3))
    found = read(tmp_path / "votes.csv", "\n".join([IDEAS, *rows, ""]))
    assert wins(found) == [("3.jpg", "2.jpg"), ("4.jpg", "3.jpg")]
    assert found.table["rater_id"].to_pylist() == ["5", "6"]
    # 2.jpg < 3.jpg < 4.jpg: of the first pair the slot `right` was on the left of the screen
    assert found.table["first"].to_pylist() == ["right", "left"]
    assert [time.second for time in found.table["time"].to_pylist()] == [1, 3]
    assert any("not valid" in note for note in found.notes)


def test_photocracy_names_photographs_in_columns_of_their_own(tmp_path: Path) -> None:
    head = IDEAS + ",Winner Photo Name,Loser Photo Name"
    row = idea(1, 5, 3, 2, left=3).replace("3.jpg", "").replace("2.jpg", "")
    found = read(tmp_path / "votes.csv", f"{head}\n{row},owl.jpg,cat.jpg\n")
    assert wins(found) == [("owl.jpg", "cat.jpg")]


def test_exports_without_votes_are_named(tmp_path: Path) -> None:
    skips = "Record Type,Left Choice ID,Left Choice Text,Right Choice ID,Right Choice Text\n"
    with pytest.raises(DataError, match="skips"):
        read(tmp_path / "n.csv", f"{skips}Skip,1,a.jpg,2,b.jpg\n")
    with pytest.raises(DataError, match="valid"):
        read(tmp_path / "v.csv", f"{IDEAS}\n{idea(1, 5, 3, 2, left=3, valid='FALSE')}\n")
