"""Linear heads with L2, converged: all label sources × all splits over one matrix of features.

A problem is ``sum(weight * loss) / sum(weight) + l2 / 2 * |w|²``, which the learner (``model.l2``)
minimises too. The Gram matrix of all pairs is made once; a split picks its rows, factorises a
quarter of them plus the strength, and finds the weights of all sources together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from interestingness.errors import DataError
from interestingness.learning.linear_solver.minimise import Problems, minimise
from interestingness.learning.linear_solver.pair_features import PairFeatures
from interestingness.learning.linear_solver.threads import in_threads
from interestingness.schema import Array, Pairs

BUNDLE = 1 << 20
"""Numbers in the Gram matrices that are worked on together: they should stay in a core's cache."""

NO_PAIRS = "no labelled training pair"
ALL_TIES = "every training label is a tie"
NOT_CONVERGED = "the fit did not converge"


@dataclass(frozen=True, eq=False)
class LinearFits:
    """Heads of every split and label source.

    Attributes:
        weights: NaN where there is no model, shape (splits, sources, dim), float32.
        missing: why there is none, "" where there is one, shape (splits, sources), dtype object.
        bound: greatest distance from the optimum as a share of the weights' length; NaN without a
            model or a claim, shape (splits, sources).
    """

    weights: NDArray[np.float32]
    missing: NDArray[np.object_]
    bound: Array


class Unit(NamedTuple):
    """Problems of one split that can share a preconditioner.

    Attributes:
        split: number of the split.
        columns: label sources, shape (K,).
        rows: pairs that have weight in any of them.
        problems: over these pairs, B = 1.
    """

    split: int
    columns: NDArray[np.int64]
    rows: Tensor
    problems: Problems


def fit_ridge(
    features: NDArray[np.floating],
    pairs: Pairs,
    preference: Array,
    weight: Array,
    splits: Sequence[NDArray[np.integer]],
    *,
    l2: ArrayLike,
    tolerance: float = 0.01,
) -> LinearFits:
    """Weights of the linear Bradley–Terry scorer with L2 for every split and label source.

    Args:
        features: scaled as they are to be used, shape (images, dim).
        pairs: all pairs.
        preference: in [0, 1], 0.5 a tie, NaN where a source knows nothing; shape (pairs, sources).
        weight: non-negative, shape (pairs, sources).
        splits: training rows of each split.
        l2: strength, positive; broadcast to (splits, sources).
        tolerance: greatest distance from the optimum as a share of the weights' length.

    Returns:
        Weights; a source without labels in a split, with nothing but ties, or whose fit failed has
        none and says so.

    Raises:
        DataError: strengths that are not positive, preferences outside [0, 1], negative weights, or
            features that are not finite.
    """
    strengths = np.broadcast_to(np.asarray(l2, dtype=float), (len(splits), preference.shape[1]))
    check_problems(preference, weight, strengths)
    chosen = PairFeatures(features, pairs, shared=len(splits) > 1)
    fitted = np.full((*strengths.shape, features.shape[1]), np.nan, dtype=np.float32)
    bound = np.full(strengths.shape, np.nan)
    missing = np.array([why_missing(preference[rows], weight[rows]) for rows in splits])
    units = [
        unit_of(number, columns, rows, preference, weight, strengths[number])
        for number, rows in enumerate(splits)
        for columns in alike(strengths[number], np.flatnonzero(missing[number] == ""))
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
    fitted[missing != ""] = np.nan
    return LinearFits(fitted, missing, np.where(missing == "", bound, np.nan))


def solve(
    chosen: PairFeatures, bundle: Sequence[Unit], *, tolerance: float
) -> tuple[list[Tensor], Tensor]:
    """Weights of some units, each (dim, K), and the bounds of their errors, shape (units, K)."""
    first = bundle[0]
    if len(bundle) == 1 and not chosen.few(first.rows):
        primal, basis = chosen.primal(first.rows)
        found = minimise(primal, first.problems, tolerance=tolerance)
        return [found.x[0] if basis is None else basis @ found.x[0]], found.bound
    form = chosen.dual([unit.rows for unit in bundle])
    found = minimise(form, padded([unit.problems for unit in bundle]), tolerance=tolerance)
    parts = zip(bundle, found.x, strict=True)
    return [chosen.weights(unit.rows, x[: len(unit.rows)]) for unit, x in parts], found.bound


def unit_of(
    number: int,
    columns: NDArray[np.int64],
    rows: NDArray[np.integer],
    preference: Array,
    weight: Array,
    l2: Array,
) -> Unit:
    """Problems of some sources over the pairs of a split that any of them labels.

    Args:
        number: of the split.
        columns: label sources.
        rows: training pairs.
        preference, weight: of all pairs, shape (pairs, sources).
        l2: strength of each source against its *mean* loss, shape (sources,).
    """
    target, mass = preference[np.ix_(rows, columns)], weight[np.ix_(rows, columns)]
    mass = np.where(np.isnan(target), 0.0, mass)
    used = (mass > 0).any(axis=1)
    target = np.where(mass > 0, target, 0.5)
    strength = (l2[columns] * mass.sum(axis=0))[None]
    parts = (
        torch.from_numpy(a.astype(np.float32))[None] for a in (target[used], mass[used], strength)
    )
    return Unit(number, columns, torch.from_numpy(rows[used].astype(np.int64)), Problems(*parts))


def bundles(units: Sequence[Unit], chosen: PairFeatures) -> list[list[Unit]]:
    """Units that are stacked: of equally many sources, in the dual form, and small together."""
    out: list[list[Unit]] = []
    for unit in units:
        last = out[-1] if out else []
        largest = max([len(unit.rows), *(len(u.rows) for u in last)])
        fits = (
            bool(last)
            and len(last[0].columns) == len(unit.columns)
            and (len(last) + 1) * largest**2 <= BUNDLE
            and chosen.few(unit.rows)
            and chosen.few(last[0].rows)
        )
        if fits:
            last.append(unit)
        else:
            out.append([unit])
    return out


def padded(problems: Sequence[Problems]) -> Problems:
    """Problems over sets of different size, stacked; what is added has weight 0."""
    if len(problems) == 1:
        return problems[0]
    sizes = [one.weight.shape[1] for one in problems]
    width = problems[0].weight.shape[2]
    preference = torch.full((len(problems), max(sizes), width), 0.5)
    weight = torch.zeros_like(preference)
    for b, (one, size) in enumerate(zip(problems, sizes, strict=True)):
        preference[b, :size], weight[b, :size] = one.preference[0], one.weight[0]
    return Problems(preference, weight, torch.cat([one.strength for one in problems]))


def alike(strengths: Array, columns: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Columns whose strengths lie within a factor of four: they can share a preconditioner."""
    band = np.round(np.log2(strengths[columns]) / 2)
    return [columns[band == b] for b in np.unique(band)]


def why_missing(preference: Array, weight: Array) -> NDArray[np.object_]:
    """Why a source cannot be learnt from these pairs, "" where it can, shape (sources,).

    Labels that are all left are as good as others: a head has no intercept, and a pair with
    preference p is the swapped pair with 1 − p.
    """
    use = (weight > 0) & ~np.isnan(preference)
    out = np.full(preference.shape[1], "", dtype=object)
    out[~(use & (preference != 0.5)).any(axis=0)] = ALL_TIES
    out[~use.any(axis=0)] = NO_PAIRS
    return out


def check_problems(preference: Array, weight: Array, strengths: Array) -> None:
    """Refuse what has no optimum, or none that means anything.

    Raises:
        DataError: strengths that are not positive, preferences outside [0, 1], negative weights.
    """
    if not (np.isfinite(strengths) & (strengths > 0)).all():
        raise DataError(
            f"an L2 strength of {np.min(strengths):g}",
            expected="positive numbers: without L2 separable pairs have no optimum",
            todo="give a strength such as 0.01, or let it be chosen",
        )
    known = preference[~np.isnan(preference)]
    if ((known < 0) | (known > 1)).any() or not (weight >= 0).all():
        raise DataError(
            "a preference outside [0, 1], or a weight that is negative or NaN",
            expected="probabilities that left is preferred, and non-negative weights",
            todo="correct the label source",
        )
