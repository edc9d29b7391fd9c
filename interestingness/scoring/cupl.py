"""``scorer=cupl``: zero-shot scores. Sentences → text tower → mean → cosine with the image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.models.backbone import Backbone
from interestingness.models.backbones import OpenClipBackbone, SceneClipBackbone
from interestingness.models.text_towers import OpenClipText, SceneClipText
from interestingness.scoring.table_scorer import ScorerMaterial, TableScorer
from interestingness.tables.tables import Tables
from interestingness.tables.user_tables import read_user_table

SHIPPED = "shipped"
DATASET = "dataset"
SCENES = "scene_clip"


class Cupl(TableScorer):
    """Cosine of an image with the mean of sentences that describe such images.

    The vectors of sentences, their mean and the vector of the image are scaled to length 1. With a
    contrast, the cosine with the mean of its sentences is subtracted.

    Source:
        Pratt et al. 2023 (CuPL), with one class as in Abdullahu and Grabner 2025; the contrast is
        our addition.
    """

    def __init__(
        self,
        *,
        question: str,
        contrast: str | None,
        prompts: str,
        alike: float,
        column: str,
        architecture: str,
        weights: str,
        pretrained: str | None = "openai",
        licence: str = "MIT",
    ) -> None:
        """Load both towers of one CLIP model.

        Args:
            question: the quality whose sentences raise the score.
            contrast: the quality whose sentences lower it, e.g. "uninteresting"; None uses no
                contrast, as the paper does.
            prompts: "shipped" (sentences of our own), "dataset" (what ``interestingness annotate
                what=cupl`` wrote, for each of the two questions), or a CSV file with the columns
                ``question`` and ``text``.
            alike: cosine of two sentences above which the later one is dropped as a duplicate; 1
                drops equal ones only.
            column: name of the score.
            architecture: a CLIP model that open_clip knows, or "scene_clip", the small one in this
                package, for synthetic scenes.
            weights: "hub", the path of a checkpoint of the whole model, or "random[:seed]".
            pretrained: tag of the published weights.
            licence: of these.

        Raises:
            WeightsError: for an unknown model or unusable weights.
        """
        self.question, self.contrast, self.prompts = question, contrast, prompts
        self.alike, self.column = alike, column
        self._image: Backbone
        self._text: OpenClipText
        if architecture == SCENES:
            self._image, self._text = (
                SceneClipBackbone(weights="embedded"),
                SceneClipText(weights="embedded"),
            )
        else:
            self._image = OpenClipBackbone(
                architecture, pretrained=pretrained, weights=weights, licence=licence
            )
            self._text = OpenClipText(
                architecture, pretrained=pretrained, weights=weights, licence=licence
            )
        self.licence = self._image.licence
        self._used: dict[str, list[str]] = {}

    def describe(self) -> str:
        """Poles, prompts, tower."""
        against = f" against {self.contrast!r}" if self.contrast else ""
        return f"sentences ({self.prompts}) on {self.question!r}{against}; {self._text.describe()}"

    def identity(self) -> str:
        """Hash of towers, rule and the sentences that were last used."""
        text = repr([self._used, self.alike, self._text.fingerprint(), self._image.fingerprint()])
        return f"cupl {hashlib.sha256(text.encode()).hexdigest()}"

    def scores(self, material: ScorerMaterial) -> NDArray[np.float64]:
        """Cosines, or differences of two cosines, in [−1, 1] or [−2, 2]."""
        poles = [self.question, *([self.contrast] if self.contrast else [])]
        direction = np.zeros(self._text.dim)
        self._used = {}
        for pole, sign in zip(poles, (1.0, -1.0), strict=False):
            texts = read_prompts(self.prompts, pole, material.tables)
            mean, self._used[pole] = mean_direction(texts, self._text.embed(texts), self.alike)
            direction += sign * mean
        features, present = material.features(self._image)
        return np.where(present, unit(features.astype(np.float64)) @ direction, np.nan)

    @property
    def facts(self) -> dict[str, int]:
        """Sentences that were used last, by pole."""
        return {pole: len(texts) for pole, texts in self._used.items()}


def mean_direction(
    texts: Sequence[str], vectors: NDArray[np.floating], alike: float
) -> tuple[NDArray[np.float64], list[str]]:
    """Mean direction of several sentences without duplicates.

    Args:
        texts: shape (texts,).
        vectors: of any length, shape (texts, dim).
        alike: cosine from which a later sentence is a duplicate of an earlier one.

    Returns:
        Vector of length 1, shape (dim,), and the sentences that were used.
    """
    rows = unit(np.asarray(vectors, dtype=np.float64))
    kept: list[int] = []
    seen: set[str] = set()
    for i, text in enumerate(texts):
        words = " ".join(text.casefold().split()).rstrip(".")
        if words in seen or (alike < 1 and kept and (rows[kept] @ rows[i] >= alike).any()):
            continue
        seen.add(words)
        kept.append(i)
    return unit(rows[kept].mean(axis=0)[None])[0], [texts[i] for i in kept]


def read_prompts(prompts: str, question: str, tables: Tables) -> list[str]:
    """Sentences about one quality, in the order of their table.

    Raises:
        DataError: if there is none, or the file is no table of them.
    """
    if prompts == DATASET:
        found = _of_dataset(tables, question)
        todo = f"interestingness annotate what=cupl question={question} annotator=gpt4o"
    else:
        shipped = files("interestingness.annotators").joinpath("prompts", "cupl_sentences.csv")
        file = Path(str(shipped)) if prompts == SHIPPED else Path(prompts).expanduser()
        found = _of_file(file, question)
        todo = f"scorer.prompts=dataset with sentences on {question!r}, or add them to the file"
    if not found:
        raise DataError(
            f"{prompts}: no sentence on {question!r}",
            expected="what such an image looks like, one sentence a row",
            todo=todo,
        )
    return found


def _of_file(file: Path, question: str) -> list[str]:
    table = read_user_table(file)
    about, texts = (table.need(name, (name,), {}) for name in ("question", "text"))
    rows = zip(table.cells(about), table.cells(texts), strict=True)
    return [text for asked, text in rows if asked == question and text]


def _of_dataset(tables: Tables, question: str) -> list[str]:
    if not tables.has("texts"):
        return []
    columns = ("kind", "question", "text")
    rows = zip(*(tables.table("texts")[name].to_pylist() for name in columns), strict=True)
    return [text for kind, about, text in rows if (kind, about) == ("cupl", question) and text]


def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows scaled to length 1; a row of zeros is unchanged."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1.0))
