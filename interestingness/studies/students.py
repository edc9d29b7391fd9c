"""One linear student for each label source and split, all judged by one reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.labels.source import LabelSource
from interestingness.learning.linear_solver.ridge import fit_ridge
from interestingness.learning.regularisation import GRID, inner_losses
from interestingness.models.scaling import FeatureScaler
from interestingness.stats.agreement import accuracy
from interestingness.studies.study import Material

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Students:
    """What the students reach.

    Attributes:
        names: of the sources.
        accuracy: on the split's decided test pairs, NaN without a model, shape (splits, sources).
        missing: why there is no model, "" where there is one, shape (splits, sources).
        test_pairs: decided test pairs of each split, shape (splits,).
        scores: of the images by each student, shape (splits, sources, images); NaN likewise.
        test_images: which images are in test pairs, shape (splits, images).
        rule: of the first split, for people.
    """

    names: tuple[str, ...]
    accuracy: Array
    missing: NDArray[np.object_]
    test_pairs: NDArray[np.int64]
    scores: Array
    test_images: NDArray[np.bool_]
    rule: str

    def why(self, source: int) -> str:
        """Why some splits have no student of this source; "" if all have one."""
        lacking = self.missing[:, source] != ""
        if not lacking.any():
            return ""
        reasons = sorted(set(self.missing[lacking, source].tolist()))
        return f"no student on {int(lacking.sum())} of {len(lacking)} splits: {'; '.join(reasons)}"


def fit_students(
    material: Material, sources: Mapping[str, LabelSource], preference: Array, *, splits: int
) -> Students:
    """Standardised features, L2 chosen by inner validation of each split's training images.

    Args:
        material: data, splits and features.
        sources: what is learnt, by name.
        preference: of the reference that judges, shape (pairs,).
        splits: number of repetitions.

    Raises:
        DataError: if a split has no pair to judge by.
    """
    pairs, features = material.pairs, material.features
    usable = features.present[pairs.left] & features.present[pairs.right]
    decided = usable & ~np.isnan(preference) & (preference != 0.5)
    shape = (splits, len(sources))
    reached = np.full(shape, np.nan)
    missing = np.full(shape, "", dtype=object)
    scores = np.full((*shape, len(pairs.image_ids)), np.nan)
    test_images = np.zeros((splits, len(pairs.image_ids)), dtype=bool)
    test_pairs = np.zeros(splits, dtype=np.int64)
    told, rule = material.progress("students"), ""
    for number in range(splits):
        split = material.split(number, material.tables)
        rule = rule or split.rule
        train, test = np.flatnonzero(split.train & usable), np.flatnonzero(split.test & decided)
        if not len(test):
            raise DataError(
                f"split {number} has no test pair that the reference decides",
                expected="test pairs with a label to judge by and usable images",
                todo="choose another split, or a reference that covers more pairs",
            )
        target, weight = _labels(sources, material, train)
        scaler = FeatureScaler("standardize", features.values.shape[1])
        scaled = scaler.fit(features.values[pairs[train].images_used()]).scaled(features.values)
        losses = inner_losses(
            scaled, pairs[train], target[train], weight[train], seed=material.seed
        )
        strength = _strengths(losses)
        found = fit_ridge(scaled, pairs, target, weight, [train], l2=strength)
        scores[number] = (scaled.astype(np.float64) @ found.weights[0].T.astype(np.float64)).T
        missing[number] = found.missing[0]
        test_pairs[number] = len(test)
        test_images[number, pairs[test].images_used()] = True
        for at in np.flatnonzero(missing[number] == "").tolist():
            margin = scores[number, at][pairs.left[test]] - scores[number, at][pairs.right[test]]
            reached[number, at] = accuracy(margin, preference[test])
        told(number + 1, splits)
    told.close()
    return Students(tuple(sources), reached, missing, test_pairs, scores, test_images, rule)


def _labels(
    sources: Mapping[str, LabelSource], material: Material, train: NDArray[np.int64]
) -> tuple[Array, Array]:
    """Preferences and weights of all pairs, fitted on training pairs, shape (pairs, sources)."""
    each = [source.fit(material.pairs[train]).labels(material.pairs) for source in sources.values()]
    preference = np.stack([labels.preference for labels in each], axis=1)
    weight = np.stack([np.where(labels.known, labels.weight, 0.0) for labels in each], axis=1)
    return preference, weight


def _strengths(losses: Array, grid: Sequence[float] = GRID) -> Array:
    """The strength of least inner loss, for each source; the middle one where nothing tells."""
    known = ~np.isnan(losses).any(axis=0)
    best = np.where(known, np.argmin(np.where(np.isnan(losses), np.inf, losses), axis=0), 0)
    return np.where(known, np.asarray(grid)[best], np.asarray(grid)[len(grid) // 2])[None]
