"""Measure attributes of a data set's images from pixels, a score table and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips
from interestingness.models.backbones import AttributesBackbone
from interestingness.schema import Array
from interestingness.stats.attributes.novelty import novelty
from interestingness.studies.study import Material


@dataclass(frozen=True, eq=False)
class Measured:
    """Attributes of every image.

    Attributes:
        names: of the attributes.
        units: of each.
        values: NaN where an image could not be measured, shape (images, attributes).
        notes: what is missing and why.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: Array
    notes: tuple[str, ...]


def measure(
    material: Material,
    *,
    attributes: Sequence[str] | None,
    scores: Sequence[str],
    neighbours: int | None = None,
) -> Measured:
    """Measure all images in a pair.

    Args:
        material: tables, image files, features; measurements are cached by image content.
        attributes: names of ``stats.attributes.catalogue``; None takes all but the slow ones.
        scores: names in the score table that count as attributes too: a model's numbers for
            faces, motion, memorability, ….
        neighbours: number of nearest images for novelty; None takes all.

    Raises:
        DataError: for a score that is not there.
        ConfigError: for an unknown attribute.
    """
    names, units = [], []
    columns: list[Array] = []
    notes: list[str] = []
    pixels = _from_pixels(material, AttributesBackbone(names=attributes), notes)
    if pixels is not None:
        backbone, values = pixels
        names += [a.name for a in backbone.attributes]
        units += [a.unit for a in backbone.attributes]
        columns += list(values.T)
    features = material.features
    far = np.full(len(features.present), np.nan)
    far[features.present] = novelty(features.values[features.present], neighbours=neighbours)
    names.append("novelty")
    units.append("cosine distance")
    columns.append(far)
    for score in scores:
        names.append(score)
        units.append("score")
        columns.append(material.tables.scores(score))
    return Measured(tuple(names), tuple(units), np.column_stack(columns), tuple(notes))


def _from_pixels(
    material: Material, backbone: AttributesBackbone, notes: list[str]
) -> tuple[AttributesBackbone, Array] | None:
    """Measure image files; None if the tables name no files."""
    tables = material.tables
    used = material.pairs.images_used()
    named = "path" in tables.images.column_names and not any(
        tables.images["path"][int(row)].as_py() is None for row in used
    )
    if not named:
        notes.append("the image table names no files, so that pictures could not be measured")
        return None
    skips = Skips(max_share=1.0)
    found, ok = FeatureCache(material.cache / "features").features(
        [tables.image_path(int(row)) for row in used],
        backbone,
        progress=material.progress("measuring images"),
        skips=skips,
    )
    values = np.full((len(tables.image_ids), backbone.dim), np.nan)
    values[used[ok]] = found[ok]
    if len(skips):
        notes.append(f"{len(skips)} of {len(used)} images could not be read and measured")
    return backbone, values
