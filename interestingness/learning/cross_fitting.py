"""Predict every pair by linear heads that saw neither of its images: the fits of cross-fitting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interestingness.learning.linear_solver.choice import GRID, choose_each
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.learning.linear_solver.recipe import Recipe, fit_recipe
from interestingness.learning.linear_solver.threads import in_threads
from interestingness.models.scaling import FeatureScaler
from interestingness.schema import Array, Pairs
from interestingness.stats.folds import every_pair_once

Rows = NDArray[np.int64]
LabelsOf = Callable[[Rows], tuple[Array, Array]]
"""Preference and weight of all pairs, shape (pairs,) each, by a source fitted on these rows."""


@dataclass(frozen=True)
class LinearProcedure:
    """How one head is fitted.

    Attributes:
        scaling: of the features, fitted on the images of the training pairs.
        l2: strength, or None: chosen inside the training pairs. Not used by a recipe.
        recipe: steps without L2; None takes the optimum with L2.
        groups: group of every image for the choice of the strength, where groups stay whole.
        seed: of that choice.
    """

    scaling: str
    l2: float | None
    recipe: Recipe | None
    seed: int
    groups: NDArray[np.object_] | None = None


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """Predictions by heads that saw neither image of a pair; R repetitions.

    Attributes:
        margins: score(left) − score(right) in logits, NaN where the pair's training pairs could not
            fit a head, shape (R, pairs).
        scores: of each image by the head that was trained without its group, less that head's mean
            over all images, since heads have no common zero; NaN likewise, shape (R, images).
        trained: fewest and most training pairs of a head.
    """

    margins: Array
    scores: Array
    trained: tuple[int, int]

    @property
    def margin(self) -> Array:
        """Mean over repetitions, shape (pairs,)."""
        return self.margins.mean(axis=0)

    @property
    def score(self) -> Array:
        """Mean over repetitions, shape (images,)."""
        return self.scores.mean(axis=0)


def cross_fitted(
    features: NDArray[np.float32],
    pairs: Pairs,
    folds: NDArray[np.int16],
    usable: Rows,
    labels_of: LabelsOf,
    procedure: LinearProcedure,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> CrossFitted:
    """Fit the heads of every fold and predict what they did not see.

    Args:
        features: shape (images, dim); only those of images in ``usable`` pairs are used.
        pairs: all pairs.
        folds: group of each image, -1 for none, shape (repetitions, images).
        usable: rows of the pairs whose images have features.
        labels_of: labels by a source that is fitted on given rows.
        procedure: how a head is fitted.
        progress: called with the number of heads fitted and to fit.
    """
    known = pairs[usable]
    present = known.images_used()
    work = [
        _Fit(number, fold.groups, usable[fold.train], usable[fold.test])
        for number, group in enumerate(folds)
        for fold in every_pair_once(known.left, known.right, group)
    ]
    # Sources are fitted in place, one after the other; heads in threads.
    labels = [labels_of(fit.train) if len(fit.train) else None for fit in work]
    margins = np.full((len(folds), len(pairs)), np.nan)
    scores = np.full((len(folds), len(features)), np.nan)
    trained = np.zeros(len(work), dtype=np.int64)
    done = count(1)

    def fit_one(at: int) -> None:
        fit, given = work[at], labels[at]
        if given is not None:
            found, trained[at] = _scores(features, pairs, fit.train, *given, procedure)
            margins[fit.number, fit.test] = (
                found[pairs.left[fit.test]] - found[pairs.right[fit.test]]
            )
            if fit.groups[0] == fit.groups[1]:
                own = present[folds[fit.number, present] == fit.groups[0]]
                scores[fit.number, own] = found[own] - found[present].mean()
        if progress is not None:
            progress(next(done), len(work))

    in_threads(fit_one, len(work))
    return CrossFitted(margins, scores, (int(trained.min()), int(trained.max())))


class _Fit(NamedTuple):
    """One head: repetition, the groups whose images it does not see, and rows of pairs."""

    number: int
    groups: tuple[int, int]
    train: Rows
    test: Rows


def _scores(
    features: NDArray[np.float32],
    pairs: Pairs,
    rows: Rows,
    preference: Array,
    weight: Array,
    procedure: LinearProcedure,
) -> tuple[Array, int]:
    """Score every image by the head of these pairs, NaN if there is none; count its pairs."""
    nothing = np.full(len(features), np.nan)
    rows = rows[~np.isnan(preference[rows]) & (weight[rows] > 0)]
    if not len(rows):
        return nothing, 0
    learnt, target, mass = pairs[rows], preference[rows, None], weight[rows, None]
    scaler = FeatureScaler(procedure.scaling, features.shape[1])
    scaled = scaler.fit(features[learnt.images_used()]).scaled(features)
    if procedure.recipe is not None:
        fits = fit_recipe(scaled, learnt, target, mass, [np.arange(len(rows))], procedure.recipe)
    else:
        l2 = procedure.l2
        if l2 is None:
            # Roughly, since there are many heads: one division, every second strength.
            chosen = choose_each(
                scaled,
                learnt,
                target,
                mass,
                seed=procedure.seed,
                groups=procedure.groups,
                strengths=GRID[::2],
                most=1,
            )
            l2 = float(chosen.l2[0])
        fits = fit_linear(scaled, learnt, target, mass, l2=l2)
    return scaled.astype(np.float64) @ fits.weights[0, 0].astype(np.float64), len(rows)
