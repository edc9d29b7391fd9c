"""Files of word vectors: word2vec's text and binary format, GloVe's text, JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError

Rows = Iterator[tuple[str, NDArray[np.float32]]]


@dataclass(frozen=True, eq=False)
class WordTable:
    """What was read of a file.

    Attributes:
        words: those that were kept, in the file's order.
        vectors: theirs, shape (words, dim).
        count: words of the whole file.
        digest: hash of all words and vectors, whichever were kept and whatever the format.
    """

    words: list[str]
    vectors: NDArray[np.float32]
    count: int
    digest: str


FORMS = (
    "word2vec's text (.txt, .vec) or binary (.bin) format, GloVe's text, or JSON {word: [numbers]}"
)
MOST_LETTERS = 10_000
CHUNK = 1 << 20
"""Bytes of a binary file that are read at once."""
SHOWN = 40
"""Letters of a word or line in a message."""

PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))


def named_file(path: str | Path) -> Path:
    """The file that an option names.

    Raises:
        DataError: for no name at all, or an address, of which a path would keep half.
    """
    text = str(path)
    if not text.strip():
        raise _error("model.words.path", "it is empty")
    if "://" in text:
        raise DataError(
            f"{text}: an address, and only files of this machine are read",
            expected=FORMS,
            todo="download it and name the file: model.words.path=…",
        )
    return Path(text).expanduser()


def read_words(path: Path, *, wanted: Callable[[str], bool] | None = None) -> WordTable:
    """Words and their vectors.

    Text and binary files are read word by word, so that memory holds what is kept; JSON is read
    whole. Pickles run code when they are opened; they are refused, with the line that saves
    gensim's (.kv, .model) in an open format.

    Args:
        path: of the file.
        wanted: which words to keep; None keeps all.

    Raises:
        DataError: absent, empty, damaged, of another form, or with numbers that are not finite.
    """
    if not path.is_file():
        raise _error(path, "a folder" if path.is_dir() else "there is no such file")
    suffix = path.suffix.casefold()
    _refuse_pickle(path)
    rows: Rows = {".json": _json, ".bin": _binary}.get(suffix, _text)(path)
    try:
        return _gathered(rows, wanted)
    except UnicodeDecodeError as error:
        raise _error(
            path,
            f"not UTF-8 text (byte {error.object[error.start]:#04x} at {error.start}); "
            "a packed file must be unpacked, and word2vec's binary format is called .bin",
        ) from None
    except ValueError as error:
        raise _error(path, str(error)) from None


def _gathered(rows: Rows, wanted: Callable[[str], bool] | None) -> WordTable:
    """The rows that are wanted, after a look at all of them.

    Raises:
        ValueError: for no word at all, or a vector that is not finite.
    """
    kept: list[str] = []
    numbers, dim, count = bytearray(), 0, 0
    names, values = hashlib.sha256(), hashlib.sha256()
    for count, (word, vector) in enumerate(rows, 1):  # noqa: B007  the last one is the number
        if not np.isfinite(vector).all():
            raise ValueError(f"the vector of {_short(word)} is not finite")
        content, dim = vector.tobytes(), len(vector)
        names.update(word.encode("utf-8", "surrogatepass") + b"\0")
        values.update(content)
        if wanted is None or wanted(word):
            kept.append(word)
            numbers += content
    if not count:
        raise ValueError("no words")
    vectors = np.frombuffer(numbers, dtype=np.float32).reshape(len(kept), dim)
    digest = hashlib.sha256(names.digest() + values.digest()).hexdigest()[:32]
    return WordTable(kept, vectors, count, digest)


def _refuse_pickle(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(2)
    if start in PICKLES:
        raise DataError(
            f"{path}: a pickle: opening it would run its code",
            expected=FORMS,
            todo="if it is gensim's and you trust it, save it openly: KeyedVectors.load(FILE) for "
            ".kv, Word2Vec.load(FILE).wv for .model, then "
            ".save_word2vec_format('words.bin', binary=True)",
        )


def _error(path: Path | str, found: str) -> DataError:
    return DataError(
        f"{path}: {found[:200]}", expected=FORMS, todo="name another file: model.words.path=…"
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def _json(path: Path) -> Rows:
    try:
        # A whole number may have more digits than anything holds; as a float it is infinite.
        content = json.loads(path.read_bytes(), parse_int=float)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    table = content
    if isinstance(content, dict) and isinstance(content.get("vectors"), dict):
        table = content["vectors"]
    if not isinstance(table, dict):
        raise ValueError(f"JSON of type {type(table).__name__}, no object of words")
    for word, vector in table.items():
        if not _is_vector(vector):
            raise ValueError(f"{_short(word)} has no list of numbers")
    lengths = {len(vector) for vector in table.values()}
    if len(lengths) > 1:
        raise ValueError(f"vectors of different lengths: {sorted(lengths)[:5]}")
    with np.errstate(over="ignore"):  # what single precision cannot hold is said of its word
        vectors = np.array(list(table.values()), dtype=np.float32)
    yield from zip(table, vectors, strict=True)


def _is_vector(value: Any) -> bool:
    # null becomes NaN, which is refused by its word; true and false are no numbers
    return isinstance(value, list) and bool(value) and set(map(type, value)) <= {float, NoneType}


def _text(path: Path) -> Rows:
    announced = dim = words = 0
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            parts = _columns(line.rstrip())
            first = not (dim or words)
            if first and len(parts) == 2 and all(part.isdecimal() for part in parts):
                announced, dim = (int(part) for part in parts)
                continue
            dim = dim or len(parts) - 1
            if dim < 1:
                raise ValueError(f"line {number}: no numbers after {_short(parts[0])}")
            # A word of GloVe may have spaces; word2vec's, whose file says how many numbers follow,
            # may not. What looks like a number is one.
            spare = parts[1:-dim]
            if len(parts) < dim + 1 or (spare and (announced or any(map(_is_number, spare)))):
                raise ValueError(
                    f"line {number}: {len(parts) - 1} numbers after {_short(parts[0])}, not {dim}"
                )
            word = " ".join(parts[:-dim])
            try:
                with np.errstate(over="ignore"):  # what is too large is said of its word
                    vector = np.array(parts[-dim:], dtype=np.float32)
            except ValueError:
                raise ValueError(f"line {number}: not {dim} numbers after {_short(word)}") from None
            yield word, vector
            words += 1
    if announced and announced != words:
        raise ValueError(f"{words} words where the first line announces {announced}")


def _columns(line: str) -> list[str]:
    """A word and its numbers; a tab after the word tells where it ends, spaces or not."""
    word, tab, numbers = line.partition("\t")
    return [word, *numbers.split()] if tab else line.split(" ")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _binary(path: Path) -> Rows:
    size = path.stat().st_size
    with path.open("rb") as stream:
        first, _, buffer = stream.read(CHUNK).partition(b"\n")
        try:
            count, dim = (int(part) for part in first.split())
        except ValueError:
            raise ValueError(
                "its first line does not say how many words and numbers follow"
            ) from None
        if count < 1 or dim < 1 or count * (4 * dim + 2) > size:
            raise ValueError(
                f"{count} vectors of {dim} numbers do not fit in the file: it is cut off, or "
                "word2vec's text format, which is to be named .txt or .vec"
            )
        at, most = 0, MOST_LETTERS + 1 + 4 * dim
        for row in range(1, count + 1):
            if len(buffer) - at < most:
                buffer, at = buffer[at:] + stream.read(max(CHUNK, most)), 0
            end = buffer.find(b" ", at, at + MOST_LETTERS)
            if end < 0 or end + 1 + 4 * dim > len(buffer):
                raise ValueError(f"cut off or damaged at word {row} of {count}")
            word = buffer[at:end].decode("utf-8").lstrip("\n")
            at = end + 1 + 4 * dim
            yield word, np.frombuffer(buffer[end + 1 : at], dtype="<f4").astype(np.float32)
        spare = (buffer[at:] + stream.read()).strip()
    if spare:
        raise ValueError(f"{len(spare)} bytes after the {count} words that it announces")
