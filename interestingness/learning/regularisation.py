"""Choosing the strength of L2 for linear heads, inside the training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from interestingness.errors import DataError
from interestingness.learning.linear_solver.minimise import minimise
from interestingness.learning.linear_solver.pair_features import PairFeatures
from interestingness.learning.linear_solver.ridge import unit_of
from interestingness.learning.linear_solver.threads import in_threads
from interestingness.schema import Array, Pairs

GRID = tuple(float(v) for v in np.logspace(-4, 1, 11))
TOLERANCE = 0.05
"""Of the inner fits: their losses are compared, their weights are thrown away."""


@dataclass(frozen=True)
class L2Choice:
    """What the inner validation found: the strength, and the loss in nats at each one tried."""

    l2: float
    strengths: tuple[float, ...]
    losses: tuple[float, ...]


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
    losses = inner_losses(
        features,
        pairs,
        preference[:, None],
        weight[:, None],
        seed=seed,
        groups=groups,
        strengths=strengths,
        folds=folds,
    )[:, 0]
    if np.isnan(losses).any():
        raise DataError(
            f"{len(pairs)} training pairs are too few to choose L2 by inner validation",
            expected=f"pairs within each of {folds} parts of the training images",
            todo="give the strength yourself (model.l2=0.01) or use more pairs",
        )
    order = np.argsort(strengths)[::-1]
    best = order[int(np.argmin(losses[order]))]
    return L2Choice(
        float(strengths[best]),
        tuple(float(strengths[i]) for i in order),
        tuple(float(losses[i]) for i in order),
    )


def inner_losses(
    features: NDArray[np.floating],
    pairs: Pairs,
    preference: Array,
    weight: Array,
    *,
    seed: int,
    groups: NDArray[np.object_] | None = None,
    strengths: Sequence[float] = GRID,
    folds: int = 3,
) -> Array:
    """Held-out loss of every strength and label source, over inner folds of images.

    Args:
        features: scaled as they will be for training, one row per image, shape (images, dim).
        pairs: training pairs only.
        preference: in [0, 1], NaN where a source knows nothing; shape (pairs, sources).
        weight: non-negative, shape (pairs, sources).
        seed: of the dealing of images to folds.
        groups: group of every image, shape (images,); whole groups are dealt then.
        strengths: candidates.
        folds: number of inner folds.

    Returns:
        Mean loss in nats, shape (strengths, sources); NaN where a source has no pair to judge by.
    """
    fold = _deal(len(pairs.image_ids) if groups is None else groups, seed, folds)
    chosen = PairFeatures(features, pairs, shared=True)
    mass = np.where(np.isnan(preference), 0.0, weight)
    sources = mass.shape[1]
    losses, judged = np.zeros((folds, len(strengths), sources)), np.zeros((folds, sources))

    def judge(k: int) -> None:
        inside = np.flatnonzero((fold[pairs.left] == k) & (fold[pairs.right] == k))
        outside = np.flatnonzero((fold[pairs.left] != k) & (fold[pairs.right] != k))
        columns = np.flatnonzero((mass[outside] > 0).any(0) & (mass[inside] > 0).any(0))
        if not len(columns):
            return
        held = mass[np.ix_(inside, columns)]
        target = np.where(held > 0, preference[np.ix_(inside, columns)], 0.5)
        margins = _margins_of_path(chosen, outside, inside, preference, weight, columns, strengths)
        each = np.logaddexp(0.0, margins) - target * margins
        losses[k][:, columns] = (held * each).sum(axis=1)
        judged[k, columns] = held.sum(axis=0)

    in_threads(judge, folds)
    total = judged.sum(axis=0)
    return np.where(total > 0, losses.sum(axis=0) / np.where(total > 0, total, 1.0), np.nan)


def _margins_of_path(
    chosen: PairFeatures,
    learn: NDArray[np.int64],
    held: NDArray[np.int64],
    preference: Array,
    weight: Array,
    columns: NDArray[np.int64],
    strengths: Sequence[float],
) -> Array:
    """Margins of held-out pairs by the fit at each strength, (strengths, held, columns)."""
    out = np.empty((len(strengths), len(held), len(columns)))
    start = None
    rows = torch.from_numpy(held)
    apart = chosen.matrix[chosen.left[rows]] - chosen.matrix[chosen.right[rows]]
    # From strong to weak: each solution is a good start for the next.
    for i in np.argsort(strengths)[::-1]:
        every = np.full(preference.shape[1], strengths[i])
        unit = unit_of(0, columns, learn, preference, weight, every)
        if start is None:
            few = chosen.few(unit.rows)
            form, basis = (chosen.dual([unit.rows]), None) if few else chosen.primal(unit.rows)
        found = minimise(form, unit.problems, start=start, tolerance=TOLERANCE)
        start, x = found.x, found.x[0]
        w = chosen.weights(unit.rows, x) if few else x if basis is None else basis @ x
        out[i] = (apart @ w).numpy()
    return out


def _deal(images: int | NDArray[np.object_], seed: int, folds: int) -> NDArray[np.int64]:
    """Fold of every image; whole groups are dealt where groups are given."""
    unit = (
        np.arange(images) if isinstance(images, int) else np.unique(images, return_inverse=True)[1]
    )
    rng = np.random.default_rng(seed)
    return rng.permutation(np.arange(unit.max() + 1) % folds)[unit]
