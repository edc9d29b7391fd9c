"""Planted raters, and what a model of their agreement cannot know."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import check_grad
from scipy.special import expit
from scipy.stats import norm

from interestingness.stats import discrimination as module
from interestingness.stats.discrimination import ALONE, Discrimination, discrimination
from interestingness.stats.vote_patterns import vote_patterns


def planted(a, b, *, pairs=500, images=150, share=1.0, seed=0):
    """Votes of raters with these terms, and the images of the pairs."""
    rng = np.random.default_rng(seed)
    utility = rng.normal(size=images) / np.sqrt(2)
    left = rng.integers(0, images, pairs)
    right = (left + rng.integers(1, images, pairs)) % images
    margin = utility[left] - utility[right]
    pair, rater = (grid.ravel() for grid in np.meshgrid(np.arange(pairs), np.arange(len(a))))
    kept = rng.random(len(pair)) < share
    pair, rater = pair[kept], rater[kept]
    first = rng.choice([-1, 1], len(pair))
    chance = expit(np.asarray(a)[rater] * margin[pair] + first * np.asarray(b)[rater])
    return (pair, rater, first, (rng.random(len(pair)) < chance).astype(float)), left, right, margin


def fitted(votes, left, right) -> Discrimination:
    names = [f"r{k}" for k in range(int(max(votes[1], default=0)) + 1)]
    return discrimination(*votes, left=left, right=right, owners=names)


def test_planted_terms_are_found_and_a_coin_weighs_nothing() -> None:
    a, b = [2.0, 1.0, 0.0, 0.0, -1.5], [0.0, 0.8, 0.0, 3.0, 0.0]
    votes, left, right, margin = planted(a, b)
    found = fitted(votes, left, right)
    assert (found.unknown == "").all()
    assert (np.abs(found.a - a) < 3.5 * found.a_error).all() and (found.a_error < 0.8).all()
    assert (np.abs(found.b - b) < 3.5 * found.b_error).all()
    np.testing.assert_array_equal(found.reversed, [False] * 4 + [True])
    p = found.preference(*votes, pairs=500)
    counted = np.bincount(votes[0], votes[3]) / 5
    right_side = [((q > 0.5) == (margin > 0)).mean() for q in (p, counted)]
    assert right_side[0] > right_side[1] + 0.05


def test_the_likelihood_is_the_integral_and_the_gradient_its_own() -> None:
    a, b = np.array([1.3, -0.4]), np.array([0.5, -1.0])
    pair, rater, first = np.zeros(3, int), np.array([0, 1, 0]), np.array([1.0, -1.0, -1.0])
    patterns = vote_patterns(pair, rater, first, np.array([1.0, 1.0, 0.0]), pairs=1, groups=2)
    fit = module._Fit(patterns, patterns.multiplicity(np.ones(1)), 2)

    def weight(m: float) -> float:
        of_first = expit(1.3 * m + 0.5) * expit(-(1.3 * m - 0.5))
        return float(norm.pdf(m) * of_first * expit(-0.4 * m + 1.0))

    assert np.exp(fit.likelihood.value(a, b)[0]) == pytest.approx(
        quad(weight, -30, 30)[0], rel=1e-9
    )
    at = np.array([0.3, 0.2, -0.7, 1.0])
    assert check_grad(lambda t: fit.loss(t)[0], lambda t: fit.loss(t)[1], at) < 1e-5


def test_swapped_sides_names_and_order_of_rows_change_nothing() -> None:
    (pair, rater, first, choice), left, right, _ = planted([2, 1, 0.5], [0, 1, -1], pairs=100)
    one = fitted((pair, rater, first, choice), left, right)
    order = np.random.default_rng(1).permutation(len(pair))
    swap = pair[order] % 2 == 1
    turned = (
        pair[order],
        2 - rater[order],
        np.where(swap, -first[order], first[order]),
        np.where(swap, 1 - choice[order], choice[order]),
    )
    odd = np.arange(100) % 2 == 1
    other = fitted(turned, np.where(odd, right, left), np.where(odd, left, right))
    np.testing.assert_allclose(other.a[::-1], one.a, atol=1e-5)
    np.testing.assert_allclose(other.b[::-1], one.b, atol=1e-5)
    np.testing.assert_allclose(other.a_error[::-1], one.a_error, rtol=1e-3)
    p, q = (
        m.preference(*v, pairs=100)
        for m, v in ((one, (pair, rater, first, choice)), (other, turned))
    )
    np.testing.assert_allclose(np.where(odd, 1 - q, q), p, atol=1e-5)


def test_what_the_votes_leave_open_is_no_number() -> None:
    votes, left, right, _ = planted([2.0, 1.0], [0.0, 0.0])
    assert (fitted(votes, left, right).unknown != "").all()  # the product of both is all they tell
    alone = tuple(column[votes[1] == 0] for column in votes)
    found = fitted(alone, left, right)
    assert found.unknown[0] == ALONE and np.isnan(found.known_a).all()
    apart = (votes[0] + np.where(votes[1] == 1, 500, 0), *votes[1:])
    found = fitted(apart, np.tile(left, 2), np.tile(right, 2))
    assert (found.unknown == ALONE).all()
    votes, left, right, _ = planted([2.0, 1.0, 1.5], [0.0, 0.0, 0.0])
    unordered = (votes[0], votes[1], np.zeros(len(votes[0])), votes[3])
    found = fitted(unordered, left, right)
    assert np.isnan(found.b_error).all() and (found.unknown == "").all()


@pytest.mark.parametrize("choice", [0.5, 1.0])
def test_ties_alone_and_perfect_agreement_stay_finite(choice: float) -> None:
    pair, rater = np.repeat(np.arange(40), 3), np.tile(np.arange(3), 40)
    votes = (pair, rater, np.tile([1, -1], 60), np.full(120, choice))
    found = fitted(votes, np.arange(40), np.arange(40) + 1)
    p = found.preference(*votes, pairs=40)
    assert np.isfinite(found.a).all() and np.isfinite(found.b).all() and np.isfinite(p).all()
    assert (p == 0.5).all() if choice == 0.5 else (p > 0.5).all()


def test_one_pair_and_no_vote() -> None:
    found = fitted(([0], [0], [1], [1.0]), [0], [1])
    assert found.unknown[0] == ALONE and found.preference([0], [0], [1], [1.0], pairs=1)[0] > 0.5
    none = discrimination([], [], [], [], left=[0], right=[1], owners=["a"])
    assert np.isnan(none.preference([], [], [], [], pairs=1)).all()
