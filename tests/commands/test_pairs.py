"""``interestingness pairs choose``."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image

from interestingness.commands import pairs
from interestingness.commands.options import parse
from interestingness.datasets.folder import prepare_folder
from interestingness.errors import ConfigError, DataError, LabelError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(12):
        Image.new("RGB", (4, 4), (20 * i, 0, 0)).save(folder / f"p{i:02d}.png")
    return folder


def written(path: Path, text: str) -> str:
    path.write_text("left,right,choice,rater\n" + text, encoding="utf-8")
    return str(path)


@pytest.fixture
def votes(tmp_path: Path) -> str:
    rows = ["p00.png,p01.png,left,a", "p00.png,p01.png,right,b", "p02.png,p03.png,left,a"]
    return written(tmp_path / "votes.csv", "\n".join([*rows, "p03.png,p04.png,,a"]) + "\n")


def choose(words: list[str]) -> Path:
    options = parse("pairs choose", words)
    pairs.choose(options)
    return Path(options.out)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_new_pairs_join_the_images_and_can_be_read_back(
    votes: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "next.csv"
    choose([votes, "--images", str(photos), "-n", "16", "--out", str(out), "--random-share", "0.3"])
    rows = table(out)
    assert len({frozenset((r["left"], r["right"])) for r in rows}) == 16
    assert [r["chosen"] for r in rows].count("random") == 5
    asked = {frozenset(("p00.png", "p01.png")), frozenset(("p02.png", "p03.png"))}
    assert not asked & {frozenset((r["left"], r["right"])) for r in rows}
    # either image may come first, so that nobody is shown the pairs in the order of names
    assert {r["left"] < r["right"] for r in rows} == {True, False}
    said = capsys.readouterr().out
    assert "16 pairs of 12 images, 5 at random and 11 informative" in said
    assert "asked so far: 2 pairs of 4 images" in said
    assert said.rstrip().endswith("10 so far, 1 with the new pairs")
    tables = prepare_folder(
        tmp_path / "cache", images=photos, pairs=out, question="interesting", pairs_per_image=1,
        votes_per_rater=None, on_missing="error", seed=0,
    )  # fmt: skip
    assert len(tables.pairs) == 16


def test_without_images_those_voted_on_are_paired(votes: str, tmp_path: Path) -> None:
    out = choose([votes, "-n", "4", "--out", str(tmp_path / "n.csv")])
    named = {name for r in table(out) for name in (r["left"], r["right"])}
    assert named <= {f"p{i:02d}.png" for i in range(5)}


def test_the_first_pairs_need_no_votes(photos: Path, tmp_path: Path) -> None:
    out = choose(["--images", str(photos), "-n", "30", "--out", str(tmp_path / "n.csv")])
    again = choose(["--images", str(photos), "-n", "30", "--out", str(tmp_path / "m.csv")])
    other = choose(
        ["--images", str(photos), "-n", "30", "--out", str(tmp_path / "o.csv"), "--seed", "1"]
    )
    assert table(out) == table(again) != table(other)


@pytest.fixture
def groups(tmp_path: Path) -> str:
    """Six images of ``x``, four of ``y``, two without a group."""
    path = tmp_path / "groups.csv"
    kinds = ["x"] * 6 + ["y"] * 4
    rows = [f"p{i:02d}.png,{kind}" for i, kind in enumerate(kinds)]
    path.write_text("\n".join(["image,kind", *rows]) + "\n", encoding="utf-8")
    return str(path)


def _kind(name: str) -> str:
    return "x" if name < "p06" else "y" if name < "p10" else "none"


def test_pairs_stay_inside_groups(
    votes: str, photos: Path, groups: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "n.csv")
    within = ["--images", str(photos), "--groups", groups, "--within", "kind", "--out", out]
    rows = table(choose([votes, *within, "-n", "10"]))
    kinds = [(_kind(r["left"]), _kind(r["right"])) for r in rows]
    assert kinds.count(("x", "x")) == 6 and kinds.count(("y", "y")) == 4
    assert {r["chosen"] for r in rows} == {"random", "informative"}
    asked = {frozenset(("p00.png", "p01.png")), frozenset(("p02.png", "p03.png"))}
    assert not asked & {frozenset((r["left"], r["right"])) for r in rows}
    assert "inside 2 groups (6, 4); 2 images have none" in capsys.readouterr().out
    # 15 + 6 pairs, three of them asked: where a group is exhausted the other gets more
    assert len(table(choose([votes, *within, "-n", "19"]))) == 19
    with pytest.raises(LabelError, match="only 19 inside 2 groups"):
        choose([votes, *within, "-n", "20"])
    first = table(choose([*within, "-n", "5"]))
    assert len(first) == 5 and all(_kind(r["left"]) == _kind(r["right"]) for r in first)


def test_a_prepared_data_set_keeps_its_groups_apart(
    votes: str, photos: Path, groups: str, tmp_path: Path
) -> None:
    tables = prepare_folder(
        tmp_path / "cache", images=photos, votes=votes, groups=groups, pairs_within="kind",
        question="interesting", pairs_per_image=1, votes_per_rater=None, on_missing="error", seed=0,
    )  # fmt: skip
    out = ["--out", str(tmp_path / "n.csv"), "-n", "3"]
    rows = table(choose([str(tables.root), "--images", str(photos), *out]))
    assert len(rows) == 3
    assert all(_kind(r["left"]) == _kind(r["right"]) != "none" for r in rows)


@pytest.mark.parametrize("words", [["--within", "kind"], ["--groups", "groups.csv"]])
def test_groups_need_a_table_and_a_column(photos: Path, words: list[str]) -> None:
    with pytest.raises(ConfigError, match="without the other"):
        choose(["--images", str(photos), *words])


def test_repeat_allows_asked_pairs(tmp_path: Path) -> None:
    votes = written(tmp_path / "v.csv", "a,b,left,x\n")
    with pytest.raises(LabelError, match="1 pairs wanted, but only 0"):
        choose([votes, "-n", "1", "--out", str(tmp_path / "n.csv")])
    out = choose([votes, "-n", "1", "--out", str(tmp_path / "n.csv"), "--repeat"])
    assert {table(out)[0]["left"], table(out)[0]["right"]} == {"a", "b"}


def test_errors_say_what_to_do_and_leave_no_file(votes: str, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither votes nor images"):
        choose([])
    strange = written(tmp_path / "s.csv", "p00.png,elsewhere.png,left,a\n")
    out = tmp_path / "n.csv"
    with pytest.raises(DataError, match=r"not in --images, the first 'elsewhere.png'"):
        choose([strange, "--images", str(photos), "--out", str(out)])
    with pytest.raises(LabelError, match="200 pairs wanted, but only 64"):
        choose([votes, "--images", str(photos), "--out", str(out)])
    with pytest.raises(DataError, match="cannot be written"):
        choose([votes, "-n", "2", "--out", str(photos / "p00.png" / "n.csv")])
    assert not out.exists()
