"""From the config to rows in which the modalities of an image stand side by side."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import get_close_matches

import numpy as np
import pyarrow as pa
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig, ListConfig

from interestingness.datasets.image_texts import (
    LISTS,
    WRITTEN,
    reads_written,
    texts_of_images,
    written_descriptions,
)
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
        ConfigError: for modalities that repeat or do not exist, or scaling that would mix them.
        DataError: for a column of numbers, or a modality that no image has.
        WeightsError: for text towers that know other images than these.
    """
    names, raters = _listed(model, "modalities") or [], _listed(model, "raters")
    _check(names, raters, model, tables)
    # Texts first: a column or file that is misnamed is found before any image is encoded.
    texts = {
        name: tags_or_texts(tables, name, notes, raters=raters)
        for name in names
        if name not in (IMAGE, GENERATED)
    }
    if reads_written(tables, names, raters):
        notes.append(_writers(tables, raters))
    vocabulary = _vocabulary(model, tables) if GENERATED in names else []
    words = text_vectors(model, tables) if set(names) - {IMAGE} else None
    blocks, identity = {}, []
    said = {IMAGE: "no picture could be read"}
    if {IMAGE, GENERATED} & set(names):
        backbone, contract, values, present = encode()
        if backbone is not None:
            notes.append(f"image: {backbone.describe()}")
        pixels = np.where(present[:, None], values, np.nan).astype(np.float32)
        identity.append(contract.fingerprint())
    if words is not None:
        notes.append(words.describe())
        identity.append(words.fingerprint())
    for name in names:
        if name == IMAGE or words is None:
            blocks[name] = pixels
            continue
        if name == GENERATED:
            texts[name] = generated_tags(model, pixels, vocabulary)
        found = words.average(texts[name])
        said[name] = found.note(name)
        notes.append(said[name])
        blocks[name] = found.values
    for name, block in blocks.items():
        if np.isnan(block[:, 0]).all():
            raise DataError(
                f"{tables.manifest.name}: no image has the modality {name!r} ({said[name]})",
                expected="at least one image with a text that has a vector",
                todo="name another column or other vectors: model.modalities, model.words.path",
            )
    rows = np.concatenate(list(blocks.values()), axis=1)
    there = np.any([~np.isnan(block[:, 0]) for block in blocks.values()], axis=0)
    text = json.dumps([names, identity])
    name = row_name({name: block.shape[1] for name, block in blocks.items()})
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:32]
    return None, EmbeddingContract.of_cached(name, fingerprint, rows.shape[1]), rows, there


def tags_or_texts(
    tables: Tables, name: str, notes: list[str], *, raters: Sequence[str] | None = None
) -> list[list[str]]:
    """Texts of a column; tags lose those that give the label away, which is counted."""
    texts = texts_of_images(tables, name.removesuffix(WITH_LEAKS), raters=raters)
    if name.endswith(WITH_LEAKS) or not _is_list(name):
        return texts
    clean = without_leak(texts)
    if clean.removed:
        notes.append(
            f"{name}: {sum(clean.removed.values()):,} tags that contain {LEAK!r} removed, from "
            f"{sum(clean.affected):,} images"
        )
    return clean.tags


def _writers(tables: Tables, raters: Sequence[str] | None) -> str:
    """Who wrote the descriptions, in a sentence."""
    writers = written_descriptions(tables, raters=raters or ["*"]).writers
    whose = ", ".join(f"{count:,} by {rater}" for rater, count in writers.most_common())
    return f"descriptions that a model wrote: {whose}"


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
    model: DictConfig, pixels: NDArray[np.float32], vocabulary: list[str]
) -> list[list[str]]:
    """Ten tags an image: the nearest words in CLIP space, of those that the data set's tags use."""
    tower = TowerVectors(instantiate(model.tower))
    return nearest_words(pixels, tower.find(vocabulary), vocabulary)


def _vocabulary(model: DictConfig, tables: Tables) -> list[str]:
    counts = Counter(
        tag.casefold() for some in tags_or_texts(tables, model.vocabulary, []) for tag in some
    )
    return [word for word, _ in counts.most_common(MOST_WORDS)]


def _check(names: list[str], raters: list[str] | None, model: DictConfig, tables: Tables) -> None:
    if not names or len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        raise ConfigError(
            f"model.modalities=[{','.join(names)}]"
            + (f": {', '.join(twice)} stands there twice" if twice else ""),
            expected="one or more distinct names: image, generated_tags, columns of the images",
            todo="model.modalities=[image,tags]",
        )
    _check_columns(names, "model.modalities", [IMAGE, GENERATED, WRITTEN], tables)
    if GENERATED in names:
        _check_columns([str(model.vocabulary)], "model.vocabulary", [], tables)
    leaky = [name for name in names if name.endswith(WITH_LEAKS) and not _is_list(name)]
    if leaky:
        raise ConfigError(
            f"model.modalities=[{','.join(names)}]: {', '.join(leaky)}",
            expected=f"{WITH_LEAKS!r} after a column of tags: only those lose the tags that leak",
            todo=f"name {leaky[0].removesuffix(WITH_LEAKS)} itself",
        )
    if raters is not None and WRITTEN not in names:
        raise ConfigError(
            f"model.raters=[{','.join(raters)}] and model.modalities=[{','.join(names)}]",
            expected=f"the modality {WRITTEN!r}, whose writers are meant",
            todo=f"add {WRITTEN} to model.modalities, or leave model.raters out",
        )
    if model.scaling != "none" or model.l2 == "auto":
        raise ConfigError(
            f"model.scaling={model.scaling} model.l2={model.l2} with several modalities",
            expected="scaling none (the fusion scales each modality by itself) and a number for l2",
            todo="leave both out",
        )


def _check_columns(
    names: Sequence[str], option: str, others: Sequence[str], tables: Tables
) -> None:
    images = tables.images
    texts = [
        column.name
        for column in images.schema
        if _holds_texts(column.type) and column.name not in ("image_id", "path", "sha256", *others)
    ]
    known = [*others, *texts]
    strange = [
        name
        for name in names
        if name.removesuffix(WITH_LEAKS) not in {*others, *images.column_names}
    ]
    if strange:
        alike = [a for name in strange for a in get_close_matches(name, known, n=1, cutoff=0.75)]
        raise ConfigError(
            f"{option}: {tables.manifest.name} has no {', '.join(strange)}",
            expected=f"names of {', '.join(known)}",
            todo=f"did you mean {', '.join(alike)}?"
            if alike
            else "correct the name, or bring the column: dataset.groups=FILE has image and tags",
        )


def _holds_texts(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_list(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_null(kind)


def _is_list(name: str) -> bool:
    return any(part in name.casefold() for part in LISTS)


def _listed(model: DictConfig, option: str) -> list[str] | None:
    """The texts of an option that is a list; None where it is null."""
    value = model.get(option)
    if value is None or isinstance(value, ListConfig):
        return None if value is None else [str(one) for one in value]
    raise ConfigError(
        f"model.{option}={value}", expected="a list", todo=f"model.{option}=[{value}]"
    )
