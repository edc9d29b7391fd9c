"""Choices in other words: what is usual is understood, what is not can be said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from interestingness.datasets.vote_tables import VoteFiles, read_vote_files
from interestingness.errors import ConfigError, DataError
from interestingness.tables.tables import Tables

ROWS = [("p.jpg", "q.jpg"), ("q.jpg", "r.jpg"), ("s.jpg", "p.jpg"), ("r.jpg", "s.jpg")]


def read(folder: Path, text: str, **options: Any) -> VoteFiles:
    path = folder / "v.csv"
    path.write_text(text, encoding="utf-8")
    return read_vote_files([path], default_question="interesting", **options)


def said(found: VoteFiles) -> list[str | None]:
    """Return which column of ``ROWS`` was chosen, whatever side it is on in canonical order."""
    out = []
    for row, (left, right) in zip(found.table.to_pylist(), ROWS, strict=False):
        choice = row["choice"]
        turned = left > right and choice in ("left", "right")
        out.append({"left": "right", "right": "left"}[choice] if turned else choice)
    return out


def table(cells: list[str], sides: tuple[str, str] = ("left", "right")) -> str:
    lines = [f"{one},{other},{cell}" for (one, other), cell in zip(ROWS, cells, strict=False)]
    return "\n".join([f"{sides[0]},{sides[1]},choice", *lines])


LR = ["left", "right", "tie", None]
BAD = ["left", "right", "both_bad", None]
WORDS: list[tuple[list[str], list[str | None]]] = [
    (["left", "RIGHT", "Tie", ""], LR),
    (["L", "r", "draw", "skip"], LR),
    (["A", "B", "tie (bothbad)", "NA"], BAD),
    (["1", "2", "equal", "null"], LR),
    (["1.0", "2.0", "same", "None"], LR),
    (["0", "1", "draw", "skipped"], LR),
    (["model_a", "model_b", "both_bad", "n/a"], BAD),
    (["Image A", "Image B", "No preference", "-"], LR),
    (["image 1", "image-2", "both", "pass"], LR),
    (["left image", "rightImage", "tie", ""], LR),
    (["A is better", "B is better", "tie", "no answer"], LR),
    (["ArrowLeft", "arrowright", "tie", ""], LR),
    (["assistant_a", "assistant_b", "tie", ""], LR),
    (["p.jpg", "r.jpg", "draw", "skip"], LR),  # names of images among other words
    (
        [
            '"{""choice"": {""left"": true, ""right"": false}}"',
            '"[{""best"": ""B""}]"',
            "tie",
            "[]",
        ],
        LR,
    ),
    (["['left']", "['right']", "['draw']", "[]"], LR),
    (['"[{""selected"": ""left""}]"', '"[""right""]"', "tie", ""], LR),
]


@pytest.mark.parametrize(("cells", "choices"), WORDS, ids=[w[0][0] for w in WORDS])
def test_usual_words(cells: list[str], choices: list[str | None], tmp_path: Path) -> None:
    assert said(read(tmp_path, table(cells))) == choices


SIDES = [
    ("image_a", "image_b"),
    ("img1", "img2"),
    ("Left Image", "Right Image"),
    ("stimulus_left", "stimulus_right"),
    ("image_0_uid", "image_1_uid"),
    ("Input.image_url_a", "Input.image_url_b"),
    ("imageLeft", "imageRight"),
    ("L", "R"),
    ("model_a", "model_b"),
]


@pytest.mark.parametrize("sides", SIDES)
def test_the_name_of_a_column_is_a_word(sides: tuple[str, str], tmp_path: Path) -> None:
    found = read(tmp_path, table([sides[0], sides[1].upper(), "tie", sides[0]], sides))
    assert said(found) == ["left", "right", "tie", "left"]
    assert any(sides[0] in note for note in found.notes)


def test_a_side_in_the_columns_settles_which_numbers_are_meant(tmp_path: Path) -> None:
    assert said(read(tmp_path, table(["1", "1"], ("image1", "image2")))) == ["left", "left"]
    assert said(read(tmp_path, table(["1", "1"], ("image_0", "image_1")))) == ["right", "right"]


UNKNOWN = [
    ["1", "1"],
    ["0", "1", "2"],
    ["f", "j"],
    ["yes", "no"],
    ["left", "maybe"],
    ["-1", "1"],
    ["-1", "1", "0"],
    ["-2", "2", "-1"],
    ["A+", "A-"],
    ["neither", "unsure"],
]


@pytest.mark.parametrize("cells", UNKNOWN)
def test_other_words_are_an_error_and_can_be_said(cells: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, table(cells))
    for cell in {*cells} - {"left"}:
        assert repr(cell) in error.value.found and f"choices.{cell}=" in error.value.todo
    words: Mapping[str, str | None] = dict(zip(cells, ("left", "right", "skip"), strict=False))
    words = {**words, cells[-1]: "right"} if len(cells) == 2 else words
    found = said(read(tmp_path, table(cells), choices={c.upper(): m for c, m in words.items()}))
    assert found == [{"skip": None}.get(words[c] or "", words[c]) for c in cells]


@pytest.mark.parametrize("marked", ["B?", "!B", "B*", "\N{MINUS SIGN}1"])
def test_a_mark_changes_what_a_word_says(marked: str, tmp_path: Path) -> None:
    text = table([marked, "A", "B"])
    with pytest.raises(DataError) as error:
        read(tmp_path, text)
    assert repr(marked) in error.value.found
    with pytest.raises(DataError):  # the option names B, and not this cell
        read(tmp_path, text, choices={"B": "right"} if "B" in marked else {"1": "right"})


@pytest.mark.parametrize("cell", ["\"['right', 'left']\"", '"[""left"", ""right"", ""left""]"'])
def test_several_keys_in_a_cell_are_no_choice(cell: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, table([cell, "left"]))
    assert "choices." not in error.value.todo
    assert said(read(tmp_path, table(["\"['left', 'left']\"", "right"]))) == ["left", "right"]


def test_a_scale_with_signs_can_be_said(tmp_path: Path) -> None:
    sides: Mapping[str, str | None] = {"-1": "left", "1": "right", "0": "tie"}
    assert said(read(tmp_path, table(["-1", "+1", "0"]), choices=sides)) == ["left", "right", "tie"]


def test_the_users_words_come_before_the_usual_ones(tmp_path: Path) -> None:
    found = read(tmp_path, table(["A", "B", "draw"]), choices={"A": "right", "B": "left"})
    assert said(found) == ["right", "left", "tie"]
    with pytest.raises(ConfigError):
        read(tmp_path, table(["A"]), choices={"A": "above"})


def test_what_was_guessed_is_said(tmp_path: Path) -> None:
    notes = read(tmp_path, table(["A", "B", "draw", "left"])).notes
    note = next(note for note in notes if "'A'" in note)
    for part in ("'A' as left", "'B' as right", "'draw' as tie", "choices.A="):
        assert part in note
    assert not any("choices." in note for note in read(tmp_path, table(["left", "tie"])).notes)
    assert not any("choices." in note for note in read(tmp_path, table(["p.jpg", ""])).notes)


@pytest.mark.parametrize(
    ("rows", "choices"),
    [
        # every choice is one of the row's images: they are names
        ([("2", "1", "1"), ("1", "3", "1"), ("3", "2", "2")], ["1", "1", "2"]),
        ([("a", "b", "a"), ("b", "c", "b")], ["a", "b"]),
        # some cannot be: they are places
        ([("2", "1", "1"), ("3", "4", "1"), ("3", "1", "2")], ["2", "3", "1"]),
        ([("b", "a", "A"), ("c", "d", "B")], ["b", "d"]),
    ],
)
def test_images_that_are_called_like_words(
    rows: list[tuple[str, str, str]], choices: list[str], tmp_path: Path
) -> None:
    found = read(tmp_path, "left,right,choice\n" + "\n".join(map(",".join, rows)))
    chosen = [
        (sorted(row[:2])[0] if vote["choice"] == "left" else sorted(row[:2])[1])
        for row, vote in zip(rows, found.table.to_pylist(), strict=True)
    ]
    assert chosen == choices


@pytest.mark.parametrize("words", [("left", "right"), ("L", "R"), ("A", "B"), ("1", "2")])
def test_which_was_first_in_other_words(words: tuple[str, str], tmp_path: Path) -> None:
    text = f"left,right,choice,first\na,b,first,{words[0]}\na,b,second,{words[1]}\n"
    votes = read(tmp_path, text).table.to_pylist()
    assert [(v["choice"], v["first"]) for v in votes] == [("left", "left"), ("left", "right")]


def test_training_reads_the_same_words(
    prepare: Callable[..., Tables], write: Callable[[str, str], Path]
) -> None:
    votes = write("v.csv", "image_a,image_b,winner\na.jpg,b.JPG,model_a\nc.png,a.jpg,x\n")
    tables = prepare(votes=votes, choices={"X": "left"})
    assert tables.vote_table["choice"].to_pylist() == ["left", "right"]
    notes = tables.manifest.facts["votes"]["notes"]
    assert any("'winner'" in n for n in notes) and any("'model_a' as left" in n for n in notes)
