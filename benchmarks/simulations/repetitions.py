"""How many calls lead to a given accuracy, over repeated simulations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval
from interestingness.stats.repetitions import FEWEST, LEVEL


def interval_note(repeats: int, over: str) -> str:
    """What intervals or bands are over; of few repetitions, that there are none."""
    if repeats < FEWEST:
        return f"fewer than {FEWEST} repetitions, and so no intervals"
    return f"95 % over {over}"


def calls_for(curve: Array, calls: Sequence[int], target: float) -> float:
    """How many calls a rising curve takes to reach a target, by a line over log calls.

    Args:
        curve: values at ``calls``, shape (calls,); a later dip does not count.
        calls: ascending.
        target: value to reach.

    Returns:
        −inf where the first point is there already, inf where the last is not, NaN for a NaN.
    """
    if np.isnan(curve).any() or np.isnan(target):
        return float("nan")
    best = np.maximum.accumulate(curve)
    if best[0] >= target:
        return float("-inf")
    if best[-1] < target:
        return float("inf")
    at = int(np.argmax(best >= target))
    share = (target - best[at - 1]) / (best[at] - best[at - 1])
    return float(np.exp(np.log(calls[at - 1]) * (1 - share) + np.log(calls[at]) * share))


def calls_interval(
    curves: Array,
    reference: Array,
    calls: Sequence[int],
    *,
    at: int,
    seed: int,
    resamples: int = 1000,
) -> Interval:
    """Calls that reach what a reference reaches at one of its points; bootstrap of repetitions.

    Below ``FEWEST`` repetitions the ends of the interval are NaN.

    Args:
        curves: shape (repeats, calls).
        reference: shape (repeats, calls), of the same repetitions.
        calls: ascending.
        at: point of the reference, an index into ``calls``.
        seed: of the resamples.
        resamples: how many.
    """
    repeats = len(curves)
    estimate = calls_for(curves.mean(axis=0), calls, float(reference[:, at].mean()))
    if repeats < FEWEST:
        return Interval(estimate, np.nan, np.nan, LEVEL, repeats)
    rng = np.random.default_rng(seed)
    found = np.empty(resamples)
    for i in range(resamples):
        rows = rng.integers(repeats, size=repeats)
        found[i] = calls_for(curves[rows].mean(axis=0), calls, reference[rows, at].mean())
    low, high = np.sort(found)[[int(0.025 * resamples), int(0.975 * resamples) - 1]]
    return Interval(estimate, float(low), float(high), LEVEL, repeats)


def calls_text(found: Interval, calls: Sequence[int]) -> str:
    """The same in words: ends beyond the measured range are said to be so."""

    def one(value: float) -> str:
        if np.isnan(value):
            return "unknown"
        if np.isinf(value):
            return f"< {calls[0]:,}" if value < 0 else f"> {calls[-1]:,}"
        return f"{round(value, -1):,.0f}" if value >= 100 else f"{value:.0f}"

    if found.repeats < FEWEST:
        return one(found.estimate)
    return f"{one(found.estimate)} [{one(found.low)}, {one(found.high)}]"
