"""Intervals from resampled images: pairs that share an image are not independent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interestingness.errors import LabelError
from interestingness.schema import Array
from interestingness.stats.agreement import correct
from interestingness.stats.columns import columns

MANY_ITEMS = 50_000
"""Items from which a resample draws its items, and not a multinomial count for each."""
_CELLS = 4_000_000
"""Largest (repeats, pairs) block held in memory at once."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        estimate: the statistic on the data themselves.
        low: lower end; NaN where the data allow no interval.
        high: upper end.
        level: nominal coverage, 0.95 as a rule.
        repeats: number of resamples.
    """

    estimate: float
    low: float
    high: float
    level: float
    repeats: int

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap_over_images(
    statistic: Callable[[Array], float],
    left: ArrayLike,
    right: ArrayLike,
    *,
    seed: int,
    images: int | None = None,
    repeats: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Interval of a statistic of pairs, from resampling their images.

    A resample draws as many images as occur, with replacement; a pair weighs the product of the
    counts of its two images. These product weights vary too much: the noise of a pair itself enters
    three times (the variance of ``c_i c_j`` is 3, not 1), and percentile intervals cover 99–100 %
    instead of 95 % if each image is in a few pairs. So the same statistic is also computed with
    resampled pairs, which gives the pairs' own noise ``V_pair``, and the resampled values are
    shrunk towards the estimate by ``sqrt(max(V_image − 2 V_pair, V_pair) / V_image)`` before their
    quantiles are taken (times images / (images − 2) for small samples). This factor is at most 1,
    so that an interval never leaves the range of the statistic.

    Coverage of nominal 95 % for pair accuracy with planted image effects, 300 worlds each, measured
    with ``benchmarks/interval_coverage.py`` (100 to 300 images, 2 to 60 pairs an image): 94–96 % by
    this rule as ``accuracy_interval`` takes it, 97–100 % by the plain product weights, 66–94 % by
    resampling pairs.

    Args:
        statistic: takes one weight per pair, shape (pairs,), and gives a number; NaN is left out.
        left: row of each pair's left image, shape (pairs,).
        right: row of the right image, shape (pairs,).
        seed: of the resamples; the same seed gives the same interval.
        images: number of image rows, checked against ``left`` and ``right``; only images that
            occur are resampled.
        repeats: number of resamples (of images, and as many of pairs).
        level: nominal coverage, in (0, 1).

    Raises:
        LabelError: for rows outside ``images`` or columns of different lengths.

    Source:
        Product weights: Owen 2007 (pigeonhole bootstrap); the excess: Owen and Eckles 2012.
    """
    first, second, count = _rows(left, right, images)
    pairs = len(first)
    estimate = statistic(np.ones(pairs))
    if pairs == 0 or np.isnan(estimate):
        return _none(estimate, level, repeats)
    rng = np.random.default_rng(seed)
    by_image = np.array(
        [
            statistic(w)
            for counts in _counts(rng, count, repeats, pairs)
            for w in counts[:, first] * counts[:, second]
        ]
    )
    by_pair = np.array(
        [statistic(w) for counts in _counts(rng, pairs, repeats, pairs) for w in counts]
    )
    by_image, by_pair = by_image[~np.isnan(by_image)], by_pair[~np.isnan(by_pair)]
    if min(len(by_image), len(by_pair)) < 2:
        return _none(estimate, level, repeats)
    own = float(by_pair.var())
    # shared images can only add to the noise of the pairs, so V_pair is the floor
    wanted = max(float(by_image.var()) - 2 * own, own)
    return _interval(estimate, by_image, wanted, count, level, repeats)


def accuracy_interval(
    margin: ArrayLike,
    preference: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
    *,
    seed: int,
    weight: ArrayLike | None = None,
    images: int | None = None,
    repeats: int = 1000,
    level: float = 0.95,
) -> Interval:
    """``agreement.accuracy`` with the interval of ``bootstrap_over_images``, all repeats at once.

    The variance to which the resampled values are shrunk has a closed form here: the sum of the
    products of the errors of all pairs that share an image (Fafchamps and Gubert 2007). So only
    images are resampled. If all decided pairs are right (or all wrong), resampling shows no
    variation; the interval is then the exact binomial one for the largest possible number of
    disjoint pairs (at most half the images).

    Args:
        margin: score of left minus score of right, shape (pairs,).
        preference: probability that left is preferred, in [0, 1] or NaN.
        left: row of each pair's left image, shape (pairs,).
        right: row of the right image.
        seed: of the resamples.
        weight: non-negative weight of a pair, multiplied with the resampled one.
        images: number of image rows, see ``bootstrap_over_images``.
        repeats: number of resamples.
        level: nominal coverage.
    """
    hits = correct(margin, preference)
    *_, w = columns(hits, weight=weight)
    used = (w > 0) & _decided(preference)
    rows_left, rows_right = np.asarray(left)[used], np.asarray(right)[used]
    return share_interval(
        hits[used], rows_left, rows_right,
        seed=seed, weight=w[used], images=images, repeats=repeats, level=level,
    )  # fmt: skip


def share_interval(
    hits: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
    *,
    seed: int,
    weight: ArrayLike | None = None,
    images: int | None = None,
    repeats: int = 1000,
    level: float = 0.95,
) -> Interval:
    """A weighted mean of numbers in [0, 1], one a pair, with the interval of ``accuracy_interval``.

    Args:
        hits: per pair, e.g. the share of its votes that are as expected; a NaN makes it all NaN.
        left: row of each pair's left image, shape (pairs,).
        right: row of the right image.
        seed: of the resamples.
        weight: non-negative, e.g. the number of the pair's votes; None weighs pairs alike.
        images: number of image rows, see ``bootstrap_over_images``.
        repeats: number of resamples.
        level: nominal coverage.
    """
    hits, w = columns(hits, weight=weight)
    used = w > 0
    first, second, count = _rows(np.asarray(left)[used], np.asarray(right)[used], images)
    hits, w = hits[used], w[used]
    if len(hits) == 0 or np.isnan(hits).any():
        return _none(float("nan"), level, repeats)
    estimate = float(w @ hits / w.sum())
    if (hits == hits[0]).all() and hits[0] in (0.0, 1.0):
        disjoint = max(1, min(len(hits), count // 2))
        reach = ((1 - level) / 2) ** (1 / disjoint)
        low, high = (reach, 1.0) if hits[0] == 1 else (0.0, 1 - reach)
        return Interval(estimate, low, high, level, repeats)

    def shares(resampled: Array) -> Array:
        product = resampled * w
        total = product.sum(axis=1)
        return (product @ hits)[total > 0] / total[total > 0]

    error = w * (hits - estimate) / w.sum()
    return influence_interval(
        estimate, error, shares, first, second, seed=seed, repeats=repeats, level=level
    )


def influence_interval(
    estimate: float,
    error: Array,
    statistic: Callable[[Array], Array],
    left: ArrayLike,
    right: ArrayLike,
    *,
    seed: int,
    repeats: int = 1000,
    level: float = 0.95,
) -> Interval:
    """As ``bootstrap_over_images`` of a statistic whose linear part is known, all repeats at once.

    Args:
        estimate: the statistic with weights of 1.
        error: what each pair adds to the estimate's error, sum 0, shape (pairs,): its variance
            follows from the products of the errors of all pairs that share an image.
        statistic: takes weights of shape (block, pairs) and gives a number for each resample that
            has one.
        left: row of each pair's left image, shape (pairs,).
        right: row of the right image.
        seed: of the resamples.
        repeats: number of resamples.
        level: nominal coverage.
    """
    first, second, count = _rows(left, right, None)
    by_image = np.concatenate(
        [
            statistic(counts[:, first] * counts[:, second])
            for counts in _resamples(seed, count, repeats, len(first))
        ]
    )
    if len(by_image) < 2:
        return _none(estimate, level, repeats)
    by_node = np.bincount(first, error, count) + np.bincount(second, error, count)
    own = float(error @ error)
    # products of the errors of all pairs that share an image, each pair with itself once
    wanted = max(float(by_node @ by_node) - own, own)
    return _interval(estimate, by_image, wanted, count, level, repeats)


def bootstrap_images(
    statistic: Callable[[Array], float],
    images: int,
    *,
    seed: int,
    repeats: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic of single images (a rank correlation, say).

    Args:
        statistic: takes one whole-number weight per image, shape (images,), and gives a number.
        images: number of images.
        seed: of the resamples.
        repeats: number of resamples.
        level: nominal coverage.
    """
    estimate = statistic(np.ones(images))
    if images == 0 or np.isnan(estimate):
        return _none(estimate, level, repeats)
    rng = np.random.default_rng(seed)
    values = np.array(
        [statistic(w) for counts in _counts(rng, images, repeats, images) for w in counts]
    )
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return _none(estimate, level, repeats)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), level, repeats)


def _interval(
    estimate: float, by_image: Array, wanted: float, images: int, level: float, repeats: int
) -> Interval:
    """Quantiles of the resampled values, shrunk to the given variance."""
    wanted *= images / max(images - 2, 1)
    variance = float(by_image.var())
    shrink = min(1.0, np.sqrt(wanted / variance)) if variance > 0 else 0.0
    ends = np.quantile(by_image, [(1 - level) / 2, (1 + level) / 2])
    low, high = estimate + shrink * (ends - estimate)
    return Interval(estimate, float(low), float(high), level, repeats)


def _resamples(seed: int, images: int, repeats: int, width: int) -> Iterator[Array]:
    """``_counts`` of a new generator; several references of one run resample the same images."""
    if images * repeats > _CELLS // 4:
        yield from _counts(np.random.default_rng(seed), images, repeats, width)
        return
    counts, block = _few_counts(seed, images, repeats), max(1, _CELLS // max(width, images, 1))
    for start in range(0, repeats, block):
        yield counts[start : start + block]


@lru_cache(maxsize=4)
def _few_counts(seed: int, images: int, repeats: int) -> Array:
    (counts,) = _counts(np.random.default_rng(seed), images, repeats, images)
    counts.setflags(write=False)
    return counts


def _counts(rng: np.random.Generator, items: int, repeats: int, width: int) -> Iterator[Array]:
    """Multinomial counts in blocks of repeats, shape (block, items)."""
    block = max(1, _CELLS // max(width, items, 1))
    chance = np.full(items, 1 / items)
    for start in range(0, repeats, block):
        size = min(block, repeats - start)
        if items > MANY_ITEMS:  # the same distribution: items drawn one by one are faster there
            drawn = (rng.integers(items, size=items) for _ in range(size))
            yield np.array([np.bincount(d, minlength=items) for d in drawn], dtype=np.float64)
            continue
        yield rng.multinomial(items, chance, size=size).astype(np.float64)


def _rows(
    left: ArrayLike, right: ArrayLike, images: int | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Rows among the images that occur, and the number of these images."""
    first, second = np.asarray(left).reshape(-1), np.asarray(right).reshape(-1)
    if len(first) != len(second):
        raise LabelError(
            f"{len(first)} left and {len(second)} right images",
            expected="one of each per pair",
            todo="pass the columns of one pair list",
        )
    both = np.concatenate([first, second])
    if images is not None and len(both) and (both.min() < 0 or both.max() >= images):
        raise LabelError(
            f"image rows from {both.min()} to {both.max()}",
            expected=f"rows of {images} images",
            todo="pass rows of the image list that the pairs belong to",
        )
    seen, row = np.unique(both, return_inverse=True)
    return row[: len(first)], row[len(first) :], len(seen)


def _decided(preference: ArrayLike) -> NDArray[np.bool_]:
    p = np.asarray(preference, dtype=np.float64).reshape(-1)
    return ~np.isnan(p) & (p != 0.5)


def _none(estimate: float, level: float, repeats: int) -> Interval:
    return Interval(float(estimate), float("nan"), float("nan"), level, repeats)
