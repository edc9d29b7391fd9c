"""Words that distinguish one group of English texts from the others."""

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
"""scikit-learn's list without words that describe what a picture shows (Nothman et al. 2018 found
such accidents in published lists)."""
ABOUT_PICTURES = frozenset(
    {"image", "picture", "photo", "photograph", "interesting", "interest", "left", "right"}
)
"""Words of nearly every reason, whatever the picture shows."""


def words_of(text: str, *, ignore: Collection[str] = ABOUT_PICTURES) -> list[str]:
    """Lemmas of a text in order, without stop words, numbers and words of one letter.

    Args:
        text: any text; case is ignored.
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
    """Words of each cluster that are frequent in its texts and rare in the other clusters.

    A word counts once in a text. Its weight is its share of the cluster's texts times
    ``log(1 + mean / total)``, where mean is the mean number of words in a cluster and total the
    number of texts in all clusters with the word.

    Args:
        texts: words of each text (``words_of``), shape (texts,).
        cluster: numbers from 0, shape (texts,).
        most: words for each cluster.

    Returns:
        One tuple for each cluster, most salient words first; shorter if a cluster has fewer words.

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
