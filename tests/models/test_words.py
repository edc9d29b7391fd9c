"""Word vectors from files, and averages of them: what is not known is counted, never zero."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from interestingness.errors import ConfigError, DataError
from interestingness.models.text_towers import SceneClipText
from interestingness.models.words import TowerVectors, WordVectors, nearest_words

TABLE = {"sky": [1.0, 0.0], "New_York": [0.0, 1.0], "cat": [3.0, 1.0], "🌊": [5.0, 5.0]}


def as_text(path: Path, *, header: bool) -> Path:
    lines = [f"{len(TABLE)} 2"] if header else []
    lines += [f"{word} {' '.join(map(str, v))}" for word, v in TABLE.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def as_binary(path: Path) -> Path:
    parts = [b"4 2\n"]
    parts += [w.encode() + b" " + np.array(v, "<f4").tobytes() + b"\n" for w, v in TABLE.items()]
    path.write_bytes(b"".join(parts))
    return path


@pytest.fixture
def words(tmp_path: Path) -> WordVectors:
    (tmp_path / "words.json").write_text(json.dumps({"vectors": TABLE}))
    return WordVectors(tmp_path / "words.json")


def test_all_formats_say_the_same(words: WordVectors, tmp_path: Path) -> None:
    files = [
        as_text(tmp_path / "word2vec.txt", header=True),
        as_text(tmp_path / "glove.vec", header=False),
        as_binary(tmp_path / "words.bin"),
    ]
    for file in files:
        other = WordVectors(file)
        assert other.fingerprint() == words.fingerprint()
        np.testing.assert_array_equal(other.find(list(TABLE)), np.array(list(TABLE.values())))


def test_averages_and_what_is_unknown(words: WordVectors) -> None:
    found = words.average(
        [["sky", "cat", "cat"], ["NEW YORK", "🦄"], [], ["nothing"], ["black cat"], ["🌊", " "]]
    )
    assert found.values[0].tolist() == [2.0, 0.5]  # a tag given twice counts once
    assert found.values[1].tolist() == [0.0, 1.0] and found.values[4].tolist() == [3.0, 1.0]
    assert found.values[5].tolist() == [5.0, 5.0]
    assert np.isnan(found.values[[2, 3]]).all()
    assert found.present.tolist() == [True, True, False, False, True, True]
    assert found.known == 5 and found.unknown == {"🦄": 1, "nothing": 1} and found.empty == 1
    assert "2 images without one, 1 of them empty" in found.note("tags")
    assert "sky" in words and "🦄" not in words


def test_ten_thousand_tags_on_one_image(words: WordVectors) -> None:
    found = words.average([[f"tag{n}" for n in range(10_000)] + ["sky"]])
    assert found.values[0].tolist() == [1.0, 0.0] and sum(found.unknown.values()) == 10_000
    assert np.isnan(words.average([]).values).size == 0


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("absent.txt", None, "no such file"),
        ("words.kv", b"\x80\x04", "a pickle of gensim"),
        ("words.json", b"{", "Expecting property name"),
        ("words.json", b"[1, 2]", "no attribute"),
        ("words.json", b'{"a": [1], "b": [1, 2]}', "different lengths"),
        ("words.json", b'{"a": [NaN]}', "'a' is not finite"),
        ("words.txt", b"", "0 words"),
        ("words.txt", b"sky 1 2\ncat 1\n", "line 2: 1 numbers, not 2"),
        ("words.txt", b"sky one two\n", "line 1: not numbers after 'sky'"),
        ("words.txt", b"3 2\nsky 1 2\n", "1 words where the first line announces 3"),
        ("words.txt", b"\xff\xfe\x00", "codec"),
        ("words.bin", b"4 300\nsky ", "cut off"),
        ("words.bin", b"not a header\n", "invalid literal"),
    ],
)
def test_a_wrong_file_is_one_error(
    tmp_path: Path, name: str, content: bytes | None, found: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="word2vec's text") as raised:
        WordVectors(tmp_path / name)
    assert found in str(raised.value)


def test_a_text_tower_knows_every_tag() -> None:
    vectors = TowerVectors(SceneClipText(weights="random:0"))
    found = vectors.average([["red circle"], [], ["🦄", "red circle"]])
    assert found.present.tolist() == [True, False, True] and not found.unknown
    assert np.linalg.norm(found.values[0]) == pytest.approx(1, abs=1e-5)
    alone = vectors.find(["🦄"])[0]
    np.testing.assert_allclose(found.values[2], (alone + found.values[0]) / 2, atol=1e-5)
    assert vectors.domain == "synthetic"


def test_nearest_words() -> None:
    images = np.array([[2, 0.1], [0, 1], [np.nan, np.nan]], np.float32)
    words = np.array([[0, 9], [1, 0], [1, 1]], np.float32)
    found = nearest_words(images, words, ["up", "right", "both"], count=2)
    assert found == [["right", "both"], ["up", "both"], []]
    with pytest.raises(ConfigError, match="both towers of one CLIP model"):
        nearest_words(images, np.ones((3, 5), np.float32), ["a", "b", "c"])
