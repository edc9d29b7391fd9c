"""Weigh raters by how much their votes follow what all raters have in common.

A vote has logit P(left) = a·m + s·b: m ~ N(0, 1) is the pair's margin, a the rater's
*discrimination* and b its order term. A rater who tosses a coin, or always chooses one place, has
a = 0, one who contradicts everybody a < 0. a measures agreement with the others, not quality: where
most raters share a fault, who lacks it has a small a.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtri

from interestingness.schema import Array
from interestingness.stats.order_effect import (
    B_SCALE,
    OBSERVED_GROUPS,
    curvature,
    minimised,
    usable,
)
from interestingness.stats.vote_likelihood import VoteLikelihood, expected_preference
from interestingness.stats.vote_patterns import Patterns, vote_patterns

A_PRIOR = (1.0, 2.5)
"""Mean and standard deviation of the normal prior on a, in logits: few votes say little."""
LEARNT = 0.5
"""a is known if the votes alone would give it a variance that the prior at most halves."""
ALONE = "nobody else voted on the same pairs"
FEW = "too few votes on pairs of other raters"


@dataclass(frozen=True, eq=False)
class Discrimination:
    """The fitted model.

    Attributes:
        names: of the groups of raters that share a and b.
        group: group of each rater, shape (raters,).
        a, b: in logits, shape (groups,).
        a_error, b_error: standard errors, which allow for pairs with an image in common; NaN where
            a or b is unknown, shape (groups,).
        votes: usable votes, shape (groups,).
        unknown: why a is not known, "" where it is, shape (groups,), dtype object. The prior then
            decides, and a is NaN in ``known_a``.
    """

    names: tuple[str, ...]
    group: NDArray[np.int64]
    a: Array
    b: Array
    a_error: Array
    b_error: Array
    votes: NDArray[np.int64]
    unknown: NDArray[np.object_]

    @property
    def known_a(self) -> Array:
        """a where votes say something about it, else NaN, shape (groups,)."""
        return np.where(self.unknown == "", self.a, np.nan)

    @property
    def reversed(self) -> NDArray[np.bool_]:
        """Groups whose interval of a lies below 0: they contradict the others, (groups,)."""
        return (self.unknown == "") & (self.intervals()[1] < 0)

    def intervals(self, level: float = 0.95) -> tuple[Array, Array, Array, Array]:
        """Ends of the normal intervals of a and of b, shape (groups,) each."""
        reach = ndtri((1 + level) / 2)
        a, b = reach * self.a_error, reach * self.b_error
        return self.known_a - a, self.known_a + a, self.b - b, self.b + b

    def preference(
        self,
        pair: ArrayLike,
        rater: ArrayLike,
        first: ArrayLike,
        preference: ArrayLike,
        *,
        pairs: int,
    ) -> Array:
        """E[σ(ā·m) | the pair's votes], ā the mean of a over all votes: a typical rater's vote.

        Votes are given as to ``discrimination``, over the same raters.

        Returns:
            Shape (pairs,), NaN for a pair without a usable vote. Swapping a pair's images maps p
            to 1 − p exactly.
        """
        row, who, shown, choice = usable(
            pair, rater, first, preference, pairs=pairs, raters=len(self.group)
        )
        groups = len(self.names)
        patterns = vote_patterns(row, self.group[who], shown, choice, pairs=pairs, groups=groups)
        typical = float(self.votes @ self.a) / max(int(self.votes.sum()), 1)
        return expected_preference(patterns, self.a, self.b, typical)


def discrimination(
    pair: ArrayLike,
    rater: ArrayLike,
    first: ArrayLike,
    preference: ArrayLike,
    *,
    left: ArrayLike,
    right: ArrayLike,
    owners: Sequence[str],
) -> Discrimination:
    """Fit a and b of every rater with the pairs' margins as random effects.

    a and b maximise the marginal likelihood together with weak normal priors. Estimated jointly
    with the margins instead, a would stay wrong however many pairs there are, because every pair
    has few votes. Var(m) = 1 fixes the scale, and Σ votes · a > 0 the sign. Standard errors are the
    larger of the likelihood's and of a sandwich in which the scores of pairs that share an image
    may be correlated.

    Args:
        pair: row of each vote's pair, in [0, pairs), shape (votes,).
        rater: index into ``owners``, shape (votes,).
        first: +1 where left was shown first, −1 right, 0 unknown, shape (votes,).
        preference: 1 left chosen, 0 right; a tie 0.5 or a probability p counts as p votes for
            left and 1 − p for right; NaN is dropped, shape (votes,).
        left, right: the images of every pair, any numbers, shape (pairs,).
        owners: under which name each rater has its terms; raters of one name share a and b, as
            those should who have few votes.

    Raises:
        LabelError: for columns of different lengths or rows outside ``pairs`` or ``owners``.

    Source:
        Discrimination of the two-parameter item response model, with judges in the place of items
        (Birnbaum 1968), by marginal maximum likelihood (Bock and Aitkin 1981); judge-aware
        Bradley–Terry (arXiv 2601.21817). Dyadic sandwich: Aronow, Samii and Assenova 2015.
    """
    sides = np.asarray(left).reshape(-1), np.asarray(right).reshape(-1)
    pairs = len(sides[0])
    row, who, shown, choice = usable(
        pair, rater, first, preference, pairs=pairs, raters=len(owners)
    )
    names = tuple(dict.fromkeys(owners))
    place = {name: i for i, name in enumerate(names)}
    group = np.array([place[name] for name in owners], dtype=np.int64)
    patterns = vote_patterns(row, group[who], shown, choice, pairs=pairs, groups=len(names))
    fit = _Fit(patterns, patterns.multiplicity(np.ones(pairs)), len(names))
    votes = np.bincount(group[who], minlength=len(names))
    a, b = fit.maximise()
    if votes @ a < 0:
        a = -a  # the margins change their sign with it
    error, learnt = fit.standard_errors(a, b, patterns, sides)
    ordered = np.bincount(group[who[shown != 0]], minlength=len(names)) > 0
    unknown = np.where(learnt, "", FEW).astype(object)
    unknown[~_with_others(row, who, group, len(names))] = ALONE
    known = unknown == ""
    return Discrimination(
        names,
        group,
        a,
        b,
        np.where(known, error[0], np.nan),
        np.where(ordered, error[1], np.nan),
        votes,
        unknown,
    )


class _Fit:
    """Penalised marginal likelihood of (a, b)."""

    def __init__(self, patterns: Patterns, multiplicity: Array, groups: int) -> None:
        self.likelihood = VoteLikelihood(patterns, multiplicity, groups)
        self.groups = groups

    def maximise(self) -> tuple[Array, Array]:
        found = np.concatenate([np.full(self.groups, A_PRIOR[0]), np.zeros(self.groups)])
        # At first nobody may contradict: else a long step can turn a large group round for good.
        for least in (0.0, -16.0):
            bounds = [(least, 16.0)] * self.groups + [(-25.0, 25.0)] * self.groups
            found = minimised(self.loss, found, bounds)
        return found[: self.groups], found[self.groups :]

    def loss(self, theta: Array) -> tuple[float, Array]:
        """Negative penalised log likelihood and its gradient in (a, b)."""
        a, b = theta[: self.groups], theta[self.groups :]
        value, of_a, of_b = self.likelihood.value(a, b)
        away = (a - A_PRIOR[0]) / A_PRIOR[1]
        value -= float(away @ away + (b @ b) / B_SCALE**2) / 2
        return -value, np.concatenate([away / A_PRIOR[1] - of_a, b / B_SCALE**2 - of_b])

    def standard_errors(
        self, a: Array, b: Array, patterns: Patterns, sides: tuple[Array, Array]
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Of a and of b, shape (2, groups); and for which a votes say more than the prior.

        Two raters with one vote each on a pair tell the product of their a alone, so that the
        likelihood has no curvature along one line.
        """
        scores = self.likelihood.scores(a, b)
        prior = np.repeat([1 / A_PRIOR[1] ** 2, 1 / B_SCALE**2], self.groups)
        if self.groups <= OBSERVED_GROUPS:
            information = curvature(self.loss, np.concatenate([a, b]))
        else:
            weight = sparse.diags_array(self.likelihood.weight_K)
            information = (scores.T @ weight @ scores).toarray() + np.diag(prior)
        inverse = np.linalg.pinv(information)
        # b has its own prior throughout: that of a rater without orders decides nothing about a.
        alone = np.linalg.pinv(information - np.diag(prior * (np.arange(len(prior)) < self.groups)))
        variance, own = np.diag(inverse)[: self.groups], np.diag(alone)[: self.groups]
        learnt = (own > 0) & (variance >= LEARNT * own)
        of_pairs = scores[patterns.pattern[patterns.pattern >= 0]]
        meat = _shared_images(of_pairs, *(side[patterns.pattern >= 0] for side in sides))
        larger = np.maximum(np.diag(inverse), np.diag(inverse @ meat @ inverse))
        return np.sqrt(np.maximum(larger, 0.0)).reshape(2, self.groups), learnt


def _shared_images(scores: sparse.csr_matrix, left: Array, right: Array) -> Array:
    """Σ s_p s_qᵀ over all pairs p, q with an image in common, a pair with itself once."""
    names, image = np.unique(np.concatenate([left, right]), return_inverse=True)
    pair = np.tile(np.arange(len(left)), 2)
    shape = (len(names), len(left))
    of_image = sparse.csr_matrix((np.ones(len(image)), (image, pair)), shape=shape) @ scores
    return np.asarray((of_image.T @ of_image - scores.T @ scores).toarray())


def _with_others(
    row: NDArray[np.int64], who: NDArray[np.int64], group: NDArray[np.int64], groups: int
) -> NDArray[np.bool_]:
    """Groups with a vote in a connected part of pairs and raters that has several raters."""
    raters, pairs = len(group), int(row.max(initial=-1)) + 1
    graph = sparse.coo_matrix(
        (np.ones(len(row)), (who, raters + row)), shape=(raters + pairs, raters + pairs)
    )
    _, part = connected_components(graph, directed=False)
    voted = np.unique(who)
    several = np.bincount(part[voted], minlength=part.max(initial=0) + 1) > 1
    return np.bincount(group[voted], several[part[voted]], minlength=groups) > 0
