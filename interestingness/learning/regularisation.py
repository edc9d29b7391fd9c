"""Choosing the strength of L2 for a linear head, inside the training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from interestingness.errors import DataError
from interestingness.schema import Pairs

Array = NDArray[np.float64]
GRID = tuple(float(v) for v in np.logspace(-4, 1, 11))


@dataclass(frozen=True)
class L2Choice:
    """What the inner validation found: the strength, and the loss in nats at each one tried."""

    l2: float
    strengths: tuple[float, ...]
    losses: tuple[float, ...]


def fit_linear(
    features: NDArray[np.floating],
    pairs: Pairs,
    preference: Array,
    weight: Array,
    *,
    l2: float,
    start: Array | None = None,
    iterations: int = 200,
) -> Array:
    """Weights of the linear Bradley-Terry scorer with L2, by L-BFGS.

    Minimises ``sum(weight * loss) / sum(weight) + l2 / 2 * |w|²``, which the learner minimises too.
    The work is done per image, not per pair: pairs share images.

    Args:
        features: one row per image of ``pairs.image_ids``, shape (images, dim).
        pairs: pairs to learn from.
        preference: in [0, 1], shape (pairs,).
        weight: non-negative, shape (pairs,).
        l2: strength, 0 or more.
        start: initial weights, shape (dim,).
        iterations: upper bound of L-BFGS steps.

    Returns:
        Weights, shape (dim,).
    """
    used = pairs.images_used()
    matrix = np.ascontiguousarray(features[used], dtype=np.float64)
    place = np.full(len(pairs.image_ids), -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    left, right = place[pairs.left], place[pairs.right]
    share = weight / weight.sum()

    def objective(w: Array) -> tuple[float, Array]:
        score = matrix @ w
        margin = score[left] - score[right]
        loss = share @ (np.logaddexp(0.0, margin) - preference * margin)
        slope = share * (expit(margin) - preference)
        per_image = np.bincount(left, slope, len(used)) - np.bincount(right, slope, len(used))
        return loss + 0.5 * l2 * (w @ w), matrix.T @ per_image + l2 * w

    initial = np.zeros(matrix.shape[1]) if start is None else start
    found = minimize(
        objective, initial, jac=True, method="L-BFGS-B", options={"maxiter": iterations}
    )
    return np.asarray(found.x)


def choose_l2(
    features: NDArray[np.floating],
    pairs: Pairs,
    preference: Array,
    weight: Array,
    *,
    seed: int,
    groups: NDArray[np.object_] | None = None,
    strengths: Sequence[float] = GRID,
    folds: int = 3,
) -> L2Choice:
    """Pick the L2 strength by cross-validation in which no image (or group) is on both sides.

    Args:
        features: scaled as they will be for training, one row per image, shape (images, dim).
        pairs: training pairs only.
        preference: in [0, 1], shape (pairs,).
        weight: non-negative, shape (pairs,).
        seed: of the dealing of images to folds.
        groups: group of every image, shape (images,); whole groups are dealt then.
        strengths: candidates.
        folds: number of inner folds.

    Raises:
        DataError: if too few pairs lie within the folds to judge by.
    """
    rng = np.random.default_rng(seed)
    units = (
        np.arange(len(pairs.image_ids))
        if groups is None
        else np.unique(groups, return_inverse=True)[1]
    )
    fold_of_unit = rng.permutation(np.arange(units.max() + 1) % folds)
    fold = fold_of_unit[units]
    descending = sorted(strengths, reverse=True)
    losses = np.zeros(len(descending))
    judged = 0.0
    for k in range(folds):
        inside = (fold[pairs.left] == k) & (fold[pairs.right] == k)
        outside = (fold[pairs.left] != k) & (fold[pairs.right] != k)
        if not inside.any() or not outside.any():
            continue
        train, held = pairs[outside], pairs[inside]
        w: Array | None = None
        for i, l2 in enumerate(descending):
            # From strong to weak: each solution is a good start for the next.
            w = fit_linear(features, train, preference[outside], weight[outside], l2=l2, start=w)
            margin = (features[held.left] - features[held.right]) @ w
            each = np.logaddexp(0.0, margin) - preference[inside] * margin
            losses[i] += weight[inside] @ each
        judged += float(weight[inside].sum())
    if judged == 0:
        raise DataError(
            f"{len(pairs)} training pairs are too few to choose L2 by inner validation",
            expected=f"pairs within each of {folds} parts of the training images",
            todo="give the strength yourself (model.l2=0.01) or use more pairs",
        )
    best = int(np.argmin(losses))
    return L2Choice(descending[best], tuple(descending), tuple(float(v) for v in losses / judged))
