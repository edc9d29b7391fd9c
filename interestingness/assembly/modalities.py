"""From the config to rows in which the modalities of an image stand side by side."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable

import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig

from interestingness.datasets.image_texts import LISTS, texts_of_images
from interestingness.datasets.tags import LEAK, without_leak
from interestingness.errors import ConfigError, DataError, WeightsError
from interestingness.labels.tables import Tables
from interestingness.models.backbone import Backbone
from interestingness.models.contract import EmbeddingContract
from interestingness.models.fusion import row_name
from interestingness.models.words import TextVectors, TowerVectors, nearest_words

Features = tuple[Backbone | None, EmbeddingContract, NDArray[np.float32], NDArray[np.bool_]]

IMAGE, GENERATED = "image", "generated_tags"
WITH_LEAKS = "_with_leaks"
"""Ending of a modality whose tags are taken with those that give the label away, for an audit."""
MOST_WORDS = 2000
"""Words that tags are generated from: the data set's own, the most frequent first."""


def fused_features(
    model: DictConfig, tables: Tables, notes: list[str], encode: Callable[[], Features]
) -> Features:
    """Modalities side by side, NaN where one is missing, shape (images, sum of widths).

    Args:
        model: composed ``conf/model/tag_fusion.yaml``.
        tables: the prepared data set.
        notes: takes sentences: what was missing, how many tags were unknown.
        encode: makes the image features; called only if a modality needs them.

    Raises:
        ConfigError: for modalities that repeat, or scaling that would mix them.
        DataError: for a column that is not there, or a modality that no image has.
        WeightsError: for text towers that know other images than these.
    """
    names = [str(name) for name in model.modalities]
    _check(names, model)
    image = encode() if {IMAGE, GENERATED} & set(names) else None
    blocks, identity = {}, []
    if image is not None:
        _, contract, values, present = image
        pixels = np.where(present[:, None], values, np.nan).astype(np.float32)
        identity.append(contract.fingerprint())
    words: TextVectors | None = None
    for name in names:
        if name == IMAGE:
            blocks[name] = pixels
            continue
        if words is None:
            words = text_vectors(model, tables)
            notes.append(words.describe())
            identity.append(words.fingerprint())
        texts = (
            generated_tags(model, tables, pixels)
            if name == GENERATED
            else tags_or_texts(tables, name, notes)
        )
        found = words.average(texts)
        notes.append(found.note(name))
        blocks[name] = found.values
    for name, block in blocks.items():
        if np.isnan(block[:, 0]).all():
            raise DataError(
                f"{tables.manifest.name}: no image has the modality {name!r}",
                expected="at least one image with a text that has a vector",
                todo="name another column or other vectors: model.modalities, model.words.path",
            )
    rows = np.concatenate(list(blocks.values()), axis=1)
    there = np.any([~np.isnan(block[:, 0]) for block in blocks.values()], axis=0)
    text = json.dumps([names, identity])
    name = row_name({name: block.shape[1] for name, block in blocks.items()})
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:32]
    return None, EmbeddingContract.of_cached(name, fingerprint, rows.shape[1]), rows, there


def tags_or_texts(tables: Tables, name: str, notes: list[str]) -> list[list[str]]:
    """Texts of a column; tags lose those that give the label away, which is counted."""
    texts = texts_of_images(tables, name.removesuffix(WITH_LEAKS))
    if name.endswith(WITH_LEAKS) or not any(part in name.casefold() for part in LISTS):
        return texts
    clean = without_leak(texts)
    if clean.removed:
        notes.append(
            f"{name}: {sum(clean.removed.values()):,} tags that contain {LEAK!r} removed, from "
            f"{sum(clean.affected):,} images"
        )
    return clean.tags


def text_vectors(model: DictConfig, tables: Tables) -> TextVectors:
    """What makes vectors of texts, if it may be used with such images."""
    words: TextVectors = instantiate(model.words)
    if words.domain and words.domain != tables.manifest.domain:
        raise WeightsError(
            f"the text tower is for {words.domain} images, the data set has "
            f"{tables.manifest.domain}",
            expected="word vectors, or a text tower trained on such images",
            todo="model/words=file model.words.path=FILE, or text_embedder@model.tower=clip_text",
        )
    return words


def generated_tags(
    model: DictConfig, tables: Tables, pixels: NDArray[np.float32]
) -> list[list[str]]:
    """Ten tags an image: the nearest words in CLIP space, of those that the data set's tags use."""
    counts = Counter(
        tag.casefold() for some in tags_or_texts(tables, model.vocabulary, []) for tag in some
    )
    vocabulary = [word for word, _ in counts.most_common(MOST_WORDS)]
    tower = TowerVectors(instantiate(model.tower))
    return nearest_words(pixels, tower.find(vocabulary), vocabulary)


def _check(names: list[str], model: DictConfig) -> None:
    if not names or len(set(names)) < len(names):
        raise ConfigError(
            f"model.modalities={names}",
            expected="one or more distinct names: image, generated_tags, columns of the images",
            todo="model.modalities=[image,tags]",
        )
    if model.scaling != "none" or model.l2 == "auto":
        raise ConfigError(
            f"model.scaling={model.scaling} model.l2={model.l2} with several modalities",
            expected="scaling none (the fusion scales each modality by itself) and a number for l2",
            todo="leave both out",
        )
