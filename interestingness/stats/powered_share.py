"""Shares estimated from few labels of people and a guess for every pair (prediction-powered)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from interestingness.errors import LabelError
from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval, influence_interval, share_interval
from interestingness.stats.columns import columns

FEWEST = 20
"""Pairs that people decide, at least: with fewer the intervals hold the truth too seldom."""


@dataclass(frozen=True)
class PoweredShare:
    """A share estimated with guesses.

    Attributes:
        interval: the estimate, with its interval over images.
        power: λ in [0, 1], how much the guesses count; at 0 it is the plain share.
        labelled: pairs that people labelled.
        pairs: all pairs.
    """

    interval: Interval
    power: float
    labelled: int
    pairs: int


def powered_share(
    hits: ArrayLike,
    guess: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
    *,
    labelled: ArrayLike,
    seed: int,
    repeats: int = 1000,
    level: float = 0.95,
) -> PoweredShare:
    """Mean of numbers that few pairs have, corrected by a guess that every pair has.

    ``mean(hits) + λ (mean of the guess over all pairs − mean over the labelled pairs)``, which is
    ``λ mean(guess) + mean(hits − λ guess)``. The labelled pairs must be a random sample of all
    pairs; the bracket is then 0 on average, however wrong the guesses are. λ is the slope of the
    hits on the guesses, cut to [0, 1]: the one of least variance for independent pairs.

    Args:
        hits: in [0, 1], NaN where no label decides, shape (pairs,).
        guess: in [0, 1] for every pair.
        left: row of each pair's left image, shape (pairs,).
        right: row of the right image.
        labelled: the pairs in the sample; also those whose label is a tie.
        seed: of the resamples.
        repeats: number of resamples.
        level: nominal coverage.

    Raises:
        LabelError: for hits outside the sample, a guess that is NaN, or fewer than ``FEWEST`` hits.

    Source:
        Angelopoulos, Duchi and Zrnic 2023 (PPI++). Their unlabelled pairs are our pairs outside the
        sample; with λ (1 − labelled / pairs) in their formula the estimates are equal. They take
        units as independent; here the interval resamples images, with λ fixed.
    """
    value, guessed, asked = columns(hits, guess, np.asarray(labelled, dtype=np.float64))[:3]
    decided, sample = ~np.isnan(value), asked > 0
    _check(decided, guessed, sample)
    one, other = np.asarray(left), np.asarray(right)
    common: dict[str, Any] = {"seed": seed, "repeats": repeats, "level": level}
    mean = float(value[decided].mean())
    # error of each labelled pair's hit, and of its guess, beside their means
    own = np.where(decided, value - mean, 0.0) * sample.sum() / decided.sum()
    apart = np.where(sample, guessed - guessed[sample].mean(), 0.0)
    varies = float(apart @ apart)
    power = float(np.clip(own @ apart / varies, 0.0, 1.0)) if varies > 0 else 0.0
    sizes = int(sample.sum()), len(value)
    if not own.any():  # all right, or all wrong: resampling shows no variation
        plain = share_interval(value[decided], one[decided], other[decided], **common)
        return PoweredShare(plain, 0.0, *sizes)
    sums = np.column_stack(
        [np.nan_to_num(value), decided, guessed, np.ones(len(value)), sample * guessed, sample]
    )

    def shares(weight: Array) -> Array:
        hit, hits_, all_, pairs, inside, labels = (weight @ sums).T
        there = hits_ > 0
        bracket = all_[there] / pairs[there] - inside[there] / labels[there]
        return hit[there] / hits_[there] + power * bracket

    estimate = float(shares(np.ones((1, len(value))))[0])
    error = (own - power * apart) / sample.sum() + power * (guessed - guessed.mean()) / len(value)
    found = influence_interval(estimate, error, shares, one, other, **common)
    return PoweredShare(_widened(found, int(decided.sum())), power, *sizes)


def _widened(found: Interval, hits: int) -> Interval:
    """Widen for the mean and λ, which were estimated from so many hits, and cut to [0, 1]."""
    few = stdtrit(hits - 2, (1 + found.level) / 2) / ndtri((1 + found.level) / 2)
    wider = few * np.sqrt(hits / (hits - 2))
    estimate = min(max(found.estimate, 0.0), 1.0)
    low = float(estimate - wider * (found.estimate - found.low))
    high = float(estimate + wider * (found.high - found.estimate))
    return replace(found, estimate=estimate, low=max(low, 0.0), high=min(high, 1.0))


def _check(decided: NDArray[np.bool_], guess: Array, sample: NDArray[np.bool_]) -> None:
    if (decided & ~sample).any():
        raise LabelError(
            f"{int((decided & ~sample).sum())} pairs have a hit and are not in the sample",
            expected="hits of labelled pairs only",
            todo="pass the mask of the pairs that people labelled",
        )
    if np.isnan(guess).any():
        raise LabelError(
            f"no guess for {int(np.isnan(guess).sum())} of {len(guess)} pairs "
            f"({int(np.isnan(guess[sample]).sum())} of the {int(sample.sum())} labelled ones)",
            expected="a guess for every pair, labelled or not",
            todo="leave pairs out whatever their labels, or obtain the judge's votes on them",
        )
    if decided.sum() < FEWEST:
        raise LabelError(
            f"people decide {int(decided.sum())} pairs",
            expected=f"{FEWEST} or more",
            todo="obtain votes on more pairs, drawn at random from all of them",
        )
