"""Embed texts: each distinct text once, cached batch by batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from interestingness.data.content import content_key
from interestingness.data.feature_store import FeatureStore
from interestingness.errors import DataError, InterestingnessError
from interestingness.progress import ProgressLine
from interestingness.schema import Array
from interestingness.stats.salient_words import words_of

BATCH = 256
"""Texts that are embedded and kept at once: what a failing service can cost."""


class TextEmbedder(Protocol):
    """Texts → vectors: a text tower, a service, or counts of words."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Compute one vector a text, shape (texts, dim)."""

    def fingerprint(self) -> str | None:
        """Hash all that determines a text's vector; None if the other texts do too, so that
        nothing can be cached."""

    def describe(self) -> str:
        """One line for people."""


class TfidfEmbedder:
    """Latent semantic analysis: TF-IDF of lemmas, reduced by a singular value decomposition.

    It needs no weights and knows no meaning: two texts are similar if they share words, or
    words that other texts use together.
    """

    def __init__(self, *, dim: int = 100) -> None:
        """Keep the settings.

        Args:
            dim: largest length of a vector; it is less with fewer words or texts.
        """
        self.dim = dim

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Compute vectors, shape (texts, dim); zeros for a text without a word that counts.

        Raises:
            DataError: if no text has such a word.
        """
        counter = TfidfVectorizer(analyzer=words_of, sublinear_tf=True)
        try:
            matrix = counter.fit_transform(texts)
        except ValueError:
            raise DataError(
                f"none of {len(texts)} texts has an English word beside stop words",
                expected="descriptions or reasons in English",
                todo="name another column (study.columns=[…]), or another text_embedder",
            ) from None
        dim = min(self.dim, *matrix.shape)
        if dim == min(matrix.shape):
            return np.asarray(matrix.toarray(), dtype=np.float32)  # nothing to reduce
        reduced = TruncatedSVD(dim, random_state=0).fit_transform(matrix)
        return np.asarray(reduced, dtype=np.float32)

    def fingerprint(self) -> None:
        """Return None: how rare a word is depends on all texts."""

    def describe(self) -> str:
        """One line for people."""
        return f"TF-IDF of lemmas and truncated SVD, at most {self.dim} numbers (no weights)"


def text_vectors(
    embedder: TextEmbedder, texts: Sequence[str], *, cache: Path, progress: ProgressLine
) -> Array:
    """Compute vectors of length 1; equal texts share one.

    Args:
        embedder: what embeds.
        texts: clean, not empty.
        cache: folder in which vectors are cached by text and fingerprint, batch by batch.
        progress: called with the number of distinct texts done.

    Returns:
        Shape (texts, dim); a row of zeros stays as it is.

    Raises:
        InterestingnessError: from the embedder; earlier ones stay cached, and the message
            says so.
        DataError: for vectors of a wrong number or that are not finite.
    """
    distinct = list(dict.fromkeys(texts))
    place = {text: row for row, text in enumerate(distinct)}
    identity = embedder.fingerprint()
    if identity is None:
        vectors = _checked(embedder.embed(distinct), distinct, embedder)
    else:
        vectors = _kept(embedder, distinct, cache / "texts" / identity, progress)
    matrix = vectors[[place[text] for text in texts]].astype(np.float64)
    length = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.divide(matrix, length, out=np.zeros_like(matrix), where=length > 0)


def _kept(
    embedder: TextEmbedder, texts: list[str], folder: Path, progress: ProgressLine
) -> NDArray[np.float32]:
    """Read vectors of distinct texts from the folder or, batch by batch, from the embedder."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = [content_key(text.encode()) for text in texts]
    with FileLock(folder / ".lock"):
        store = _opened(folder)
        if store is not None:
            store.clean()
        todo = [row for row, at in enumerate(_find(store, keys)) if at < 0]
        for start in range(0, len(todo), BATCH):
            rows = todo[start : start + BATCH]
            part = [texts[row] for row in rows]
            try:
                vectors = _checked(embedder.embed(part), part, embedder)
            except InterestingnessError as error:
                done = len(texts) - len(todo) + start
                kept = f"{done:,} of {len(texts):,} texts are embedded and kept"
                raise type(error)(
                    error.found,
                    expected=error.expected,
                    todo=f"{error.todo}; {kept}: the same command goes on from there",
                ) from error
            store = store or FeatureStore(folder, vectors.shape[1])
            store.write([keys[row] for row in rows], vectors, {"embedder": embedder.describe()})
            progress(start + len(rows), len(todo))
        progress.close()
        assert store is not None
        store.merge(at_most=10 * BATCH, about={"embedder": embedder.describe()})
        return np.array(store.gather(store.find(keys)))


def _opened(folder: Path) -> FeatureStore | None:
    """Open the store of an earlier run, if any: only its files record the width."""
    for facts in sorted(folder.glob("segment-*/segment.json")):
        try:
            store = FeatureStore(folder, int(json.loads(facts.read_text())["dim"]))
        except (OSError, ValueError, KeyError):
            continue
        store.refresh()
        return store
    return None


def _find(store: FeatureStore | None, keys: list[bytes]) -> list[int]:
    return [-1] * len(keys) if store is None else store.find(keys).tolist()


def _checked(
    vectors: NDArray[np.float32], texts: Sequence[str], embedder: TextEmbedder
) -> NDArray[np.float32]:
    matrix = np.asarray(vectors, dtype=np.float32)
    if matrix.ndim != 2 or len(matrix) != len(texts) or not np.isfinite(matrix).all():
        raise DataError(
            f"vectors of shape {matrix.shape} for {len(texts)} texts"
            + ("" if np.isfinite(matrix).all() else ", some of them not finite"),
            expected=f"one finite vector a text from {embedder.describe()}",
            todo="check the embedding model",
        )
    return matrix
