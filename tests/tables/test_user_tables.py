"""One reader of users' tables: every way to write one, through every option that takes one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interestingness.datasets.download.table import read_items
from interestingness.datasets.folder import prepare_folder
from interestingness.datasets.mediaeval import prepare_mediaeval
from interestingness.datasets.vote_tables import read_vote_files
from interestingness.errors import DataError
from interestingness.labels.engagement import EngagementSource
from interestingness.labels.scores import ScoreSource
from interestingness.scoring.commonly_interesting import read_favourites
from interestingness.scoring.cupl import read_prompts
from interestingness.tables import csv_text
from interestingness.tables.list_cells import read_list_table
from interestingness.tables.number_cells import as_numbers, numbers
from interestingness.tables.table_streams import open_table_stream
from interestingness.tables.tables import Manifest, Tables
from interestingness.tables.user_tables import read_user_table

IMAGES = ["007.jpg", "b, b.jpg", "Zürich.jpg"]
FOLDER: dict[str, Any] = {
    "question": "interesting",
    "pairs_per_image": 2,
    "votes_per_rater": None,
    "on_missing": "error",
    "seed": 0,
}
Rows = Sequence[Sequence[str]]


def _text(rows: Rows, separator: str, *, quoting: Any = csv.QUOTE_MINIMAL, end: str = "\n") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end).writerows(rows)
    return text.getvalue()


def _comma(rows: Rows) -> Rows:
    """Numbers as a spreadsheet of a country with a decimal comma writes them."""
    return [[c.replace(".", ",") if c.replace(".", "").isdigit() else c for c in r] for r in rows]


def _records(rows: Rows) -> list[dict[str, Any]]:
    """Objects whose numbers are numbers, but for names such as 007."""
    cells = [
        [json.loads(c) if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", c) else c for c in r]
        for r in rows[1:]
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in cells]


WRITTEN: dict[str, Callable[[Rows], bytes]] = {
    "comma": lambda rows: _text(rows, ",").encode(),
    "semicolon": lambda rows: _text(rows, ";").encode(),
    "tab": lambda rows: _text(rows, "\t").encode(),
    "decimal comma": lambda rows: _text(_comma(rows), ";").encode(),
    "all quoted": lambda rows: _text(rows, ";", quoting=csv.QUOTE_ALL, end="\r\n").encode(),
    "gzip": lambda rows: gzip.compress(_text(rows, ",").encode()),
    "byte-order mark": lambda rows: _text(rows, ";").encode("utf-8-sig"),
    "UTF-16": lambda rows: _text(rows, "\t").encode("utf-16"),
    "UTF-16, gzip": lambda rows: gzip.compress(_text(rows, ";").encode("utf-16")),
    "UTF-16 without a mark": lambda rows: _text(rows, ";").encode("utf-16-le"),
    "UTF-16, big end first": lambda rows: gzip.compress(_text(rows, ",").encode("utf-16-be")),
    "JSON lines": lambda rows: "\n".join(map(json.dumps, _records(rows))).encode(),
    "JSON list": lambda rows: json.dumps(_records(rows), indent=1).encode("utf-8-sig"),
    "note on the separator": lambda rows: b"sep=;\r\n" + _text(rows, ";", end="\r\n").encode(),
    "blank lines and spaces": lambda rows: (
        b"\n\n" + _text([[f" {cell} " for cell in row] for row in rows], ",").encode()
    ),
    "trailing separators": lambda rows: (
        _text([[*row, ""] for row in rows[1:]], ";").join([_text(rows[:1], ";"), ""]).encode()
    ),
}


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    images = pa.table({"image_id": IMAGES})
    return Tables.write(tmp_path / "data", Manifest("toy", "synthetic"), {"images": images})


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in IMAGES:
        path = tmp_path / "photos" / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    return path.parent


def _folder(photos: Path, **given: Path) -> Tables:
    return prepare_folder(photos.parent / "cache", images=photos, **FOLDER, **given)


def _dataset_scores(path: Path, photos: Path, _: Tables) -> object:
    tables = _folder(photos, scores=path)
    return dict(zip(tables.image_ids.tolist(), tables.scores("score").tolist(), strict=True))


def _label_source(path: Path, _: Path, tables: Tables) -> object:
    source = ScoreSource(tables, name="s", column="score", table=str(path))
    return dict(zip(IMAGES, source.image_scores().tolist(), strict=True))


def _groups(path: Path, photos: Path, _: Tables) -> object:
    images = _folder(photos, groups=path).images
    return dict(zip(images["image_id"].to_pylist(), images["score"].to_pylist(), strict=True))


def _stream(path: Path, _: Path, __: Tables) -> object:
    stream = open_table_stream(path, ["image", "score"])
    found: dict[str, float] = {}
    for chunk in stream.chunks(["image", "score"]):
        values = stream.numbers(chunk["score"])[0].tolist()
        found.update(zip(chunk["image"].to_pylist(), values, strict=True))
    return found


SCORES = [["image", "score"], *zip(IMAGES, ("1.5", "2", "-0.25"), strict=True)]


READERS = (_dataset_scores, _label_source, _groups, _stream)


@pytest.mark.parametrize(
    ("written", "read"),
    # a stream is CSV, and counts rows with more cells than the line of names as broken
    [
        (w, r)
        for w in WRITTEN
        for r in READERS
        if r is not _stream or w not in ("trailing separators", "JSON lines", "JSON list")
    ],
)
def test_scores_are_read_alike(
    written: str, read: Callable[..., object], tmp_path: Path, photos: Path, tables: Tables
) -> None:
    path = tmp_path / "table"  # its ending says nothing
    path.write_bytes(WRITTEN[written]([list(row) for row in SCORES]))
    expected = [1.5, 2.0, -0.25]
    if written == "decimal comma":
        assert b"1,5" in path.read_bytes()
    assert read(path, photos, tables) == dict(zip(IMAGES, expected, strict=True))


def _votes(path: Path, photos: Path, _: Tables) -> object:
    table = _folder(photos, votes=path).table("votes")
    return sorted(zip(table["rater_id"].to_pylist(), table["choice"].to_pylist(), strict=True))


def _audit(path: Path, _: Path, __: Tables) -> object:
    table = read_vote_files([path], default_question="interesting").table
    return sorted(zip(table["rater_id"].to_pylist(), table["choice"].to_pylist(), strict=True))


def _ratings(path: Path, photos: Path, _: Tables) -> object:
    return _folder(photos, ratings=path).table("ratings")["rating"].to_pylist()


def _favourites(path: Path, _: Path, tables: Tables) -> object:
    return [found.tolist() for found in read_favourites(str(path), "favourite", tables)]


def _prompts(path: Path, _: Path, tables: Tables) -> object:
    return read_prompts(str(path), "safe", tables)


def _urls(path: Path, _: Path, __: Tables) -> object:
    return {item.image_id: item.url for item in read_items(path, "url")}


def _lists(path: Path, _: Path, __: Tables) -> object:
    return read_list_table(path, ["said"]).texts_in(0, "said")


def _engagement(path: Path, _: Path, tables: Tables) -> object:
    source = EngagementSource(
        tables, name="e", counts="likes", exposure="views", age=None, owner=None,
        on_excess="error", table=str(path),
    )  # fmt: skip
    return np.argsort(source.image_scores()).tolist()


VOTES = [
    ["left", "right", "choice", "rater"],
    [*IMAGES[:2], "left", "ä"],
    [*IMAGES[1:], "tie", "b"],
]
OTHERS: list[tuple[Callable[..., object], Rows, object]] = [
    (
        _votes,
        [
            ["left", "right", "choice", "rater"],
            [*IMAGES[:2], "left", "ä"],
            [*IMAGES[1:], "tie", "b"],
        ],
        [("b", "tie"), ("ä", "left")],
    ),
    (
        _audit,
        [
            ["left", "right", "choice", "rater"],
            [*IMAGES[:2], "left", "ä"],
            [*IMAGES[1:], "tie", "b"],
        ],
        [("b", "tie"), ("ä", "left")],
    ),
    (
        _ratings,
        [["image", "rater", "rating"], [IMAGES[0], "u", "1.5"], [IMAGES[1], "u", "2"]],
        [1.5, 2],
    ),
    (
        _favourites,
        [["image_id", "user_id"], [IMAGES[2], "07"], [IMAGES[0], "7"], ["elsewhere", "7"]],
        [[2, 0], [0, 1]],
    ),
    (
        _prompts,
        [["question", "text"], ["safe", "a lit, wide street"], ["x", "y"]],
        ["a lit, wide street"],
    ),
    (_urls, [["id", "url"], ["ü", "https://host/a,b.jpg"]], {"ü": "https://host/a,b.jpg"}),
    (_lists, [["id", "said"], ["1", "['yes', 'no; never']"]], ["yes", "no; never"]),
    (
        _engagement,
        [
            ["image", "likes", "views"],
            *([n, c, "1000"] for n, c in zip(IMAGES, "427", strict=True)),
        ],
        [1, 0, 2],
    ),
]


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize(("read", "rows", "expected"), OTHERS, ids=[o[0].__name__ for o in OTHERS])
def test_other_tables_are_read_alike(
    written: str,
    read: Callable[..., object],
    rows: Rows,
    expected: object,
    tmp_path: Path,
    photos: Path,
    tables: Tables,
) -> None:
    path = tmp_path / "table"
    path.write_bytes(WRITTEN[written](rows))
    assert read(path, photos, tables) == expected


@pytest.mark.parametrize("written", ["semicolon", "gzip", "UTF-16", "byte-order mark"])
def test_tables_without_a_line_of_names(written: str, tmp_path: Path) -> None:
    """MediaEval's annotations: further columns are left out."""
    rows = [["video_0", f"{at}.jpg", str(at % 2), f"0.{at}", str(at)] for at in range(4)]
    folder = tmp_path / "devset"
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / "devset-image.txt").write_bytes(WRITTEN[written](rows))
    images = folder / "videos" / "video_0" / "images"
    images.mkdir(parents=True)
    for row in rows:
        Image.new("RGB", (4, 4)).save(images / row[1])
    tables = prepare_mediaeval(tmp_path / "cache", folder=tmp_path, pairs_per_image=1, seed=0)
    assert tables.scores("interestingness").tolist() == [0, 0.1, 0.2, 0.3]
    assert tables.scores("interesting").tolist() == [0, 1, 0, 1]


def test_parquet_is_read_as_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [7, 8], "score": [1.5, float("nan")]}), tmp_path / "t")
    table = read_user_table(tmp_path / "t")
    assert table.cells("image") == ["7", "8"]
    np.testing.assert_array_equal(numbers(table, "score").values, [1.5, np.nan])
    assert table.lines([1]) == "line 3"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (
            '{"a": 1.50, "b": true}\n\n{"a": 12345678901234567890, "c": null}',
            {"a": ["1.50", "12345678901234567890"], "b": ["true", None]},
        ),
        ('{"a": {"0": "x", "1": "y"}, "b": {"0": 1, "1": 2}}', {"a": ["x", "y"], "b": ["1", "2"]}),
        ('{"rows": [{"a": 1}, {"a": 2}]}', {"a": ["1", "2"]}),
        ('[{"a": {"b": 1, "c": {"d": "x"}}}]', {"a.b": ["1"], "a.c.d": ["x"]}),
        ('[{"a": ["x"]}, {"a": [{"b": 2}]}]', {"a": ["x", None], "a.b": [None, "2"]}),
        ('[{"a": "x", "b": [1, 2]}, {"a": "y", "b": []}]', {"a": ["x", "y"]}),
        ('{"a": NaN}', {"a": ["nan"]}),
    ],
)
def test_json_records(text: str, columns: dict[str, list[str | None]], tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(text)
    table = read_user_table(path)
    assert {name: table.cells(name) for name in table.columns} == columns
    assert list(table.left_out) == (["b"] if "[1, 2]" in text else [])


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"a": 1}\n{"a": \n', "line 2"),
        ('{"a": 1}\n[1]\n', "line 2"),
        ("[{", "not JSON"),
        ("[1, 2]", "no list of objects"),
        ("{}", "no column"),
        ("[" * 100_000, "nested"),
    ],
)
def test_what_is_no_json_record(text: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        read_user_table(path)
    assert where in error.value.found and str(path) in error.value.found


# ------------------------------------------------------------------ pyarrow and csv read the same

cells = st.text(st.sampled_from('ab ,;"\n\rü\t'), max_size=5)
raw = st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=5).map(
    lambda rows: _text([["x", "y", "z"], *rows], ",")
)
broken = st.text(st.sampled_from('ab,"\n\r'), max_size=30).map("x,y,z\n{}".format)


@given(st.one_of(raw, broken))
def test_both_parsers_agree(text: str) -> None:
    path, data = Path("t.csv"), text.encode()
    dialect = csv_text.sniff(path, data)
    columns = csv_text._by_pyarrow(data, dialect)
    if columns is None:
        return
    rows, lines = csv_text._by_python(path, data, dialect)
    found = [list(row) for row in zip(*(c.to_pylist() for c in columns), strict=True)]
    found = [row for at, row in enumerate(found) if not at or "".join(row).strip()]
    assert found == rows and len(lines) == len(rows)


def test_most_tables_are_read_by_pyarrow() -> None:
    for text in ("a,b\n1,2\n", 'a;b\n"1;x";"say ""hi"""\n', 'a,b\r\n"1\n2",3\r\n'):
        data = text.encode()
        assert csv_text._by_pyarrow(data, csv_text.sniff(Path("t"), data)) is not None


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('\nsep=;\nname;x\n"two\nlines";1\n\n;\nb;2\n')
    table = read_user_table(path)
    assert table.cells("name") == ["two\nlines", "b"]
    assert table.line.tolist() == [4, 8]
    path.write_text('name;x;\n"two\nlines";1;\n\nb;2;;\n')  # uneven: read by csv
    assert read_user_table(path).line.tolist() == [2, 5]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a,b\n1,2\n3\n", 3),
        (b"a,b\n1,2\n3,4,5\n", 3),
        (b'a,b\n1,2\n"3,4\n', 3),
        (b'a,b\n1,2\n"3"x,4\n', 3),
        ("a,b\n1,2\nü,4\n".encode("latin-1"), 3),
    ],
)
def test_a_broken_row_is_named(data: bytes, line: int, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read_user_table(path)
    assert f"line {line} " in error.value.found and str(path) in error.value.found


NO_TABLE = [b"", b"\n \n", b"a,b\n", b"a,b\n,\n", b"PK\x03\x04", b"a,\0\n1,2\n"]


@pytest.mark.parametrize("data", NO_TABLE)
def test_a_file_that_is_no_table(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read_user_table(path)
    assert str(path) in error.value.found
    if data.startswith(b"a,b"):  # a stream's rows are seen when they are read
        return
    with pytest.raises(DataError) as error:
        open_table_stream(path, ["a"])
    assert str(path) in error.value.found


def test_what_reads_as_a_number() -> None:
    texts = ["1", "+1", "-.5e3", "1e999", "inf", "nan", "NA", None, "-", "1,5", "1 000", "0x10"]
    read = as_numbers(pa.array(texts))
    assert read.values[:3].tolist() == [1, 1, -500]
    assert [t for t, s in zip(texts, read.strange, strict=True) if s] == [
        "1e999", "inf", "1,5", "1 000", "0x10",
    ]  # fmt: skip
    assert [t for t, m in zip(texts, read.missing, strict=True) if m] == ["nan", "NA", None, "-"]
    comma = as_numbers(pa.array(["1,5", "2"]), decimal_comma=True)
    assert comma.values.tolist() == [1.5, 2]
    assert as_numbers(pa.array(["1,250"]), decimal_comma=True).strange.all()
