"""Rank images by linear scorers that were not trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interestingness.data.splits import PairSplit
from interestingness.errors import DataError
from interestingness.labels.source import LabelSource
from interestingness.learning.linear_solver.choice import choose_l2
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.models.scaling import FeatureScaler
from interestingness.progress import ProgressLine
from interestingness.schema import Array, Pairs
from interestingness.studies.study import ImageFeatures

REFITS = 100
"""Refits of each kind that tell how far training itself scatters."""


@dataclass(frozen=True, eq=False)
class HeldOutRanks:
    """Ranks of one model.

    Attributes:
        rank: mean relative rank of each image over the splits in which it was tested, 0 for the
            most and 1 for the least interesting; NaN where it never was, shape (images,).
        by_image: the same after training on resampled images, shape (images, refits); a resample
            that gave no model is NaN throughout.
        by_pair: the same after training on resampled pairs, shape (images, refits).
        l2: strength of L2, chosen inside the training images of the first split.
        tested: mean number of images that were ranked together.
    """

    rank: Array
    by_image: Array
    by_pair: Array
    l2: float
    tested: float


def held_out_ranks(
    source: LabelSource,
    features: ImageFeatures,
    pairs: Pairs,
    splits: Sequence[PairSplit],
    *,
    seed: int,
    refits: int = REFITS,
    progress: ProgressLine | None = None,
) -> HeldOutRanks:
    """Train on the training pairs of each split and rank its test images.

    Features are standardised over the training images; the L2 optimum is solved to convergence.
    Every training is repeated with resampled weights, the same for every source of a seed, so that
    differences between two sources keep what their trainings have in common.

    Args:
        source: labels to learn from; fitted on training pairs only.
        features: of every image.
        pairs: all pairs.
        splits: which pairs train and test.
        seed: of the inner validation that chooses L2, and of the refits.
        refits: number of refits with resampled images, and as many with resampled pairs.
        progress: called with the number of splits done.

    Raises:
        DataError: if a split leaves nothing to train on or to rank, or a fit fails.
    """
    counts = _resampled(pairs, refits, seed)
    total, times = (
        np.zeros((len(features.present), 1 + 2 * refits)),
        np.zeros(len(features.present)),
    )
    sizes: list[int] = []
    l2: float | None = None
    usable = features.present[pairs.left] & features.present[pairs.right]
    for number, split in enumerate(splits):
        labels = source.fit(pairs[split.train]).labels(pairs)
        train = split.train & usable & labels.known & (labels.weight > 0)
        tested = pairs[split.test & usable].images_used()
        if not train.any() or len(tested) < 2:
            raise DataError(
                f"{int(train.sum())} pairs to train {source.name!r} on and {len(tested)} images "
                f"to rank ({split.rule})",
                expected="labelled training pairs and at least two test images with features",
                todo="choose another split, or a source that labels more pairs",
            )
        training = pairs[train]
        scaler = FeatureScaler("standardize", features.values.shape[1])
        scaled = scaler.fit(features.values[training.images_used()]).scaled(features.values)
        preference, weight = labels.target[train], labels.weight[train]
        if l2 is None:
            l2 = choose_l2(scaled, training, preference, weight, seed=seed)
        heads = _heads(scaled, training, preference, weight[:, None] * counts[train], l2, source)
        score = scaled[tested] @ heads.T
        order = np.argsort(np.argsort(-score, axis=0, kind="stable"), axis=0, kind="stable")
        # A resample without both sides gives no model: NaN, which the variance leaves out.
        total[tested] += np.where(np.isnan(score[:1]), np.nan, order / (len(tested) - 1))
        times[tested] += 1
        sizes.append(len(tested))
        if progress is not None:
            progress(number + 1, len(splits))
    known = (times > 0)[:, None]
    rank = np.divide(total, times[:, None], out=np.full_like(total, np.nan), where=known)
    return HeldOutRanks(
        rank[:, 0],
        rank[:, 1 : 1 + refits],
        rank[:, 1 + refits :],
        float(l2 or 0.0),
        float(np.mean(sizes)),
    )


def both_ways(splits: Sequence[PairSplit], pairs: Pairs) -> list[PairSplit]:
    """Return the splits, and each one with training and test swapped if of similar size.

    So every image is ranked once a split, by a model that has not seen it. A test part with less
    than half as many images as the training part is too small to train on, and is not swapped.
    """
    found = []
    for split in splits:
        found.append(split)
        sides = split.image_parts(pairs)
        if 2 * sides["test"].sum() >= sides["train"].sum() > 0:
            found.append(
                PairSplit(split.test, split.validation, split.train, split.rule, split.facts)
            )
    return found


def _resampled(pairs: Pairs, refits: int, seed: int) -> Array:
    """Draw weights of pairs, (pairs, 1 + 2 · refits): not resampled, by images, by pairs."""
    rng = np.random.default_rng(seed)
    used, row = np.unique(np.concatenate([pairs.left, pairs.right]), return_inverse=True)
    images, count = len(used), len(pairs)
    drawn = rng.multinomial(images, np.full(images, 1 / images), size=refits).T
    by_image = drawn[row[:count]] * drawn[row[count:]]
    by_pair = rng.multinomial(count, np.full(count, 1 / count), size=refits).T
    return np.hstack([np.ones((count, 1)), by_image, by_pair]).astype(np.float64)


def _heads(
    scaled: NDArray[np.float32],
    training: Pairs,
    preference: Array,
    weight: Array,
    l2: float,
    source: LabelSource,
) -> NDArray[np.float32]:
    """Fit a linear head per column of weights, (columns, dim); NaN where a resample failed.

    Raises:
        DataError: if the first column fails, which is not resampled, or half of the others.
    """
    columns = weight.shape[1]
    repeated = np.repeat(preference[:, None], columns, axis=1)
    fits = fit_linear(scaled, training, repeated, weight, l2=l2)
    failed = fits.missing[0] != ""
    if failed[0] or failed.mean() > 0.5:
        raise DataError(
            f"{source.name!r}: {int(failed.sum())} of {columns} trainings, resamples included, "
            f"failed: {fits.missing[0][failed][0]}",
            expected="training pairs of both sides",
            todo="use more pairs, or another source",
        )
    return fits.weights[0]
