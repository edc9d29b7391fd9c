"""Numbers as people write them: what is clear is read, what is not is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interestingness.errors import ConfigError, DataError, LabelError
from interestingness.labels.scores import ScoreSource
from interestingness.tables.number_cells import as_numbers
from interestingness.tables.tables import Manifest, Tables

IMAGES = ["a.jpg", "b.JPG", "c.png"]

# cells of a file whose cells are separated by semicolons or tabs, and what they are
SETTLED: list[tuple[list[str], list[float]]] = [
    (["4,5", "980"], [4.5, 980]),
    (["12.500", "1.250,5"], [12500, 1250.5]),
    (["12.500", "4,5"], [12500, 4.5]),
    (["12.500", "1.234.567"], [12500, 1234567]),
    (["4.125", "3.5"], [4.125, 3.5]),
    (["4.125", "0.875"], [4.125, 0.875]),  # no thousands begin with 0
    (["4.125", "12.5000"], [4.125, 12.5]),
    (["4.125", "1e3", "2.5e1"], [4.125, 1000, 25]),
    (["1,250", "3,5"], [1.25, 3.5]),
    (["1,250", "1,250,000"], [1250, 1250000]),
    (["-12.500", "-,5"], [-12500, -0.5]),
    (["4,5", "4.5"], [4.5, 4.5]),
    (["1'250", "980"], [1250, 980]),
]
UNCLEAR = [["12.500", "980"], ["1,250", "3,100"], ["12.500", "4,5", "4.5"], ["-1.250"]]


@pytest.mark.parametrize(("cells", "values"), SETTLED)
def test_one_clear_cell_settles_a_column(cells: list[str], values: list[float]) -> None:
    for order in (slice(None), slice(None, None, -1)):
        read = as_numbers(pa.array(cells[order]), decimal_comma=True)
        assert read.values.tolist() == values[order] and not read.strange.any()


@pytest.mark.parametrize("cells", UNCLEAR)
def test_what_no_cell_settles_is_unclear_until_the_user_says(cells: list[str]) -> None:
    read = as_numbers(pa.array(cells), decimal_comma=True)
    assert read.unclear[0] and np.isnan(read.values[0])
    by_dot = as_numbers(pa.array(cells), decimal_comma=True, decimal=".").values[0]
    by_comma = as_numbers(pa.array(cells), decimal_comma=True, decimal=",").values[0]
    assert {by_dot, by_comma} in ({12.5, 12500}, {1.25, 1250}, {-1.25, -1250})


@given(st.floats(-1e9, 1e9).map(lambda x: round(x, 2)).filter(lambda x: x % 1))
def test_both_ways_to_write_a_number_read_alike(value: float) -> None:
    english = f"{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert as_numbers(pa.array([english]), decimal_comma=True).values[0] == value
    assert as_numbers(pa.array([german]), decimal_comma=True).values[0] == value


def test_the_minus_sign_of_typography_is_a_minus() -> None:
    read = as_numbers(pa.array(["\N{MINUS SIGN}5", "1e3", None]))
    assert read.values[:2].tolist() == [-5.0, 1000.0] and not read.strange.any()


def test_the_comma_between_cells_leaves_the_dot_as_decimal_sign() -> None:
    read = as_numbers(pa.array(["12.500", "980", "1,234", "4,5"]))
    assert read.values[:2].tolist() == [12.5, 980]
    assert read.unclear.tolist() == [False, False, True, True]
    said = as_numbers(pa.array(["12.500", "1,234", "4,5"]), decimal=",")
    assert said.values.tolist() == [12500, 1.234, 4.5]


# the table, the cell that the error names, and its line
NO_NUMBERS = [
    ("image;views\na.jpg;980\nb.JPG;12.500\n", "12.500", 3),
    ("image;views\na.jpg;-1.250\nb.JPG;3\n", "-1.250", 2),
    ("image\tviews\na.jpg\t12.500\nb.JPG\t980\n", "12.500", 2),
    ('image,views\na.jpg,980\nb.JPG,"1,234"\n', "1,234", 3),
    ('image,stars\na.jpg,"4,5"\nb.JPG,"3,25"\n', "4,5", 2),
    ("image,stars\na.jpg,85%\nb.JPG,90%\n", "85%", 2),
    ("image,stars\na.jpg,4/5\nb.JPG,3/5\n", "4/5", 2),
    ("image,stars\na.jpg,4 / 5\nb.JPG,\n", "4 / 5", 2),
    ("image,stars\na.jpg,★4\nb.JPG,★5\n", "★4", 2),
]


@pytest.mark.parametrize(("text", "cell", "line"), NO_NUMBERS)
@pytest.mark.parametrize("reader", ["dataset.scores", "label_source.table", "dataset.ratings"])
def test_the_first_cell_that_is_no_number_is_named(
    reader: str, text: str, cell: str, line: int, tmp_path: Path, prepare: Callable[..., Tables]
) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        if reader == "dataset.scores":
            prepare(scores=path)
        elif reader == "label_source.table":
            _source(tmp_path, path, column=text.split("\n")[0][6:]).image_scores()
        else:
            mark = next(mark for mark in ";,\t" if mark in text.split("\n")[0])
            head, *rows = text.splitlines()
            rated = [f"rater{mark}{head.replace('views', 'rating').replace('stars', 'rating')}"]
            path.write_text("\n".join(rated + [f"x{mark}{row}" for row in rows]))
            prepare(ratings=path)
    assert repr(cell) in error.value.found and f"line {line}" in error.value.found
    unclear = not set(cell) & set("%/★")
    assert ("decimal" in error.value.todo) == unclear


def _source(folder: Path, path: Path, **options: Any) -> ScoreSource:
    images = pa.table({"image_id": IMAGES})
    tables = Tables.write(folder / "data", Manifest("toy", "synthetic"), {"images": images})
    return ScoreSource(tables, name="s", table=str(path), **options)


def test_the_user_says_the_decimal_sign(tmp_path: Path, prepare: Callable[..., Tables]) -> None:
    path = tmp_path / "s.csv"
    path.write_text("image;views\na.jpg;980\nb.JPG;12.500\n")
    for decimal, views in ((",", 12500), (".", 12.5)):
        tables = prepare(scores=path, decimal=decimal)
        found = dict(zip(tables.image_ids.tolist(), tables.scores("views").tolist(), strict=True))
        assert (found["a.jpg"], found["b.JPG"]) == (980, views)
    said = _source(tmp_path, path, column="views", decimal=",")
    assert said.image_scores()[:2].tolist() == [980, 12500]
    for wrong in ("'", "comma", ""):
        with pytest.raises(ConfigError):
            prepare(scores=path, decimal=wrong)


def test_grades_where_one_is_the_best(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("image,grade\na.jpg,1\nb.JPG,4\n")
    up = _source(tmp_path, path, column="grade")
    down = _source(tmp_path, path, column="grade", higher_is_better=False)
    assert down.image_scores()[:2].tolist() == [-1, -4]
    assert np.argsort(up.image_scores()[:2]).tolist() == [0, 1]
    assert np.argsort(down.image_scores()[:2]).tolist() == [1, 0]
    assert up.fingerprint() != down.fingerprint()


def test_a_score_that_is_no_number_is_explained(
    tmp_path: Path, prepare: Callable[..., Tables]
) -> None:
    """Another column has numbers, so the table is read; the label source says why not this one."""
    path = tmp_path / "s.csv"
    path.write_text("image,stars,share,day\na.jpg,3,85%,2024-01-01\nb.JPG,4,90%,2024-01-02\n")
    tables = prepare(scores=path)
    without = tables.manifest.facts["scores"]["columns_without_numbers"]
    assert list(without) == ["share"]
    with pytest.raises(LabelError, match=r"'85%' \(line 2\)"):
        ScoreSource(tables, name="s", column="share").image_scores()
