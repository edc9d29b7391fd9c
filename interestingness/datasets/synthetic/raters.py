"""Simulated raters of pairs: documented distributions, as arrays.

No rater sees a picture. Each is a formula whose constants were fitted so that its agreement with
the others is the paper's; see docs/synthetic.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from interestingness.datasets.synthetic.constants import Calibration

WORKERS = 553
"""Distinct crowd workers for pairs; the paper's number."""
VOTES_PER_PAIR = 5
ACTIVITY_SPREAD = 0.7
"""Spread of log activity: a few workers answer much more often than most (chosen, not fitted)."""
_BLOCK = 20_000


@dataclass(frozen=True, eq=False)
class PairVotes:
    """Votes of one kind of rater, ``samples`` per pair.

    Attributes:
        left: whether left was chosen, shape (pairs, samples).
        left_first: whether left was shown first, shape (pairs, samples).
        worker: which worker answered, shape (pairs, samples); 0 for a model.
        favoured: whether the given *reason* is one for left, shape (pairs, samples).
    """

    left: NDArray[np.bool_]
    left_first: NDArray[np.bool_]
    worker: NDArray[np.int64]
    favoured: NDArray[np.bool_]


def human_votes(
    truth: NDArray[np.float64],
    tastes: NDArray[np.float64],
    rng: np.random.Generator,
    constants: Calibration,
) -> PairVotes:
    """Simulate five different workers per pair, each with their own taste, in random order.

    P(left) = Phi(sharpness * truth + worker's weights · tastes ± order), where the order term
    favours the image shown first.

    Args:
        truth: planted utility, left minus right, shape (pairs,).
        tastes: named tastes, left minus right, shape (pairs, tastes).
        rng: the source of randomness.
        constants: sharpness, spread of tastes, order effect.
    """
    pairs = len(truth)
    activity = ACTIVITY_SPREAD * rng.gumbel(size=WORKERS)
    weights = rng.normal(0, constants.taste_spread, (WORKERS, tastes.shape[1]))
    worker = np.empty((pairs, VOTES_PER_PAIR), dtype=np.int64)
    for start in range(0, pairs, _BLOCK):
        # Gumbel keys: the five largest are a draw without replacement, so no worker comes twice.
        keys = rng.gumbel(size=(min(_BLOCK, pairs - start), WORKERS)) + activity
        worker[start : start + _BLOCK] = np.argpartition(keys, -VOTES_PER_PAIR)[:, -VOTES_PER_PAIR:]
    personal = np.einsum("pk,pvk->pv", tastes, weights[worker])
    left_first = rng.random((pairs, VOTES_PER_PAIR)) < 0.5
    order = np.where(left_first, constants.human_order, -constants.human_order)
    margin = constants.sharpness * truth[:, None] + personal + order
    left = rng.random((pairs, VOTES_PER_PAIR)) < ndtr(margin)
    return PairVotes(left, left_first, worker, left)


def threshold_judge_votes(
    margin: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    bias: float,
    noise: float,
    samples: int,
) -> PairVotes:
    """Simulate a nearly deterministic judge with a position bias, asked in both orders.

    It answers "second" where (utility of second − utility of first) + bias + noise is above 0: a
    pair closer than the bias gets "second" in both orders.

    Args:
        margin: the judge's utility, left minus right, shape (pairs,).
        rng: the source of randomness.
        bias: advantage of the second image, in units of the utility.
        noise: standard deviation between repeated calls.
        samples: calls per order; the first ``samples`` columns show left first.
    """
    pairs = len(margin)
    left_first = np.zeros((pairs, 2 * samples), dtype=bool)
    left_first[:, :samples] = True
    push = np.where(left_first, -bias, bias)
    left = margin[:, None] + push + rng.normal(0, noise, left_first.shape) > 0
    return PairVotes(left, left_first, np.zeros_like(left, dtype=np.int64), left)


def contradicting_judge_votes(
    margin: NDArray[np.float64], rng: np.random.Generator, *, guess: float
) -> PairVotes:
    """Simulate one call per order; the reason follows the utility, the choice often not.

    Args:
        margin: the judge's utility, left minus right, shape (pairs,).
        rng: the source of randomness.
        guess: probability that the choice is a coin flip instead.
    """
    left_first = np.tile([True, False], (len(margin), 1))
    favoured = np.repeat((margin > 0)[:, None], 2, axis=1)
    flips = rng.random(favoured.shape) < guess
    left = np.where(flips, rng.random(favoured.shape) < 0.5, favoured)
    return PairVotes(left, left_first, np.zeros_like(left, dtype=np.int64), favoured)


def constant_judge_votes(
    margin: NDArray[np.float64], rng: np.random.Generator, *, constant: float
) -> PairVotes:
    """Simulate one call per order, nearly always "first"; the reason follows the utility.

    Args:
        margin: the judge's utility, left minus right, shape (pairs,).
        rng: the source of randomness.
        constant: probability of answering "first" whatever is shown.
    """
    left_first = np.tile([True, False], (len(margin), 1))
    favoured = np.repeat((margin > 0)[:, None], 2, axis=1)
    left = np.where(rng.random(favoured.shape) < constant, left_first, favoured)
    return PairVotes(left, left_first, np.zeros_like(left, dtype=np.int64), favoured)


def single_answers(
    utility: NDArray[np.float64], rng: np.random.Generator, *, level: float, slope: float
) -> NDArray[np.bool_]:
    """Simulate five yes/no answers per image: P(yes) = Phi(level + slope * utility).

    Returns:
        Shape (images, 5).
    """
    share = ndtr(level + slope * utility)
    return rng.random((len(utility), VOTES_PER_PAIR)) < share[:, None]


def distinct_workers(items: int, workers: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw five different workers for every item, shape (items, 5)."""
    found = np.empty((items, VOTES_PER_PAIR), dtype=np.int64)
    for start in range(0, items, _BLOCK):
        keys = rng.random((min(_BLOCK, items - start), workers))
        found[start : start + _BLOCK] = np.argpartition(keys, -VOTES_PER_PAIR)[:, -VOTES_PER_PAIR:]
    return found
