"""Tags and titles → one vector an image: averages of word vectors, or of CLIP's text embeddings.

Texts without a vector are counted and left out; an image without any vector gets NaN, never zeros.
"""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import ConfigError
from interestingness.models.word_files import named_file, read_words

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Averages:
    """One vector an image.

    Attributes:
        values: NaN in all columns for an image without a vector, shape (images, dim).
        known: number of texts (tags, titles) with a vector, over all images.
        unknown: how often each text without a vector occurred.
        empty: images without any text.
    """

    values: Vectors
    known: int
    unknown: Counter[str] = field(default_factory=Counter)
    empty: int = 0

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which images have a vector, shape (images,)."""
        return ~np.isnan(self.values[:, 0])

    def note(self, name: str) -> str:
        """One sentence for a run's print-out."""
        lost = sum(self.unknown.values())
        often = ", ".join(f"{text[:30]!r}" for text, _ in self.unknown.most_common(3))
        return (
            f"{name}: {self.known:,} of {self.known + lost:,} have a vector"
            + (f" ({len(self.unknown):,} distinct ones have none: {often}, …)" if lost else "")
            + f"; {int((~self.present).sum()):,} images without one, {self.empty:,} of them empty"
        )


class TextVectors(ABC):
    """Maps texts to vectors; some texts have none.

    Attributes:
        dim: length of a vector.
        domain: kind of images that the vectors may be used with; "" for any.
    """

    dim: int
    domain: str = ""

    @abstractmethod
    def find(self, texts: Sequence[str]) -> Vectors:
        """Vectors of distinct texts, NaN for those without one, shape (texts, dim)."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of everything that determines a text's vector."""

    @abstractmethod
    def describe(self) -> str:
        """One line for people."""

    def average(self, texts: Sequence[Sequence[str]]) -> Averages:
        """Mean vector of each image's texts; duplicates, ignoring case, count once.

        Args:
            texts: for each image its tags, or its one title.

        Source:
            LaFin: Word2Vec of tags, averaged.
        """
        own = [_distinct(some) for some in texts]
        distinct = list(dict.fromkeys(text for some in own for text in some))
        place = {text: row for row, text in enumerate(distinct)}
        found = self.find(distinct) if distinct else np.zeros((0, self.dim), np.float32)
        there = ~np.isnan(found[:, 0]) if distinct else np.zeros(0, bool)
        values = np.full((len(own), self.dim), np.nan, np.float32)
        known, unknown = 0, Counter[str]()
        for image, some in enumerate(own):
            rows = np.array([place[text] for text in some], dtype=np.int64)
            good = rows[there[rows]]
            unknown.update(distinct[row] for row in rows[~there[rows]])
            known += len(good)
            if len(good):
                values[image] = found[good].mean(axis=0)
        return Averages(values, known, unknown, sum(not some for some in own))


class WordVectors(TextVectors):
    """Vectors from a file: that of the whole tag, else the mean over its words."""

    def __init__(self, path: str | Path, *, texts: Iterable[str] | None = None) -> None:
        """Read the file.

        Args:
            path: word2vec's text or binary format, GloVe's text, or JSON ``{word: [numbers]}``.
            texts: all texts that will be looked up; only vectors of their words are kept. None
                keeps every word.

        Raises:
            DataError: for an empty path, a URL, or a file that is absent, damaged or of another
                format.
        """
        self.path = named_file(path)
        self._forms = (
            None if texts is None else {f for text in texts for f in _forms(cleaned(text))}
        )
        self._table = read_words(self.path, wanted=self._wanted if texts is not None else None)
        self._vectors = self._table.vectors
        self.dim = int(self._vectors.shape[1])
        self._row: dict[str, int] = {}
        for row, word in enumerate(self._table.words):
            self._row.setdefault(cleaned(word), row)
        folded: dict[str, int] = {}
        for word, row in self._row.items():
            folded.setdefault(word.casefold(), row)
        self._folded: Mapping[str, int] = folded

    def _wanted(self, word: str) -> bool:
        return self._forms is None or cleaned(word).casefold() in self._forms

    def __contains__(self, text: str) -> bool:
        """Whether the text has a vector."""
        return bool(self._rows(cleaned(text)))

    def find(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts; NaN where no word is known."""
        out = np.full((len(texts), self.dim), np.nan, np.float32)
        for at, text in enumerate(texts):
            rows = self._rows(cleaned(text))
            if rows:
                out[at] = self._vectors[rows].mean(axis=0)
        return out

    def _rows(self, text: str) -> list[int]:
        """Row of the whole text as written, in lower case, with underscores or without skin
        tones; else the rows of its words."""
        # A word that was not kept must not look like a word that the file lacks.
        assert self._forms is None or self._forms.issuperset(_forms(text)), text
        for form in _whole(text):
            row = self._row.get(form, self._folded.get(form.casefold()))
            if row is not None:
                return [row]
        return [self._folded[word] for word in _words(text) if word in self._folded]

    def fingerprint(self) -> str:
        """Hash of words and vectors, wherever the file lies."""
        return self._table.digest

    def describe(self) -> str:
        """One line for people."""
        kept = "" if self._forms is None else f", {len(self._row):,} of them kept"
        return (
            f"{self._table.count:,} word vectors of {self.dim} numbers from {self.path.name}{kept}"
        )


@runtime_checkable
class Tower(Protocol):
    """Interface of ``models.text_towers``: every text gets a vector."""

    dim: int
    domain: str

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector a text, shape (texts, dim)."""

    def fingerprint(self) -> str:
        """Hash of network and weights."""

    def describe(self) -> str:
        """One line for people."""


class TowerVectors(TextVectors):
    """Embeddings of a CLIP text tower, each of length 1, so that all tags weigh alike."""

    def __init__(self, tower: Tower) -> None:
        """Take a tower.

        Raises:
            ConfigError: for a text embedder that was not trained with images.
        """
        if not isinstance(tower, Tower):
            raise ConfigError(
                f"model.tower: {type(tower).__name__} is not the text tower of a CLIP model",
                expected="the text tower of a CLIP model, which has seen images",
                todo="text_embedder@model.tower=clip_text, or scene_clip_text for synthetic scenes",
            )
        self.tower, self.dim, self.domain = tower, tower.dim, tower.domain

    def find(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1; every text has one."""
        vectors = self.tower.embed(texts)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def fingerprint(self) -> str:
        """Hash of network and weights."""
        return self.tower.fingerprint()

    def describe(self) -> str:
        """One line for people."""
        return self.tower.describe()


def nearest_words(
    images: Vectors, words: Vectors, vocabulary: Sequence[str], *, count: int = 10
) -> list[list[str]]:
    """Tags made for images: the words whose CLIP embedding has the largest cosine with theirs.

    Args:
        images: CLIP image embeddings, NaN rows for images without one, shape (images, dim).
        words: CLIP text embeddings of the vocabulary, shape (words, dim).
        vocabulary: the words.
        count: number of words for each image; all words if there are fewer.

    Returns:
        Words of each image, nearest first; none for an image without an embedding.

    Raises:
        ConfigError: if images and words are embedded in different spaces.

    Source:
        LaFin's generated tags: ten nearest neighbours in the captioning system's joint space.
    """
    if images.shape[1] != words.shape[1]:
        raise ConfigError(
            f"image embeddings of {images.shape[1]} numbers, text embeddings of {words.shape[1]}",
            expected="both towers of one CLIP model",
            todo="choose the model/backbone and the text tower of the same model",
        )
    length = np.linalg.norm(words, axis=1, keepdims=True)
    cosine = images @ (words / np.where(length > 0, length, 1.0)).T
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
    found = [[vocabulary[k] for k in row] for row in order]
    return [[] if np.isnan(row).any() else own for own, row in zip(found, images, strict=True)]


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_INVISIBLE = re.compile("[\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe0e\ufe0f\ufeff]")
"""Soft hyphens, marks of direction, variation selectors, …; not the joiners within emoji."""
_NO_SKIN_TONES = dict.fromkeys(range(0x1F3FB, 0x1F400))


def _whole(text: str) -> tuple[str, ...]:
    """Spellings under which a file may contain a whole text, the likeliest first."""
    return text, text.replace(" ", "_"), text.translate(_NO_SKIN_TONES)


def _words(text: str) -> list[str]:
    """Words of a text, in lower case."""
    return re.split(r"[\W_]+", text.casefold())


def _forms(text: str) -> list[str]:
    """All spellings that a text is looked up by, in lower case."""
    return [*(form.casefold() for form in _whole(text)), *_words(text)]


def cleaned(text: str) -> str:
    """One form for texts that look alike: Unicode NFC, single spaces, no invisible characters."""
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    return " ".join(_CONTROL.sub(" ", text).split())


def _distinct(texts: Sequence[str]) -> list[str]:
    """Cleaned texts without those that differ in case only; the first spelling is kept."""
    found: dict[str, str] = {}
    for text in map(cleaned, texts):
        if text:
            found.setdefault(text.casefold(), text)
    return list(found.values())
