"""Regression of a number of images, or of raters' choices, on measured attributes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from interestingness.errors import DataError
from interestingness.schema import Array
from interestingness.stats.bootstrap import Interval
from interestingness.stats.refits import training_variance

_BLOCK = 100
"""Resamples that are solved in one batch."""


@dataclass(frozen=True)
class LinearEffects:
    """A regression of one number on several attributes, all in standard deviations.

    Attributes:
        together: coefficient of each attribute with the others held fixed; NaN for a constant one.
        alone: its plain correlation.
        inflation: variance inflation of each; above about 5, attributes are so correlated that
            the division of an effect between them is arbitrary.
        explained: share of variance (R²).
        images: number of images.
    """

    together: tuple[Interval, ...]
    alone: tuple[Interval, ...]
    inflation: tuple[float, ...]
    explained: Interval
    images: int


def linear_effects(
    attributes: ArrayLike,
    value: ArrayLike,
    *,
    seed: int,
    refits: tuple[Array, Array] | None = None,
    repeats: int = 1000,
    level: float = 0.95,
) -> LinearEffects:
    """Least squares with standardised coefficients; intervals resample images.

    If the value comes from trained models, its error is shared by similar images, which resampling
    images does not show. ``refits`` adds this error: the variances of the coefficients over
    trainings (``refits.training_variance``) and over images are added for a normal interval. For
    two halves of the same people the interval contains 0 in 89 to 91 % of cases, a little less than
    nominal, and in 43 % without refits (``python benchmarks/discrepancy_coverage.py``).

    Args:
        attributes: shape (images, attributes); images with a NaN anywhere are left out.
        value: dependent variable, shape (images,).
        seed: of the resamples.
        refits: the value after trainings on resampled images and on resampled pairs, each of
            shape (images, refits); None for a value that was not trained.
        repeats: number of resamples.
        level: nominal coverage; without refits the interval is a percentile interval.

    Raises:
        DataError: for fewer than three images per attribute, or a constant value.
    """
    x, y = np.asarray(attributes, dtype=np.float64), np.asarray(value, dtype=np.float64)
    known = np.isfinite(x).all(axis=1) & np.isfinite(y)
    x, y = x[known], y[known]
    images, count = x.shape
    if images < max(3 * count, 4) or np.ptp(y) == 0:
        raise DataError(
            f"{images} images with {count} measured attributes and a number to explain"
            + (", which is the same for all" if images and np.ptp(y) == 0 else ""),
            expected="at least three images an attribute, and numbers that differ",
            todo="use more images or fewer attributes (study.attributes=[colourfulness,contrast])",
        )
    varies = x.std(axis=0) > 1e-12 * np.maximum(np.abs(x).max(axis=0), 1e-300)
    weights = np.random.default_rng(seed).multinomial(
        images, np.full(images, 1 / images), size=repeats
    )
    every = np.concatenate([np.ones((1, images)), weights])
    parts = [
        _solved(x[:, varies], y, every[start : start + _BLOCK].astype(np.float64))
        for start in range(0, len(every), _BLOCK)
    ]
    together, alone, explained = (np.concatenate(column) for column in zip(*parts, strict=True))
    trained_together, trained_alone = _over_refits(x[:, varies], y, refits, known)
    slots = np.full(count, -1)
    slots[varies] = np.arange(int(varies.sum()))

    def intervals(values: Array, trained: Array | None) -> tuple[Interval, ...]:
        found = []
        for slot in slots.tolist():
            if slot < 0:
                found.append(Interval(float("nan"), float("nan"), float("nan"), level, repeats))
            elif trained is None:
                found.append(_percentiles(values[:, slot], level))
            else:
                reach = norm.ppf((1 + level) / 2) * np.sqrt(
                    values[1:, slot].var() + float(trained[slot])
                )
                middle = float(values[0, slot])
                found.append(Interval(middle, middle - reach, middle + reach, level, repeats))
        return tuple(found)

    return LinearEffects(
        intervals(together, trained_together),
        intervals(alone, trained_alone),
        _inflation(x, varies),
        _percentiles(explained, level),
        images,
    )


def _percentiles(values: Array, level: float) -> Interval:
    """The first value with the quantiles of the others."""
    low, high = np.quantile(values[1:], [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values[0]), float(low), float(high), level, len(values) - 1)


def _over_refits(
    x: Array, y: Array, refits: tuple[Array, Array] | None, known: NDArray[np.bool_]
) -> tuple[Array | None, Array | None]:
    """Variance over trainings of coefficients together and of correlations, shape (attributes,)."""
    if refits is None:
        return None, None
    once = np.ones((1, len(x)))
    each = []
    for values in refits:
        # In standard deviations of the value itself: refits vary more, and standardised by their
        # own deviation they would seem to agree.
        scale = values[known].std(axis=0) / y.std()
        solved = (_solved(x, column, once)[:2] for column in values[known].T)
        each.append([[k[0] * by for k in one] for one, by in zip(solved, scale, strict=True)])
    together, alone = (
        training_variance(*(np.stack([one[k] for one in kind], axis=-1) for kind in each))
        for k in range(2)
    )
    return together, alone


def _solved(x: Array, y: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Coefficients together, correlations and R² for each row of weights."""
    w = weights / weights.sum(axis=1, keepdims=True)
    both = np.column_stack([x, y])
    mean = w @ both
    second = np.einsum("rn,ni,nj->rij", w, both, both, optimize=True)
    cov = second - mean[:, :, None] * mean[:, None, :]
    sd = np.sqrt(np.maximum(np.einsum("rii->ri", cov), 1e-300))
    corr = cov / sd[:, :, None] / sd[:, None, :]
    inner, outer = corr[:, :-1, :-1], corr[:, :-1, -1]
    # The pseudo-inverse gives identical attributes equal shares.
    coefficients = np.einsum("rij,rj->ri", np.linalg.pinv(inner, hermitian=True), outer)
    return coefficients, outer, np.clip((coefficients * outer).sum(axis=1), 0, 1)


def _inflation(x: Array, varies: NDArray[np.bool_]) -> tuple[float, ...]:
    found = np.full(x.shape[1], np.nan)
    if varies.any():
        corr = np.atleast_2d(np.corrcoef(x[:, varies], rowvar=False))
        own = np.diag(np.linalg.pinv(corr, hermitian=True))
        # of copies, the pseudo-inverse keeps shares only: their inflation has no bound
        full = np.linalg.matrix_rank(corr, tol=1e-9) == len(corr)
        found[varies] = np.maximum(own, 1.0) if full else np.inf
    return tuple(found.tolist())


@dataclass(frozen=True)
class ChoiceEffects:
    """Effects of attributes on the choices of two raters between two images.

    Attributes:
        reference: change of the probability that the reference chooses an image whose attribute
            exceeds that of the other image by one standard deviation.
        source: the same for the source.
        difference: source − reference: effect on their disagreement.
        p: of the differences, two-sided, by Student's distribution with as many degrees of freedom
            as there are images more than attributes; NaN for a constant attribute.
        pairs: number of pairs.
    """

    reference: tuple[Interval, ...]
    source: tuple[Interval, ...]
    difference: tuple[Interval, ...]
    p: tuple[float, ...]
    pairs: int


def choice_effects(
    attributes: ArrayLike,
    left: NDArray[np.integer],
    right: NDArray[np.integer],
    reference: ArrayLike,
    source: ArrayLike,
    *,
    level: float = 0.95,
) -> ChoiceEffects:
    """Regression of two raters' choices, and of their disagreement, on attributes of the images.

    Choices themselves (left 1, right 0, a tie 0.5) are regressed, so that the difference of the two
    regressions is that of the disagreement, whatever the confidence of the labels. A rater with
    noisier answers has smaller slopes throughout.

    Args:
        attributes: one row per image, shape (images, attributes); standardised here over the
            images that occur.
        left, right: rows of the images of each pair, shape (pairs,).
        reference: preference of one rater for left, in [0, 1], shape (pairs,); pairs where either
            preference is NaN, or an attribute is, are left out.
        source: preference of the other.
        level: nominal coverage.

    Returns:
        Intervals from a variance for pairs that share images: products of the influences of all
        pairs with a common image. Identical attributes get equal shares; a constant one gets NaN.

    Raises:
        DataError: for fewer than ten pairs an attribute.

    Source:
        Fafchamps and Gubert 2007 (dyadic sandwich).
    """
    x = np.asarray(attributes, dtype=np.float64)
    p, q = np.asarray(reference, dtype=np.float64), np.asarray(source, dtype=np.float64)
    known = ~np.isnan(p) & ~np.isnan(q)
    known &= np.isfinite(x[left]).all(axis=1) & np.isfinite(x[right]).all(axis=1)
    left, right, p, q = left[known], right[known], p[known], q[known]
    if len(p) < 10 * x.shape[1]:
        raise DataError(
            f"{len(p)} pairs that both sources label, with {x.shape[1]} measured attributes",
            expected="at least ten pairs an attribute",
            todo="use more pairs or fewer attributes (study.attributes=[colourfulness,contrast])",
        )
    used = np.unique(np.concatenate([left, right]))
    sd = x[used].std(axis=0)
    varies = sd > 1e-12 * np.maximum(np.abs(x[used]).max(axis=0), 1e-300)
    z = (x - x[used].mean(axis=0)) / np.where(varies, sd, 1.0)
    apart = np.where(varies, z[left] - z[right], 0.0)
    inverse = np.linalg.pinv(apart.T @ apart, hermitian=True)

    def effects(choice: Array) -> tuple[Interval, ...]:
        slopes = inverse @ (apart.T @ choice)
        influence = (apart * (choice - apart @ slopes)[:, None]) @ inverse
        reach = norm.ppf((1 + level) / 2) * _dyadic_error(influence, left, right)
        return tuple(
            Interval(float(b), float(b - r), float(b + r), level, 0)
            if v
            else Interval(float("nan"), float("nan"), float("nan"), level, 0)
            for b, r, v in zip(slopes, reach, varies, strict=True)
        )

    one, other = np.sign(p - 0.5) / 2, np.sign(q - 0.5) / 2
    difference = effects(other - one)
    free = max(len(used) - int(varies.sum()) - 1, 1)
    z_level = norm.ppf((1 + level) / 2)
    tested = tuple(
        float(2 * t.sf(abs(i.estimate) / max((i.high - i.low) / 2 / z_level, 1e-300), free))
        for i in difference
    )
    return ChoiceEffects(effects(one), effects(other), difference, tested, len(p))


def _dyadic_error(influence: Array, left: NDArray[np.integer], right: NDArray[np.integer]) -> Array:
    """Standard errors, shape (attributes,)."""
    seen, row = np.unique(np.concatenate([left, right]), return_inverse=True)
    by_image = np.zeros((len(seen), influence.shape[1]))
    np.add.at(by_image, row[: len(left)], influence)
    np.add.at(by_image, row[len(left) :], influence)
    own = (influence**2).sum(axis=0)
    # products of all pairs that share an image, each pair with itself once
    variance = np.maximum((by_image**2).sum(axis=0) - own, own)
    return np.asarray(np.sqrt(variance * len(seen) / max(len(seen) - 2, 1)))
