"""The words that tell one group of texts from the others. English."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from simplemma import lemmatize
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

_WORD = re.compile(r"[^\W\d_]{2,}(?:['’-][^\W\d_]{2,})*")
STOP_WORDS = ENGLISH_STOP_WORDS - {
    "bill", "cry", "detail", "fill", "fire", "mill", "sincere", "system", "thick", "thin"
}  # fmt: skip
"""scikit-learn's list without the words that say what a picture shows (Nothman et al. 2018 on what
such lists contain by accident)."""
ABOUT_PICTURES = frozenset(
    {"image", "picture", "photo", "photograph", "interesting", "interest", "left", "right"}
)
"""What nearly every reason says, whichever picture it is about."""


def words_of(text: str, *, ignore: Collection[str] = ABOUT_PICTURES) -> list[str]:
    """Lemmas of a text in their order, without stop words, numbers and words of one letter.

    Args:
        text: any text; case is dropped.
        ignore: further words to leave out, as lemmas.

    Source:
        Stop words of scikit-learn; lemmas of simplemma's English dictionary, which leaves unknown
        words as they are.
    """
    found = []
    for word in _WORD.findall(text.casefold()):
        if word in STOP_WORDS:
            continue
        lemma = _lemma(word)
        if lemma not in STOP_WORDS and lemma not in ignore:
            found.append(lemma)
    return found


def salient_words(
    texts: Sequence[Collection[str]], cluster: NDArray[np.int64], *, most: int = 4
) -> list[tuple[str, ...]]:
    """Words of each cluster: frequent in its texts and rare in the other clusters.

    A word counts once in a text. It weighs its share of the cluster's texts times
    ``log(1 + mean / total)``, with the mean number of words a cluster holds and the number of
    texts of all clusters with the word.

    Args:
        texts: words of each text (``words_of``), shape (texts,).
        cluster: numbers from 0, shape (texts,).
        most: words a cluster.

    Returns:
        One tuple a cluster, the most salient first; fewer words where a cluster has no more.

    Source:
        Class-based TF-IDF, Grootendorst 2022 (BERTopic), with document frequencies.
    """
    count = int(cluster.max()) + 1 if len(cluster) else 0
    per_cluster: list[Counter[str]] = [Counter() for _ in range(count)]
    sizes = np.bincount(cluster, minlength=count)
    for words, number in zip(texts, cluster.tolist(), strict=True):
        per_cluster[number].update(set(words))
    total: Counter[str] = Counter()
    for counter in per_cluster:
        total.update(counter)
    mean = sum(total.values()) / max(count, 1)
    named = []
    for counter, size in zip(per_cluster, sizes.tolist(), strict=True):
        weight = {w: n / size * np.log1p(mean / total[w]) for w, n in counter.items()}
        ranked = sorted(weight, key=lambda w: (-weight[w], w))
        named.append(tuple(ranked[:most]))
    return named


@lru_cache(maxsize=100_000)
def _lemma(word: str) -> str:
    return str(lemmatize(word, lang="en")).casefold()
