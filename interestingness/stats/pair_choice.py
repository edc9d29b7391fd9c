"""Choose the pairs to ask about next: the most informative ones, and a random part."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from interestingness.errors import LabelError
from interestingness.schema import Array
from interestingness.stats.bradley_terry import bradley_terry
from interestingness.stats.columns import check_preference, columns

Rows = NDArray[np.int64]

MOST_IMAGES = 2500
"""Most images in the active part, which stores the covariance of their utilities."""
TREE_DEGREE = 3
"""Most pairs of an image in one tree; without a bound the least known image is in all of them."""
_NEAREST = 24
"""Partners of highest gain for each image, from which a tree is made first."""
_JITTER = 1e-6


@dataclass(frozen=True, eq=False)
class ChosenPairs:
    """Pairs to ask about, the random ones first.

    Attributes:
        left, right: rows of the two images, left < right, shape (pairs,) each.
        random: whether the pair was drawn at random, shape (pairs,). Evaluate a model on these
            alone: the others were chosen for being hard.
        gain: expected information about the utilities when asked after those before it in the
            list, in nats, shape (pairs,).
    """

    left: Rows
    right: Rows
    random: NDArray[np.bool_]
    gain: Array

    def __len__(self) -> int:
        return len(self.left)


def next_pairs(
    left: ArrayLike,
    right: ArrayLike,
    preference: ArrayLike,
    *,
    images: int,
    pairs: int,
    seed: int,
    weight: ArrayLike | None = None,
    random_share: float = 0.3,
    ridge: float = 0.3,
    repeat: bool = False,
) -> ChosenPairs:
    """A round of pairs: a random part, then spanning trees of the most informative pairs.

    The gain of a pair is ½ log(1 + p (1 − p) · V): p its preference by the Bradley-Terry fit so
    far, V the variance of its margin in the Laplace covariance. A tree joins all images, so that a
    disconnected comparison graph becomes connected; pairs are added in order of falling gain, with
    at most ``TREE_DEGREE`` pairs for each image. The information of chosen pairs is counted before
    the next tree is made: in the Laplace approximation it does not depend on the answer.

    Args:
        left: row of each asked pair's left image, shape (asked,); may be empty.
        right: row of the right image, shape (asked,).
        preference: what was answered, in [0, 1]; NaN counts as not asked, shape (asked,).
        images: number of images; those without a comparison count.
        pairs: how many to choose, 1 or more.
        seed: of the random part, and of the choice among equals.
        weight: number of votes behind each preference; None takes one each.
        random_share: least share of random pairs, in [0, 1]. They cover all images, which helps a
            model to generalise, and are the only pairs for evaluation.
        ridge: precision of the normal prior on utilities, above 0.
        repeat: whether asked pairs may be chosen again (people differ; most models repeat).

    Returns:
        Exactly ``pairs`` distinct pairs. With more than ``MOST_IMAGES`` images, trees join a random
        part of so many.

    Raises:
        LabelError: for fewer than two images, an impossible number or share, or more pairs than are
            left to ask.

    Source:
        Expected information and a spanning tree per round: Mikhailiuk et al. 2020 (ASAP,
        arXiv 2004.05691); the bound on degrees and the random part are ours.
    """
    one, other, p, w = _asked(left, right, preference, weight)
    _check(one, other, images, pairs, random_share, ridge)
    closed = set() if repeat else set(_codes(one, other, images).tolist())
    free = images * (images - 1) // 2 - len(closed)
    if pairs > free:
        raise LabelError(
            f"{pairs} pairs wanted, but only {free} of {images} images are not asked about yet",
            expected="at most as many as are left",
            todo="ask for fewer, or allow pairs to be asked again",
        )
    rng = np.random.default_rng(seed)
    fit = bradley_terry(one, other, p, images=images, weight=w, ridge=ridge, standard_errors=False)
    some = np.sort(rng.permutation(images)[:MOST_IMAGES])
    known = _Information(np.nan_to_num(fit.utility), some, ridge)
    known.add(one, other, w)
    drawn = _random_pairs(images, math.ceil(random_share * pairs), closed, rng)
    chosen, gains = [drawn], [known.gain(drawn)]
    known.add(drawn[:, 0], drawn[:, 1], np.ones(len(drawn)))
    missing = pairs - len(drawn)
    while missing > 0:
        tree = known.tree(closed, rng)[:missing]
        if not len(tree):
            break
        chosen.append(tree)
        gains.append(known.gain(tree))
        closed.update(_codes(tree[:, 0], tree[:, 1], images).tolist())
        known.add(tree[:, 0], tree[:, 1], np.ones(len(tree)))
        missing -= len(tree)
    # nothing is left among the images that trees look at: the rest is random as well
    late = _random_pairs(images, missing, closed, rng)
    rows = np.sort(np.concatenate([*chosen, late]), axis=1)
    random = np.zeros(len(rows), dtype=bool)
    random[: len(drawn)] = random[len(rows) - missing :] = True
    return ChosenPairs(rows[:, 0], rows[:, 1], random, np.concatenate([*gains, known.gain(late)]))


def next_pairs_within(
    group: NDArray[np.int64],
    left: Rows,
    right: Rows,
    preference: Array,
    weight: Array,
    *,
    pairs: int,
    repeat: bool = False,
    **options: Any,
) -> ChosenPairs:
    """``next_pairs`` inside each group of images, the number in proportion to its images.

    Args:
        group: group of each image, negative for none, shape (images,); asked pairs between groups
            count as not asked.
        left, right, preference, weight, pairs, repeat: as for ``next_pairs``.
        options: further ones of ``next_pairs``.

    Raises:
        LabelError: as ``next_pairs``; for more pairs than the groups have left.
    """
    rows = [np.flatnonzero(group == number) for number in range(int(group.max(initial=-1)) + 1)]
    known = ~np.isnan(preference)
    inside = np.where(known & (group[left] == group[right]), group[left], -1)
    asked = [np.flatnonzero(inside == k) for k in range(len(rows))]
    closed = [0 if repeat else len(_distinct(left[a], right[a], len(group))) for a in asked]
    free = np.array([len(r) * (len(r) - 1) // 2 - c for r, c in zip(rows, closed, strict=True)])
    if pairs > free.sum():
        raise LabelError(
            f"{pairs} pairs wanted, but only {int(free.sum())} inside {len(rows)} groups of images "
            "are not asked about yet",
            expected="at most as many as are left",
            todo="ask for fewer, or allow pairs to be asked again",
        )
    size = np.array([len(r) for r in rows])
    number = np.zeros(len(rows), dtype=np.int64)
    for _ in range(pairs):  # each goes where most are owed
        owed = np.where(number < free, size * pairs / size.sum() - number, -np.inf)
        number[int(np.argmax(owed))] += 1
    parts = []
    for own, at, count in zip(rows, asked, number.tolist(), strict=True):
        if not count:
            continue
        place = np.full(len(group), -1)
        place[own] = np.arange(len(own))
        found = next_pairs(
            place[left[at]], place[right[at]], preference[at], weight=weight[at],
            images=len(own), pairs=count, repeat=repeat, **options,
        )  # fmt: skip
        parts.append(replace(found, left=own[found.left], right=own[found.right]))
    order = np.argsort(~np.concatenate([part.random for part in parts]), kind="stable")
    names = ("left", "right", "random", "gain")
    return ChosenPairs(*(np.concatenate([getattr(p, n) for p in parts])[order] for n in names))


def _distinct(one: Rows, other: Rows, images: int) -> set[int]:
    return set(_codes(one, other, images).tolist())


class _Information:
    """Precision of the utilities of some images (Laplace), given the pairs asked so far.

    Args of methods are rows of all images; pairs with an image that is not among ``some`` add
    nothing and have gain 0.
    """

    def __init__(self, utility: Array, some: Rows, ridge: float) -> None:
        self.images = len(utility)
        self.utility, self.some = utility, some
        self.place = np.full(self.images, -1, dtype=np.int64)
        self.place[some] = np.arange(len(some))
        self.precision = ridge * np.eye(len(some))
        self._covariance: Array | None = None

    def add(self, one: Rows, other: Rows, weight: Array) -> None:
        """Count these pairs as asked, ``weight`` times each."""
        a, b = self.place[one], self.place[other]
        inside = (a >= 0) & (b >= 0)
        if not inside.any():
            return
        a, b = a[inside], b[inside]
        cell = (weight * self._uncertainty(one, other))[inside]
        for rows, columns_, sign in ((a, a, 1), (b, b, 1), (a, b, -1), (b, a, -1)):
            np.add.at(self.precision, (rows, columns_), sign * cell)
        self._covariance = None

    def gain(self, pairs: Rows) -> Array:
        """Expected information of each pair, in nats, shape (pairs,)."""
        a, b = self.place[pairs[:, 0]], self.place[pairs[:, 1]]
        c = self.covariance
        variance = c[a, a] + c[b, b] - 2 * c[a, b]
        gain = 0.5 * np.log1p(self._uncertainty(pairs[:, 0], pairs[:, 1]) * variance)
        return np.where((a >= 0) & (b >= 0), gain, 0.0)

    @property
    def covariance(self) -> Array:
        """Inverse of the precision, shape (some, some)."""
        if self._covariance is None:
            factor = cho_factor(self.precision, lower=True)
            self._covariance = np.asarray(cho_solve(factor, np.eye(len(self.some))))
        return self._covariance

    def tree(self, closed: set[int], rng: np.random.Generator) -> Rows:
        """A spanning tree of high gain without closed pairs, best first, shape (edges, 2).

        Several trees if closed pairs disconnect the images. Kruskal's algorithm on each image's
        ``_NEAREST`` best partners, then on all pairs for the images that are not joined yet.
        """
        n = len(self.some)
        c = self.covariance
        diagonal = np.diag(c)
        p = expit(self.utility[self.some][:, None] - self.utility[self.some][None, :])
        gain = np.log1p(p * (1 - p) * (diagonal[:, None] + diagonal[None, :] - 2 * c))
        # equals are chosen among at random, or the first image would be in all pairs
        gain = gain * (1 + _JITTER * rng.random((n, n)))
        np.fill_diagonal(gain, -np.inf)
        near = min(_NEAREST, n - 1)
        best = np.argpartition(-gain, near - 1, axis=1)[:, :near]
        grower = _Tree(n, closed, self.some, self.images)
        grower.grow(np.repeat(np.arange(n), near), best.reshape(-1), gain)
        if not grower.done:
            low, high = np.triu_indices(n, 1)
            grower.grow(low, high, gain)
        edges = np.array(grower.edges, dtype=np.int64).reshape(-1, 2)
        order = np.argsort(-gain[edges[:, 0], edges[:, 1]], kind="stable")
        return np.asarray(self.some[edges[order]])

    def _uncertainty(self, one: Rows, other: Rows) -> Array:
        p = expit(self.utility[one] - self.utility[other])
        return np.asarray(p * (1 - p))


class _Tree:
    """Kruskal's algorithm with bounded degrees: edges taken so far and the sets they join."""

    def __init__(self, size: int, closed: set[int], some: Rows, images: int) -> None:
        self.edges: list[tuple[int, int]] = []
        self._size, self._closed, self._some, self._images = size, closed, some.tolist(), images
        self._parent = list(range(size))
        self._degree = [0] * size

    @property
    def done(self) -> bool:
        """Whether all images are joined."""
        return len(self.edges) == self._size - 1

    def grow(self, one: Rows, other: Rows, gain: Array) -> None:
        """Go through candidate edges from the highest gain down."""
        order = np.argsort(-gain[one, other], kind="stable")
        for a, b in zip(one[order].tolist(), other[order].tolist(), strict=True):
            if self.done:
                return
            if max(self._degree[a], self._degree[b]) >= TREE_DEGREE:
                continue
            i, j = self._some[a], self._some[b]
            root, other_root = self._root(a), self._root(b)
            if root == other_root or min(i, j) * self._images + max(i, j) in self._closed:
                continue
            self._parent[root] = other_root
            self._degree[a] += 1
            self._degree[b] += 1
            self.edges.append((a, b))

    def _root(self, node: int) -> int:
        while self._parent[node] != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node


def _random_pairs(images: int, number: int, closed: set[int], rng: np.random.Generator) -> Rows:
    """Open pairs at random, images nearly equally often, added to ``closed``; (number, 2).

    Neighbours in a random order of the images are paired; what is closed is dropped and another
    order drawn. Where few pairs are open they are listed and drawn from.
    """
    found: list[tuple[int, int]] = []
    seen = set(closed)
    for _ in range(20 + 4 * number // max(images // 2, 1)):
        order = rng.permutation(images)[: images // 2 * 2].reshape(-1, 2)
        order.sort(axis=1)
        for a, b in order.tolist():
            if len(found) < number and a * images + b not in seen:
                seen.add(a * images + b)
                found.append((a, b))
        if len(found) >= number:
            break
    else:
        low, high = np.triu_indices(images, 1)
        left = np.flatnonzero(~np.isin(low * images + high, list(seen)))
        rest = rng.permutation(left)[: number - len(found)]
        found += zip(low[rest].tolist(), high[rest].tolist(), strict=True)
    rows = np.array(found, dtype=np.int64).reshape(-1, 2)
    closed.update(_codes(rows[:, 0], rows[:, 1], images).tolist())
    return rows


def _codes(one: Rows, other: Rows, images: int) -> Rows:
    """One number per unordered pair."""
    return np.minimum(one, other) * images + np.maximum(one, other)


def _asked(
    left: ArrayLike, right: ArrayLike, preference: ArrayLike, weight: ArrayLike | None
) -> tuple[Rows, Rows, Array, Array]:
    one, other, p, w = columns(left, right, preference, weight=weight)
    check_preference(p)
    known = ~np.isnan(p) & (w > 0)
    return one[known].astype(np.int64), other[known].astype(np.int64), p[known], w[known]


def _check(
    one: Rows, other: Rows, images: int, pairs: int, random_share: float, ridge: float
) -> None:
    rows = np.concatenate([one, other])
    outside = len(rows) and (rows.min() < 0 or rows.max() >= images)
    wrong = {
        f"{images} image(s)": images < 2,
        f"{pairs} pairs": pairs < 1,
        f"random_share = {random_share}": not 0 <= random_share <= 1,
        f"ridge = {ridge}": not ridge > 0,
        "an asked pair with an image that is not there": outside,
        "an image asked against itself": bool((one == other).any()),
    }
    for found, is_wrong in wrong.items():
        if is_wrong:
            raise LabelError(
                f"{found} to choose pairs with",
                expected="two images or more, one pair or more, random_share in [0, 1], ridge "
                "above 0, and two different images in each asked pair",
                todo="correct it",
            )
