"""Files of word vectors: word2vec's text and binary format, GloVe's text, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError

Words = tuple[list[str], NDArray[np.float32]]

FORMS = (
    "word2vec's text (.txt, .vec) or binary (.bin) format, GloVe's text, or JSON {word: [numbers]}"
)
MOST_LETTERS = 10_000


def read_words(path: Path) -> Words:
    """Words and their vectors, shape (words, dim).

    gensim's own files (.kv, .model) are pickles, which run code when they are opened; they are
    refused with the line that saves them in an open format.

    Raises:
        DataError: absent, empty, damaged, of another form, or with numbers that are not finite.
    """
    if not path.is_file():
        raise _error(path, "there is no such file")
    suffix = path.suffix.casefold()
    if suffix in (".kv", ".model", ".pkl"):
        raise DataError(
            f"{path}: a pickle of gensim",
            expected=FORMS,
            todo="save it openly: KeyedVectors.load(…).save_word2vec_format('words.bin', "
            "binary=True)",
        )
    try:
        words, vectors = {".json": _json, ".bin": _binary}.get(suffix, _text)(path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _error(path, str(error)) from None
    if not words or vectors.ndim != 2 or not vectors.shape[1]:
        raise _error(path, f"{len(words)} words with vectors of shape {vectors.shape}")
    if not np.isfinite(vectors).all():
        bad = words[int(np.argmin(np.isfinite(vectors).all(axis=1)))]
        raise _error(path, f"the vector of {bad!r} is not finite")
    return words, vectors


def _error(path: Path, found: str) -> DataError:
    return DataError(
        f"{path}: {found[:200]}", expected=FORMS, todo="name another file: model.words.path=…"
    )


def _json(path: Path) -> Words:
    content = json.loads(path.read_bytes())
    table = content.get("vectors", content)
    lengths = {len(vector) for vector in table.values()}
    if len(lengths) > 1:
        raise ValueError(f"vectors of different lengths: {sorted(lengths)[:5]}")
    return list(table), np.array(list(table.values()), dtype=np.float32)


def _text(path: Path) -> Words:
    words: list[str] = []
    rows: list[NDArray[np.float32]] = []
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream):
            parts = line.rstrip().split(" ")
            if number == 0 and len(parts) == 2 and all(part.isdigit() for part in parts):
                announced = int(parts[0])
                continue
            if number == 0:
                announced = -1
            if not rows:
                dim = len(parts) - 1
            if dim < 1 or len(parts) < dim + 1:
                raise ValueError(f"line {number + 1}: {len(parts) - 1} numbers, not {dim}")
            # a word of GloVe may have spaces
            words.append(" ".join(parts[:-dim]))
            try:
                rows.append(np.array(parts[-dim:], dtype=np.float32))
            except ValueError:
                raise ValueError(f"line {number + 1}: not numbers after {words[-1]!r}") from None
    if words and announced not in (-1, len(words)):
        raise ValueError(f"{len(words)} words where the first line announces {announced}")
    return words, np.array(rows, dtype=np.float32)


def _binary(path: Path) -> Words:
    content = path.read_bytes()
    first, _, _ = content[:100].partition(b"\n")
    count, dim = (int(part) for part in first.split())
    if count < 1 or dim < 1 or count * (4 * dim + 2) > len(content):
        raise ValueError(f"cut off: {count} vectors of {dim} numbers do not fit in the file")
    vectors, words = np.empty((count, dim), np.float32), []
    at = len(first) + 1
    for row in range(count):
        end = content.index(b" ", at, at + MOST_LETTERS)
        words.append(content[at:end].decode("utf-8").lstrip("\n"))
        at = end + 1 + 4 * dim
        vectors[row] = np.frombuffer(content[end + 1 : at], dtype="<f4")
    return words, vectors
