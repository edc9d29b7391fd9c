"""Choosing the strength of L2 by cross-validation inside the training pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from interestingness.learning.linear_solver.minimise import minimise
from interestingness.learning.linear_solver.pair_features import PairFeatures
from interestingness.learning.linear_solver.problems import unit_of
from interestingness.learning.linear_solver.threads import in_threads
from interestingness.schema import Array, Pairs

GRID = tuple(float(v) for v in np.logspace(-4, 2, 13))
ENOUGH = 2000
"""Pairs for which one division into folds is enough; few pairs are divided several times."""
MOST = 5
"""Divisions at most."""
FEWEST = 40
"""Labelled pairs below which a fixed strength is better than a choice, which follows the noise of
the few pairs that are held out."""
L2_OF_FEW = 1.0
"""That strength, for standardised features."""
TOLERANCE = 0.05
"""Of the inner fits: only their held-out losses are used, so that they may be rough."""


@dataclass(frozen=True, eq=False)
class L2Choice:
    """Result of the inner validation of some label sources.

    Attributes:
        l2: strength of least held-out loss, the strongest of equals; a fixed one for a source with
            too few pairs to validate it, shape (sources,).
        few: which sources have too few pairs, shape (sources,).
        strengths: candidates, shape (strengths,).
        losses: mean held-out loss in nats, NaN where no pair is held out, shape
            (strengths, sources).
    """

    l2: Array
    few: NDArray[np.bool_]
    strengths: Array
    losses: Array


def choose_l2(
    features: NDArray[np.floating],
    pairs: Pairs,
    preference: Array,
    weight: Array,
    *,
    seed: int,
    groups: NDArray[np.object_] | None = None,
) -> float:
    """Choose the L2 strength of one label source among ``GRID``.

    Args:
        features: scaled as they will be for training, one row per image, shape (images, dim).
        pairs: training pairs only.
        preference: in [0, 1], shape (pairs,).
        weight: non-negative, shape (pairs,).
        seed: of the assignment of images to folds.
        groups: group of every image, shape (images,); a group then stays within one fold.
    """
    choice = choose_each(
        features, pairs, preference[:, None], weight[:, None], seed=seed, groups=groups
    )
    return float(choice.l2[0])


def choose_each(
    features: NDArray[np.floating],
    pairs: Pairs,
    preference: Array,
    weight: Array,
    *,
    seed: int,
    groups: NDArray[np.object_] | None = None,
    strengths: Sequence[float] = GRID,
    folds: int = 3,
    most: int = MOST,
    fewest: int = FEWEST,
    otherwise: float = L2_OF_FEW,
) -> L2Choice:
    """Choose the L2 strength of every label source; no image (or group) is in two folds.

    Only pairs within a fold validate. Fewer than ``ENOUGH`` pairs are divided several times, since
    the choice by a few held-out pairs is noisy. A strength is relative to the mean loss: in an
    inner fit, which knows less, it is raised in proportion, so that L2 weighs as much against what
    is known as it will in the fit of all pairs.

    Args:
        features: scaled as they will be for training, one row per image, shape (images, dim).
        pairs: training pairs only.
        preference: in [0, 1], NaN where a source has no label; shape (pairs, sources).
        weight: non-negative, shape (pairs, sources).
        seed: of the assignment of images to folds.
        groups: group of every image, shape (images,); a group then stays within one fold.
        strengths: candidates.
        folds: number of inner folds.
        most: divisions at most.
        fewest: labelled pairs that a source needs.
        otherwise: strength of a source with fewer, or without a pair inside the folds.
    """
    units = len(pairs.image_ids) if groups is None else groups
    divisions = min(most, max(1, ENOUGH // max(len(pairs), 1)))
    fold_of = _divisions(units, seed, folds, divisions)
    chosen = PairFeatures(features, pairs, shared=True)
    mass = np.where(np.isnan(preference), 0.0, weight)
    labelled = mass > 0
    known = _known(chosen, labelled)
    sources = mass.shape[1]
    losses = np.zeros((divisions * folds, len(strengths), sources))
    held_mass = np.zeros((divisions * folds, sources))

    def validate(number: int) -> None:
        division, k = divmod(number, folds)
        fold = fold_of[division]
        inside = np.flatnonzero((fold[pairs.left] == k) & (fold[pairs.right] == k))
        outside = np.flatnonzero((fold[pairs.left] != k) & (fold[pairs.right] != k))
        columns = np.flatnonzero((mass[outside] > 0).any(0) & (mass[inside] > 0).any(0))
        if not len(columns):
            return
        held = mass[np.ix_(inside, columns)]
        target = np.where(held > 0, preference[np.ix_(inside, columns)], 0.5)
        share = known / np.maximum(_known(chosen, labelled, outside), 1)
        raised = np.multiply.outer(np.asarray(strengths), share)
        margins = _margins_of_path(chosen, outside, inside, preference, weight, columns, raised)
        each = np.logaddexp(0.0, margins) - target * margins
        losses[number][:, columns] = (held * each).sum(axis=1)
        held_mass[number, columns] = held.sum(axis=0)

    in_threads(validate, divisions * folds)
    total = held_mass.sum(axis=0)
    mean = np.where(total > 0, losses.sum(axis=0) / np.where(total > 0, total, 1.0), np.nan)
    order = np.argsort(strengths)[::-1]
    valid = ~np.isnan(mean).any(axis=0) & (labelled.sum(axis=0) >= fewest)
    best = np.asarray(strengths)[order[np.where(valid, mean, 0.0)[order].argmin(axis=0)]]
    return L2Choice(np.where(valid, best, otherwise), ~valid, np.asarray(strengths), mean)


def _margins_of_path(
    chosen: PairFeatures,
    learn: NDArray[np.int64],
    held: NDArray[np.int64],
    preference: Array,
    weight: Array,
    columns: NDArray[np.int64],
    strengths: Array,
) -> Array:
    """Margins of held-out pairs by the fit at each row of strengths, (strengths, held, columns).

    Strengths are of shape (strengths, sources).
    """
    out = np.empty((len(strengths), len(held), len(columns)))
    start = None
    rows = torch.from_numpy(held)
    apart = chosen.matrix[chosen.left[rows]] - chosen.matrix[chosen.right[rows]]
    # From strong to weak: each solution is a good start for the next.
    for i in np.argsort(strengths[:, 0])[::-1]:
        unit = unit_of(0, columns, learn, preference, weight, strengths[i])
        if start is None:
            form, weights = chosen.form(unit.rows)
        found = minimise(form, unit.problems, start=start, tolerance=TOLERANCE)
        start = found.x
        out[i] = (apart @ weights(found.x[0])).numpy()
    return out


def _known(
    chosen: PairFeatures, labelled: NDArray[np.bool_], rows: NDArray[np.int64] | None = None
) -> Array:
    """Comparisons that no others imply: the pairs of each source, at most one fewer than images."""
    rows = np.arange(len(labelled)) if rows is None else rows
    sides = np.stack([side.numpy()[rows] for side in (chosen.left, chosen.right)])
    images = [len(np.unique(sides[:, some])) for some in labelled[rows].T]
    return np.minimum(labelled[rows].sum(axis=0), np.array(images) - 1).astype(float)


def _divisions(
    images: int | NDArray[np.object_], seed: int, folds: int, divisions: int
) -> list[NDArray[np.int64]]:
    """Fold of every image in each division; a group stays within one fold where there are any."""
    unit = (
        np.arange(images) if isinstance(images, int) else np.unique(images, return_inverse=True)[1]
    )
    rng = np.random.default_rng(seed)
    even = np.arange(unit.max() + 1) % folds
    return [rng.permutation(even)[unit] for _ in range(divisions)]
