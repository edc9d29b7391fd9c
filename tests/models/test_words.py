"""Word vectors from files, and averages of them: what is not known is counted, never zero."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from interestingness.errors import ConfigError, DataError
from interestingness.models.text_towers import SceneClipText
from interestingness.models.words import TowerVectors, WordVectors, cleaned, nearest_words

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


def test_vectors_of_given_texts_are_found_as_among_all(tmp_path: Path, words: WordVectors) -> None:
    texts = ["NEW YORK", "black cat", "🌊", "🦄", "Sky\u200b", "👍🏿"]
    some = WordVectors(tmp_path / "words.json", texts=texts)
    np.testing.assert_array_equal(some.find(texts), words.find(texts))
    assert some.fingerprint() == words.fingerprint()
    assert "4 word vectors of 2 numbers from words.json, 4 of them kept" in some.describe()
    few = WordVectors(tmp_path / "words.json", texts=iter(["sky", "nothing"]))
    assert few.find(["sky", "nothing"])[0].tolist() == [1.0, 0.0] and "1 of them" in few.describe()
    with pytest.raises(AssertionError, match="cat"):
        few.find(["cat"])


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
    tags = [f"tag{n}" for n in range(10_000)] + ["sky"]
    tracemalloc.start()
    began = time.monotonic()
    found = words.average([tags])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.values[0].tolist() == [1.0, 0.0] and sum(found.unknown.values()) == 10_000
    assert peak < 20e6 and time.monotonic() - began < 10
    assert np.isnan(words.average([]).values).size == 0


@pytest.mark.parametrize(
    ("tags", "vector"),
    [
        (["👩‍💻"], [7.0, 7.0]),  # joined by U+200D
        (["👩🏽‍💻"], [7.0, 7.0]),  # of another skin tone than any that is known
        (["👍🏽"], [8.0, 8.0]),  # as it is known, before the one without a tone
        (["👍🏿"], [9.0, 9.0]),
        (["❤", "❤\ufe0f"], [6.0, 6.0]),  # the same to the eye
        (["👨‍👩‍👧‍👦"], None),
        (["🦄"], None),
        ([" \t", "\u3000", "\u200b", "\ufeff\u2060", "\0"], None),
        (["שלום"], [4.0, 4.0]),
        (["\u202eשלום\u202c", "\u200fשלום"], [4.0, 4.0]),
        (["مرحبا"], None),
        (["Cat", "cat", "CAT", "cat "], [3.0, 1.0]),
        (["Cat", "sky", "CAT"], [2.0, 0.5]),  # twice one tag: not twice its weight
        (["cat\0", "\0\0"], [3.0, 1.0]),
        (["x" * 100_000], None),
        (["cat " * 25_000], [3.0, 1.0]),
        (["👍" * 50_000], None),
        (["\ud83d"], None),  # half an emoji
        (["CAFE\u0301"], [5.0, 5.0]),
    ],
    ids=repr,
)
def test_odd_tags(odd: WordVectors, tags: list[str], vector: list[float] | None) -> None:
    found = odd.average([tags, ["cat"], []])
    if vector is None:
        assert np.isnan(found.values[0]).all() and not found.present[0]
    else:
        assert found.values[0].tolist() == vector and not found.unknown
    assert found.present.tolist() == [vector is not None, True, False]
    note = found.note("tags")
    assert note.isprintable() and len(note) < 300
    # Every tag is counted: as known, as unknown, or as nothing at all.
    distinct = {cleaned(tag).casefold() for tag in tags} - {""}
    assert found.known + sum(found.unknown.values()) == len(distinct) + 1
    assert found.empty == 1 + (not distinct)


@pytest.fixture
def odd(tmp_path: Path) -> WordVectors:
    values = {"👩‍💻": 7, "👍🏽": 8, "👍": 9, "❤️": 6, "שלום": 4, "café": 5}
    table = {word: [float(v), float(v)] for word, v in values.items()}
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({**TABLE, **table}))
    return WordVectors(path)


def test_a_tower_reads_the_beginning_of_a_long_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making tokens of one long word takes the square of its length: minutes for a million."""
    tower, read = SceneClipText(weights="random:0"), []
    tokens = tower._tokens

    def counted(texts: list[str]) -> torch.Tensor:
        read.extend(map(len, texts))
        return tokens(texts)

    monkeypatch.setattr(tower, "_tokens", counted)
    one, other = tower.embed(["👍" * 100_000, "👍" * 1_000])
    assert read == [2_000, 1_000]
    np.testing.assert_array_equal(one, other)


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
    with pytest.raises(ConfigError):
        nearest_words(images, np.ones((3, 5), np.float32), ["a", "b", "c"])


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", "model.words.path: it is empty"),
        ("  ", "model.words.path: it is empty"),
        ("https://example.org/glove.txt", "https://example.org/glove.txt: an address"),
    ],
)
def test_a_path_that_names_no_file(path: str, found: str) -> None:
    with pytest.raises(DataError) as raised:
        WordVectors(path)
    assert raised.value.found.startswith(found) and "model.words.path=…" in raised.value.todo
