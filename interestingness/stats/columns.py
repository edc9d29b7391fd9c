"""Equal-length columns and their weights, checked once for all statistics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from interestingness.errors import LabelError
from interestingness.schema import Array


def columns(*values: ArrayLike, weight: ArrayLike | None = None) -> tuple[Array, ...]:
    """Columns as float arrays of one length, followed by the weight (1 if none is given).

    Raises:
        LabelError: for different lengths, or a weight that is negative or NaN.
    """
    arrays = [np.asarray(v, dtype=np.float64).reshape(-1) for v in values]
    rows = len(arrays[0])
    given = np.ones(rows) if weight is None else np.asarray(weight, dtype=np.float64).reshape(-1)
    lengths = [len(a) for a in (*arrays, given)]
    if len(set(lengths)) > 1:
        raise LabelError(
            f"columns of {', '.join(map(str, lengths))} rows",
            expected="one row per pair (or image) in every column",
            todo="join the columns by id before comparing them",
        )
    if not (given >= 0).all():
        raise LabelError(
            "a weight is negative or NaN",
            expected="weights of 0 or more",
            todo="set the weight of rows that do not count to 0",
        )
    return (*arrays, given)


def weighted_mean(values: Array, weight: Array) -> float:
    """Weighted mean; NaN if the weights sum to 0."""
    total = weight.sum()
    return float(values @ weight / total) if total > 0 else float("nan")


def exact_ties(preference: Array) -> Array:
    """Preferences in which values equal to 0.5 up to rounding are exactly 0.5, and so ties."""
    return np.where(np.abs(preference - 0.5) < 1e-12, 0.5, preference)


def check_preference(preference: Array) -> None:
    """Refuse numbers that are not preferences.

    Raises:
        LabelError: for a value outside [0, 1]; NaN (no preference) is allowed.
    """
    known = preference[~np.isnan(preference)]
    if len(known) and (known.min() < 0 or known.max() > 1):
        raise LabelError(
            f"preferences from {known.min():g} to {known.max():g}",
            expected="probabilities that left is preferred, in [0, 1], or NaN",
            todo="pass preferences, not margins or vote counts",
        )
