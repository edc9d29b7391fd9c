"""The one function that fits linear heads to their L2 optimum.

A problem is ``sum(weight * loss) / sum(weight) + l2 / 2 * |w|²``, which the learner minimises too
(``model.l2``). The Gram matrix of all pairs is computed once; a split takes its rows, factorises a
quarter of them plus the strength, and solves for the weights of all sources together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from interestingness.learning.linear_solver.choice import GRID, L2_OF_FEW, choose_each
from interestingness.learning.linear_solver.minimise import minimise
from interestingness.learning.linear_solver.pair_features import PairFeatures
from interestingness.learning.linear_solver.problems import (
    Unit,
    alike,
    bundles,
    check_problems,
    padded,
    unit_of,
    why_missing,
)
from interestingness.learning.linear_solver.threads import in_threads
from interestingness.schema import Array, Pairs

NOT_CONVERGED = "the fit did not converge"
EXACT = 1e-4


@dataclass(frozen=True, eq=False)
class LinearFits:
    """Heads of every split and label source.

    Attributes:
        weights: NaN where there is no model, shape (splits, sources, dim), float32.
        missing: why there is none, "" where there is one, shape (splits, sources), dtype object.
        bound: greatest distance from the optimum as a share of the weights' length; NaN without a
            model or a bound, shape (splits, sources).
        l2: strength that was given or chosen; NaN without a model or without L2, shape
            (splits, sources).
    """

    weights: NDArray[np.float32]
    missing: NDArray[np.object_]
    bound: Array
    l2: Array


def fit_linear(
    features: NDArray[np.floating],
    pairs: Pairs,
    preference: Array,
    weight: Array,
    splits: Sequence[NDArray[np.integer]] | None = None,
    *,
    l2: ArrayLike | Literal["auto"],
    seed: int = 0,
    strengths: Sequence[float] = GRID,
    otherwise: float = L2_OF_FEW,
    tolerance: float = 0.01,
) -> LinearFits:
    """Weights of the linear Bradley–Terry scorer with L2 for every split and label source.

    Args:
        features: scaled as they are to be used, shape (images, dim).
        pairs: all pairs.
        preference: in [0, 1], 0.5 a tie, NaN where a source has no label; shape (pairs, sources).
            Rectified labels (``Labels.rectified``) may be any finite number: the loss stays convex.
        weight: non-negative, shape (pairs, sources).
        splits: training rows of each split; None is one split of all pairs.
        l2: strength, positive; broadcast to (splits, sources). "auto" chooses it for each split
            and source by cross-validation inside the training rows.
        seed: of the inner folds of "auto".
        strengths: candidates of "auto".
        otherwise: strength of a source with too few pairs for "auto".
        tolerance: greatest distance from the optimum as a share of the weights' length. Below
            ``EXACT`` everything is computed in float64.

    Returns:
        Weights. A source without labels in a split, with nothing but ties, without a strength, or
        whose fit failed has no weights, and ``missing`` gives the reason.

    Raises:
        DataError: strengths that are not positive, infinite preferences, negative weights, or
            features that are not finite.
    """
    splits = [np.arange(len(pairs))] if splits is None else splits
    shape = (len(splits), preference.shape[1])
    if isinstance(l2, str):
        strength = _choose(features, pairs, preference, weight, splits, seed, strengths, otherwise)
    else:
        strength = np.broadcast_to(np.asarray(l2, dtype=float), shape)
    check_problems(preference, weight, strength)
    exact = tolerance < EXACT
    chosen = PairFeatures(features, pairs, shared=len(splits) > 1, exact=exact)
    dtype = chosen.matrix.dtype
    fitted = np.full((*shape, features.shape[1]), np.nan, dtype=np.float32)
    bound = np.full(shape, np.nan)
    missing = np.array([why_missing(preference[rows], weight[rows]) for rows in splits])
    units = [
        unit_of(number, columns, rows, preference, weight, strength[number], dtype)
        for number, rows in enumerate(splits)
        for columns in alike(strength[number], np.flatnonzero(missing[number] == ""))
    ]
    work = bundles(units, chosen)

    def fit(number: int) -> None:
        bundle = work[number]
        found, errors = solve(chosen, bundle, tolerance=tolerance)
        for unit, w, error in zip(bundle, found, errors, strict=True):
            fitted[unit.split, unit.columns] = w.T.numpy()
            bound[unit.split, unit.columns] = error.numpy()

    in_threads(fit, len(work))
    missing[(missing == "") & ~(bound <= tolerance)] = NOT_CONVERGED
    there = missing == ""
    fitted[~there] = np.nan
    return LinearFits(
        fitted, missing, np.where(there, bound, np.nan), np.where(there, strength, np.nan)
    )


def _choose(
    features: NDArray[np.floating],
    pairs: Pairs,
    preference: Array,
    weight: Array,
    splits: Sequence[NDArray[np.integer]],
    seed: int,
    strengths: Sequence[float],
    otherwise: float,
) -> Array:
    """Choose a strength for each split and source, shape (splits, sources)."""
    found = np.empty((len(splits), preference.shape[1]))
    for number, rows in enumerate(splits):
        own = preference[rows], weight[rows]
        found[number] = choose_each(
            features, pairs[rows], *own, seed=seed, strengths=strengths, otherwise=otherwise
        ).l2
    return found


def solve(
    chosen: PairFeatures, bundle: Sequence[Unit], *, tolerance: float
) -> tuple[list[Tensor], Tensor]:
    """Weights of some units, each (dim, K), and the bounds of their errors, shape (units, K)."""
    if len(bundle) == 1:
        unit = bundle[0]
        form, weights = chosen.form(unit.rows)
        found = minimise(form, unit.problems, tolerance=tolerance)
        return [weights(found.x[0])], found.bound
    form = chosen.dual([unit.rows for unit in bundle])
    found = minimise(form, padded([unit.problems for unit in bundle]), tolerance=tolerance)
    parts = zip(bundle, found.x, strict=True)
    return [chosen.weights(unit.rows, x[: len(unit.rows)]) for unit, x in parts], found.bound
