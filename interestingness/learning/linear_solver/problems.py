"""From labels of pairs to optimisation problems: which can be solved, and which are stacked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interestingness.errors import DataError
from interestingness.learning.linear_solver.minimise import Problems
from interestingness.learning.linear_solver.pair_features import PairFeatures
from interestingness.schema import Array

BUNDLE = 1 << 20
"""Most entries that stacked Gram matrices may have, so that they fit in a core's cache."""

NO_PAIRS = "no labelled training pair"
ALL_TIES = "every training label is a tie"


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


def unit_of(
    number: int,
    columns: NDArray[np.int64],
    rows: NDArray[np.integer],
    preference: Array,
    weight: Array,
    l2: Array,
    dtype: torch.dtype = torch.float32,
) -> Unit:
    """Set up the problems of some sources over the pairs of a split that any of them labels.

    Args:
        number: of the split.
        columns: label sources.
        rows: training pairs.
        preference, weight: of all pairs, shape (pairs, sources).
        l2: strength of each source relative to its *mean* loss, shape (sources,).
        dtype: of the problems.
    """
    target, mass = preference[np.ix_(rows, columns)], weight[np.ix_(rows, columns)]
    mass = np.where(np.isnan(target), 0.0, mass)
    used = (mass > 0).any(axis=1)
    target = np.where(mass > 0, target, 0.5)
    strength = (l2[columns] * mass.sum(axis=0))[None]
    parts = (torch.from_numpy(a)[None].to(dtype) for a in (target[used], mass[used], strength))
    return Unit(number, columns, torch.from_numpy(rows[used].astype(np.int64)), Problems(*parts))


def bundles(units: Sequence[Unit], chosen: PairFeatures) -> list[list[Unit]]:
    """Group units that are solved stacked: equally many sources, dual form, small matrices."""
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
    """Stack problems over sets of different size; added pairs have weight 0."""
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
    """Group columns whose strengths lie within a factor of four: they share a preconditioner."""
    band = np.round(np.log2(strengths[columns]) / 2)
    return [columns[band == b] for b in np.unique(band)]


def why_missing(preference: Array, weight: Array) -> NDArray[np.object_]:
    """Why a source cannot be learnt from these pairs, "" where it can, shape (sources,).

    Labels that all say "left" can be learnt: a head has no intercept, and a pair with preference p
    is equivalent to the swapped pair with 1 − p.
    """
    use = (weight > 0) & ~np.isnan(preference)
    out = np.full(preference.shape[1], "", dtype=object)
    out[~(use & (preference != 0.5)).any(axis=0)] = ALL_TIES
    out[~use.any(axis=0)] = NO_PAIRS
    return out


def check_problems(preference: Array, weight: Array, strengths: Array) -> None:
    """Refuse problems without an optimum, or without a meaningful one.

    Raises:
        DataError: strengths that are not positive, infinite preferences, negative weights.
    """
    if not (np.isfinite(strengths) & (strengths > 0)).all():
        raise DataError(
            f"an L2 strength of {np.min(strengths):g}",
            expected="positive numbers: without L2 separable pairs have no optimum",
            todo='give a strength such as 0.01, or "auto"',
        )
    if np.isinf(preference).any() or not (weight >= 0).all():
        raise DataError(
            "a preference that is infinite, or a weight that is negative or NaN",
            expected="probabilities that left is preferred (or rectified ones), and non-negative "
            "weights",
            todo="correct the label source",
        )
