"""Files of word vectors, and files that are none: each is one error that names the file."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from interestingness.errors import DataError
from interestingness.models.word_files import read_words

VECTORS = np.arange(6, dtype="<f4").reshape(2, 3)
BINARY = b"2 3\n" + b"".join(
    word + b" " + row.tobytes() + b"\n" for word, row in zip((b"sky", b"cat"), VECTORS, strict=True)
)
TEXT = b"2 3\nsky 0 1 2\ncat 3 4 5\n"


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (30, 30), "red").save(file, "PNG")
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("glove.txt", TEXT)
    return file.getvalue()


CASES: list[tuple[str, bytes, str]] = [
    ("words.bin", picture(), ""),
    ("words.txt", picture(), ""),
    ("words.json", picture(), ""),
    ("words.bin", b"", ""),
    ("words.txt", b"", ""),
    ("words.kv", b"\x80\x04", "pickle"),
    ("words.bin", pickle.dumps({"sky": [1, 2]}), "pickle"),
    ("words.pkl", pickle.dumps([1]), ""),
    ("words.bin.gz", gzip.compress(BINARY), ""),
    ("words.txt", gzip.compress(TEXT), ""),
    ("glove.zip", zipped(), ""),
    ("words.txt", "sky 1 2\n".encode("utf-16"), ""),
    ("words.json", b"{", ""),
    ("words.json", b"[" * 100_000, ""),
    ("words.json", b"[1, 2]", ""),
    ("words.json", b"null", ""),
    ("words.json", b"{}", ""),
    ("words.json", b'{"sky": 1}', "'sky'"),
    ("words.json", b'{"sky": "abc"}', "'sky'"),
    ("words.json", b'{"sky": [1], "cat": {"v": 1}}', "'cat'"),
    ("words.json", b'{"sky": [[1, 2]]}', "'sky'"),
    ("words.json", b'{"sky": []}', "'sky'"),
    ("words.json", b'{"a": [1], "b": [1, 2]}', ""),
    ("words.json", b'{"a": [NaN]}', "'a'"),
    ("words.json", b'{"a": [1, null]}', "'a'"),
    ("words.json", b'{"a": [1e300]}', "'a'"),
    ("words.json", b'{"a": [1%b]}' % (b"0" * 400), "'a'"),
    ("words.json", b'{"a": [1%b]}' % (b"0" * 5000), "'a'"),
    ("words.json", b'{"a": [1], "b": [true]}', "'b'"),
    ("words.json", b'{"a": ["1.5"]}', "'a'"),
    ("words.txt", b"2 3\nsky 0 1 2\ncat 3 4\n", "line 3"),
    ("words.txt", b"2 3\nsky 0 1 2\ncat 3 4 5 6\n", "line 3"),
    ("words.txt", b"2 5\nsky 0 1 2\ncat 3 4 5\n", "line 2"),
    ("words.txt", b"sky 0 1 2\ncat 3 4 5 6\n", "line 2"),
    ("words.txt", b"sky 1 2\ncat 1\n", "line 2"),
    ("words.txt", b"sky 1 2\n\ncat 1\n", "line 3"),
    ("words.txt", b"\n \n", ""),
    ("words.txt", b"sky 1 2\ncat 1 1e300\n", "'cat'"),
    ("words.txt", b"sky\t1\t2\ncat\t1\n", "line 2"),
    ("words.txt", b"sky one two\n", "line 1"),
    ("words.txt", b"sky,1,2\n", "line 1"),
    ("words.txt", b"x" * 1_000_000, "line 1"),
    ("words.txt", b"3 2\nsky 1 2\n", ""),
    ("words.txt", TEXT[:-4], "line 3"),
    ("words.txt", b"0 300\n", ""),
    ("words.txt", BINARY, ""),
    ("words.bin", b"4 300\nsky ", ""),
    ("words.bin", BINARY[:-3], "word 2"),
    ("words.bin", b"999999999999 300\nsky ", ""),
    ("words.bin", b"-1 3\n", ""),
    ("words.bin", b"not a header\n", ""),
    ("words.bin", TEXT, ""),
    ("words.bin", BINARY + b"garbage", ""),
    ("words.bin", b"1 1\n\xff\xfe \0\0\0\0\n", ""),
]


@pytest.mark.parametrize(
    ("name", "content", "found"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)]
)
def test_a_wrong_file_is_one_error(tmp_path: Path, name: str, content: bytes, found: str) -> None:
    """It names the file, and the line or word where there is one."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_words(tmp_path / name)
    assert found in raised.value.found and name in raised.value.found


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, found in ((tmp_path, "a folder"), (tmp_path / "absent.txt", "no such file")):
        with pytest.raises(DataError, match=found):
            read_words(path)


@pytest.mark.parametrize(
    "content",
    [
        "sky 3 4\n\n  \nnew york 1 2\n\n",
        "\nnew york\t1\t2\nsky\t3\t4\n",
        "2\t2\nnew york\t1 2\nsky\t3 4\n\n",
        "sky 3 4\n\nnew york\t1\t2",
    ],
)
def test_empty_lines_and_tabs(tmp_path: Path, content: str) -> None:
    (tmp_path / "words.txt").write_text(content)
    table = read_words(tmp_path / "words.txt")
    found = dict(zip(table.words, table.vectors.tolist(), strict=True))
    assert found == {"new york": [1, 2], "sky": [3, 4]}


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_what_text_files_have_in_common(tmp_path: Path, ending: str, start: str) -> None:
    lines = ["</s> 1 2", ". . . 3 4", "at name@domain.com 5 6", "<unk> 7 8"]  # as GloVe has them
    path = tmp_path / "glove.txt"
    path.write_bytes((start + ending.join(lines)).encode())
    table = read_words(path)
    assert table.words == ["</s>", ". . .", "at name@domain.com", "<unk>"]
    assert table.vectors.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]] and table.count == 4


@pytest.mark.parametrize("name", ["words.bin", "words.txt", "words.json"])
def test_only_what_is_wanted_is_kept_and_all_of_it_is_looked_at(tmp_path: Path, name: str) -> None:
    rows = np.random.default_rng(0).normal(size=(5000, 60)).astype("<f4")
    lines = [(f"w{i}", row) for i, row in enumerate(rows)]
    if name == "words.bin":  # more than is read at once
        words = [word.encode() + b" " + row.tobytes() + b"\n" for word, row in lines]
        content = b"5000 60\n" + b"".join(words)
    elif name == "words.txt":
        content = "".join(f"{w} {' '.join(map(str, row))}\n" for w, row in lines).encode()
    else:
        content = json.dumps({w: row.tolist() for w, row in lines}).encode()
    (tmp_path / name).write_bytes(content)
    some = read_words(tmp_path / name, wanted=lambda word: word.endswith("77"))
    every = read_words(tmp_path / name)
    assert some.words == [f"w{i}" for i in range(77, 5000, 100)]
    np.testing.assert_array_equal(some.vectors, rows[77::100])
    np.testing.assert_array_equal(every.vectors, rows)
    assert some.count == every.count == 5000 and some.digest == every.digest
    none = read_words(tmp_path / name, wanted=lambda word: False)
    assert none.words == [] and none.vectors.shape == (0, 60) and none.digest == every.digest


def test_a_large_file_costs_no_more_memory_than_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    numbers = " ".join(["0.5"] * 300)
    path.write_text("".join(f"w{i} {numbers}\n" for i in range(10_000)))  # 12 MB as vectors
    tracemalloc.start()
    table = read_words(path, wanted=lambda word: word == "w7")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert table.count == 10_000 and table.vectors.shape == (1, 300)
    assert peak < 2e6


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    suffix=st.sampled_from([".bin", ".txt", ".json", ".vec"]),
    content=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=8).map(lambda tail: b"2 3\n" + tail),
        st.integers(0, len(BINARY)).map(lambda n: BINARY[:n]),
        st.integers(0, len(TEXT)).map(lambda n: TEXT[:n]),
        st.text(max_size=60).map(str.encode),
    ),
)
def test_any_bytes_are_vectors_or_one_error(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(content)
    try:
        table = read_words(path)
    except DataError as error:
        assert str(path) in error.found and error.expected and error.todo
    else:
        assert len(table.words) == len(table.vectors) == table.count > 0
        assert np.isfinite(table.vectors).all()
