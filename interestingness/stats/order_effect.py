"""Correct votes for the order of presentation: logit P(left) = margin of the pair ± b of the rater.

Sign: b > 0 favours the image shown first, b < 0 the one shown second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import ndtri

from interestingness.errors import LabelError
from interestingness.schema import Array
from interestingness.stats.columns import check_preference, columns
from interestingness.stats.vote_likelihood import VoteLikelihood, expected_preference
from interestingness.stats.vote_patterns import Patterns, vote_patterns

TAU_PRIOR = (1.5, 1.0)
"""Median of the log-normal prior on tau, in logits, and standard deviation of log tau."""
B_SCALE = 2.0
"""Standard deviation of the normal prior on b, in logits."""
MIN_VOTES = 30
"""Raters with fewer votes share their terms by kind."""
_LEAST_ERROR = 1e-9
"""Smaller standard errors of b are rounding of logits that are equal."""
_TAU_RANGE = (1e-2, 16.0)
OBSERVED_GROUPS = 40
"""Up to this number of groups, standard errors take second derivatives, else squared gradients."""


@dataclass(frozen=True, eq=False)
class OrderEffect:
    """The fitted order model.

    Attributes:
        names: of the groups of raters that share one b: a rater's own name, or "other <kind>".
        group: group of each rater, shape (raters,).
        b: order term in logits, shape (groups,).
        standard_error: of b; NaN where no vote says which image was first, shape (groups,).
        votes: usable votes of known order, shape (groups,).
        tau: standard deviation of the pairs' margins, in logits.
    """

    names: tuple[str, ...]
    group: NDArray[np.int64]
    b: Array
    standard_error: Array
    votes: NDArray[np.int64]
    tau: float

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Ends of the normal interval of each b, shape (groups,) each."""
        reach = ndtri((1 + level) / 2) * self.standard_error
        return self.b - reach, self.b + reach

    def preference(
        self,
        pair: ArrayLike,
        rater: ArrayLike,
        first: ArrayLike,
        preference: ArrayLike,
        *,
        pairs: int,
    ) -> Array:
        """E[σ(margin) | the pair's votes] of any pairs, those of the fit or others.

        Votes are given as to ``order_effect``, over the same raters.

        Returns:
            Shape (pairs,), NaN for a pair without a usable vote. Swapping a pair's images maps p
            to 1 − p exactly; as many votes for the first shown in either order give exactly 0.5.
        """
        row, who, shown, choice = usable(
            pair, rater, first, preference, pairs=pairs, raters=len(self.group)
        )
        patterns = vote_patterns(
            row, self.group[who], shown, choice, pairs=pairs, groups=len(self.names)
        )
        every = np.full(len(self.names), self.tau)
        return expected_preference(patterns, every, self.b, self.tau)


def order_effect(
    pair: ArrayLike,
    rater: ArrayLike,
    first: ArrayLike,
    preference: ArrayLike,
    *,
    pairs: int,
    raters: Sequence[str],
    kinds: Sequence[str] | None = None,
    weight: ArrayLike | None = None,
    min_votes: int = MIN_VOTES,
) -> OrderEffect:
    """Fit b per rater with the pairs' margins as random effects, m_p ~ N(0, tau²).

    A vote has logit P(left) = m_p + s·b, s = +1 where left was shown first, −1 where right was,
    0 where that is unknown. Log tau and b maximise the marginal likelihood of
    ``stats.vote_likelihood``, in which all raters have the same a = tau, together with weak
    priors (log-normal around 1.5 on tau, normal of scale 2 on b; tau stays below 16). The priors
    matter only where the votes leave a scale open: one vote per pair, a judge that never
    contradicts itself within an order, or one that always answers the same place.

    Pairs answered in one order only serve as well: slots are arbitrary, so margins have mean 0.
    Swapping left and right of any pair changes neither b nor tau, exactly.

    Args:
        pair: row of each vote's pair, in [0, pairs), shape (votes,).
        rater: index into ``raters``, shape (votes,).
        first: +1, −1 or 0 as s above, shape (votes,).
        preference: 1 left chosen, 0 right; a tie 0.5 or a probability p counts as p votes for
            left and 1 − p for right; NaN is dropped, shape (votes,).
        pairs: number of pairs.
        raters: names.
        kinds: kind of each rater ("human", "model"); raters of fewer than ``min_votes`` votes of
            known order share one b per kind. None takes them as one kind.
        weight: non-negative weight of each pair (image bootstrap), shape (pairs,).
        min_votes: see ``kinds``.

    Raises:
        LabelError: for columns of different lengths or rows outside ``pairs`` or ``raters``.

    Source:
        Order effect in paired comparisons: Davidson and Beaver 1977; random effects of pairs take
        the place of utilities, so that nothing about images is assumed.
    """
    row, who, shown, choice = usable(
        pair, rater, first, preference, pairs=pairs, raters=len(raters)
    )
    names, group = groups_of(who[shown != 0], raters, kinds, min_votes)
    patterns = vote_patterns(row, group[who], shown, choice, pairs=pairs, groups=len(names))
    pair_weight, _ = columns(np.ones(pairs) if weight is None else weight)
    fit = _Fit(patterns, patterns.multiplicity(pair_weight), len(names))
    log_tau, b = fit.maximise()
    votes = np.bincount(group[who[shown != 0]], minlength=len(names))
    error = np.where(votes > 0, fit.standard_error(log_tau, b), np.nan)
    return OrderEffect(names, group, b, error, votes, float(np.exp(log_tau)))


def order_effect_of_probabilities(
    pair: ArrayLike, rater: ArrayLike, first: ArrayLike, probability: ArrayLike, *, raters: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Order term of raters who give probabilities, from the logits of "first".

    A pair that the rater answered in both orders gives b as half the sum of the two logits of
    "first", free of its margin. A pair answered in one order gives its one logit of "first", in
    which the margin is noise of mean 0, because slots are arbitrary. The two means are weighed by
    their squared standard errors; without pairs in both orders the second stands alone. Repeats
    are averaged within an order first.

    Args:
        pair: number of each vote's pair, shape (votes,).
        rater: row of each vote's rater, in [0, raters).
        first: +1 where left was shown first, −1 right, 0 unknown (not used).
        probability: for left, strictly inside (0, 1); clip certainty first.
        raters: number of raters.

    Returns:
        b, its standard error (NaN below two pairs, and where all pairs give the same b, which
        leaves it open) and the pairs it rests on, shape (raters,) each; b is 0 for a rater without
        a pair of known order.

    Source:
        Half sum and half difference of the two orders' logits, as in CalibraEval-like
        calibrations (arXiv 2410.15393); the swap cancels every additive preference for a place.
    """
    logit, shown, _ = columns(probability, first)
    logit = np.log(logit) - np.log1p(-logit)
    who = np.asarray(rater, dtype=np.int64).reshape(-1)
    _, names = np.unique(np.asarray(pair).reshape(-1), return_inverse=True)
    cells, cell = np.unique(names.astype(np.int64) * raters + who, return_inverse=True)
    mean = []
    for order in (1, -1):
        used = shown == order
        number = np.bincount(cell[used], minlength=len(cells))
        total = np.bincount(cell[used], weights=order * logit[used], minlength=len(cells))
        mean.append(np.where(number > 0, total / np.maximum(number, 1), np.nan))
    half = (mean[0] + mean[1]) / 2
    single = np.where(np.isnan(mean[0]), mean[1], mean[0])
    both = ~np.isnan(half)
    one = ~both & ~np.isnan(single)
    owner = cells % raters
    b_both, error_both, n_both = _mean_by(owner[both], half[both], raters)
    b_one, error_one, n_one = _mean_by(owner[one], single[one], raters)
    # a mean of one pair, whose error is unknown, counts only where there is no better one
    use_both = (n_both > 1) | ((n_both > 0) & (n_one < 2))
    use_one = (n_one > 1) | ((n_one > 0) & ~use_both)
    v_both, v_one = error_both**2, error_one**2
    either = v_both + v_one
    share = np.where(use_one, np.divide(v_one, either, out=np.ones(raters), where=either > 0), 1.0)
    share = np.where(use_both, share, 0.0)
    pooled = use_both & use_one
    error = np.where(pooled, np.sqrt(share * v_both), np.where(use_both, error_both, error_one))
    # Equal values say that a judge is deterministic, or certain and clipped, not that b is exact.
    error = np.where(error > _LEAST_ERROR, error, np.nan)
    return share * b_both + (1 - share) * b_one, error, n_both * use_both + n_one * use_one


def _mean_by(
    owner: NDArray[np.int64], values: Array, raters: int
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Mean of each rater's values (0 without one), its standard error and their number."""
    number = np.bincount(owner, minlength=raters)
    mean: Array = np.bincount(owner, weights=values, minlength=raters) / np.maximum(number, 1)
    spread = np.bincount(owner, weights=(values - mean[owner]) ** 2, minlength=raters)
    error = np.sqrt(spread / np.maximum(number - 1, 1) / np.maximum(number, 1))
    return mean, np.where(number > 1, error, np.nan), number


class _Fit:
    """Penalised marginal likelihood of (log tau, b): all raters share a = tau."""

    def __init__(self, patterns: Patterns, multiplicity: Array, groups: int) -> None:
        self.likelihood = VoteLikelihood(patterns, multiplicity, groups)
        self.groups = groups

    def maximise(self) -> tuple[float, Array]:
        start = np.concatenate([[0.0], np.zeros(self.groups)])
        low, high = np.log(_TAU_RANGE)
        bounds = [(low, high), *([(-25.0, 25.0)] * self.groups)]
        found = minimised(self.loss, start, bounds)
        return float(found[0]), found[1:]

    def loss(self, theta: Array) -> tuple[float, Array]:
        """Negative penalised log likelihood and its gradient in (log tau, b)."""
        tau, b = np.exp(theta[0]), theta[1:]
        value, of_a, of_b = self.likelihood.value(np.full(self.groups, tau), b)
        pull = (theta[0] - np.log(TAU_PRIOR[0])) / TAU_PRIOR[1] ** 2
        value -= (pull * TAU_PRIOR[1]) ** 2 / 2 + (b @ b) / B_SCALE**2 / 2
        gradient = np.concatenate([[tau * of_a.sum() - pull], of_b - b / B_SCALE**2])
        return -value, -gradient

    def standard_error(self, log_tau: float, b: Array) -> Array:
        """Of b, from the information matrix; tau is held where it has run into its bounds."""
        theta = np.concatenate([[log_tau], b])
        observed = self.groups <= OBSERVED_GROUPS
        information = curvature(self.loss, theta) if observed else self._outer_products(theta)
        low, high = np.log(_TAU_RANGE)
        if low + 1e-3 < log_tau < high - 1e-3:
            covariance = np.linalg.pinv(information)[1:, 1:]
        else:
            covariance = np.linalg.pinv(information[1:, 1:])
        return np.sqrt(np.maximum(np.diag(covariance), 0.0))

    def _outer_products(self, theta: Array) -> Array:
        """Sum of the patterns' squared gradients (BHHH) and the priors' curvature.

        One pass whatever the number of groups, where differences would take one each.
        """
        tau, b = np.exp(theta[0]), theta[1:]
        of_a_b = self.likelihood.scores(np.full(self.groups, tau), b)
        of_tau = sparse.csr_matrix(tau * of_a_b[:, : self.groups].sum(axis=1).reshape(-1, 1))
        score_KG = sparse.hstack([of_tau, of_a_b[:, self.groups :]], format="csr")
        weight = sparse.diags_array(self.likelihood.weight_K)
        squares = (score_KG.T @ weight @ score_KG).toarray()
        prior = np.r_[1 / TAU_PRIOR[1] ** 2, np.full(self.groups, 1 / B_SCALE**2)]
        return np.asarray(squares + np.diag(prior))


def minimised(
    loss: Callable[[Array], tuple[float, Array]],
    start: Array,
    bounds: Sequence[tuple[float, float]],
) -> Array:
    """Where a loss, given with its gradient, is least."""
    from scipy import optimize  # a quarter of a second, which few runs need

    found = optimize.minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-7},
    )
    place: Array = found.x
    return place


def curvature(loss: Callable[[Array], tuple[float, Array]], theta: Array) -> Array:
    """Second derivatives of a loss, by central differences of its gradient."""
    step = 1e-4
    found = np.empty((len(theta), len(theta)))
    for i in range(len(theta)):
        move = np.zeros(len(theta))
        move[i] = step
        found[i] = (loss(theta + move)[1] - loss(theta - move)[1]) / (2 * step)
    return (found + found.T) / 2


def groups_of(
    who: NDArray[np.int64], raters: Sequence[str], kinds: Sequence[str] | None, min_votes: int
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the groups and the group of each rater; those with few votes share one by kind."""
    number = np.bincount(who, minlength=len(raters))
    kind_of = ["raters"] * len(raters) if kinds is None else [f"{k} raters" for k in kinds]
    label = [
        name if votes >= min_votes else f"other {kind}"
        for name, votes, kind in zip(raters, number.tolist(), kind_of, strict=True)
    ]
    names = tuple(dict.fromkeys(label))
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[name] for name in label], dtype=np.int64)


def usable(
    pair: ArrayLike,
    rater: ArrayLike,
    first: ArrayLike,
    preference: ArrayLike,
    *,
    pairs: int,
    raters: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array, Array]:
    """Check the columns of votes; return row, rater, order and choice of those with an answer."""
    choice, shown, _ = columns(preference, first)
    check_preference(choice)
    row = _index(pair, pairs, len(choice), "pair")
    who = _index(rater, raters, len(choice), "rater")
    known = ~np.isnan(choice)
    return row[known], who[known], np.sign(shown[known]), choice[known]


def _index(values: ArrayLike, limit: int, rows: int, what: str) -> NDArray[np.int64]:
    index = np.asarray(values, dtype=np.int64).reshape(-1)
    if len(index) != rows or (rows and (index.min() < 0 or index.max() >= limit)):
        raise LabelError(
            f"{len(index)} {what} rows for {rows} votes, or one outside the {limit} there are",
            expected=f"for every vote a row in [0, {limit})",
            todo="look the rows up in the same list",
        )
    return index
