from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import check_grad
from scipy.special import expit
from scipy.stats import norm

from interestingness.errors import LabelError
from interestingness.stats import order_effect as module
from interestingness.stats import vote_likelihood
from interestingness.stats.order_effect import order_effect, order_effect_of_probabilities
from interestingness.stats.vote_patterns import vote_patterns


def judged(pairs, tau, b, seed, *, orders=(1, -1), repeats=1):
    """Votes of raters with order terms b on pairs of planted margins."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(size=pairs) * tau
    cells = [(r, o) for r in range(len(b)) for o in orders for _ in range(repeats)]
    pair = np.tile(np.arange(pairs), len(cells))
    rater = np.repeat([r for r, _ in cells], pairs)
    first = np.repeat([o for _, o in cells], pairs)
    chance = expit(margin[pair] + first * np.asarray(b)[rater])
    return margin, pair, rater, first, (rng.random(len(pair)) < chance).astype(float)


def fit(pair, rater, first, choice, *, pairs, raters=1, **options):
    names = [f"r{i}" for i in range(raters)]
    found = order_effect(pair, rater, first, choice, pairs=pairs, raters=names, **options)
    return found, found.preference(pair, rater, first, choice, pairs=pairs)


def test_planted_terms_lie_within_their_errors():
    b = np.array([-1.0, 0.6, 0.0])
    z = []
    for seed in range(100, 125):
        _, *votes = judged(200, 1.5, b, seed)
        found, _ = fit(*votes, pairs=200, raters=3)
        assert found.names == ("r0", "r1", "r2")
        z.append((found.b - b) / found.standard_error)
    assert np.mean(np.square(z)) == pytest.approx(1.0, abs=0.35)
    _, *votes = judged(20_000, 1.5, b, 99)
    found, _ = fit(*votes, pairs=20_000, raters=3)
    np.testing.assert_allclose(found.b, b, atol=0.05)
    assert found.tau == pytest.approx(1.5, abs=0.05)
    low, high = found.interval(0.95)
    np.testing.assert_allclose(high - low, 2 * 1.959964 * found.standard_error, rtol=1e-6)


def test_preferences_are_calibrated_and_free_of_the_order():
    margin, *votes = judged(20_000, 1.5, [-1.0], 0)
    _, p = fit(*votes, pairs=20_000)
    for value in np.unique(p):
        here = p == value
        assert expit(margin[here]).mean() == pytest.approx(value, abs=0.02)


def test_one_order_only_is_enough():
    margin, *votes = judged(20_000, 1.5, [-0.8], 1, orders=(-1,), repeats=3)
    found, p = fit(*votes, pairs=20_000)
    assert found.b[0] == pytest.approx(-0.8, abs=0.08)
    assert np.corrcoef(p, expit(margin))[0, 1] > 0.7


def test_the_paper_s_judge_nearly_deterministic():
    # 36 % of pairs are "second" in both orders and none "first" in both
    _, *votes = judged(2500, 60.0, [-28.0], 2)
    found, p = fit(*votes, pairs=2500)
    share = np.bincount(votes[0], votes[3])
    assert (share == 1).mean() == pytest.approx(0.36, abs=0.02)
    assert found.b[0] + 3 * found.standard_error[0] < 0
    # the ratio of b to tau is what such votes tell
    assert found.b[0] / found.tau == pytest.approx(-28 / 60, abs=0.05)
    assert (p[share == 1] == 0.5).all()
    assert (p[share == 2] > 0.9).all() and (p[share == 0] < 0.1).all()


def test_a_judge_who_always_says_second_tells_nothing():
    pair, first = np.tile(np.arange(200), 2), np.repeat([1, -1], 200)
    found, p = fit(pair, np.zeros(400, int), first, (first < 0).astype(float), pairs=200)
    assert found.b[0] < -3
    assert np.isfinite(found.standard_error[0])
    assert (p == 0.5).all()


votes = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 2),
        st.sampled_from([-1, 0, 1]),
        st.sampled_from([0.0, 0.5, 1.0, 0.3, np.nan]),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=20)
@given(votes, st.lists(st.booleans(), min_size=6, max_size=6), st.randoms())
def test_swapping_and_shuffling_change_nothing(rows, turned, random):
    pair, rater, first, choice = np.array(rows or np.empty((0, 4))).T
    pair, rater = pair.astype(int), rater.astype(int)
    flip = np.array(turned)[pair] if len(pair) else np.empty(0, bool)
    order = np.array(random.sample(range(len(pair)), len(pair)), dtype=int)
    options = {"pairs": 6, "raters": 3, "min_votes": 4}
    one, p = fit(pair, rater, first, choice, **options)
    other, q = fit(
        pair[order],
        rater[order],
        np.where(flip, -first, first)[order],
        np.where(flip, 1 - choice, choice)[order],
        **options,
    )
    np.testing.assert_array_equal(one.b, other.b)
    assert one.tau == other.tau
    np.testing.assert_allclose(np.where(turned, 1 - q, q), p, atol=1e-12)


def test_the_quadrature_is_the_integral():
    found, p = fit([0, 0, 0], [0, 0, 0], [1, 1, -1], [1.0, 0.0, 1.0], pairs=1, min_votes=1)
    b, tau = found.b[0], found.tau

    def weight(m):
        return norm.pdf(m, scale=tau) * expit(m + b) * expit(-m - b) * expit(m - b)

    total, _ = quad(weight, -40, 40)
    mean, _ = quad(lambda m: weight(m) * expit(m), -40, 40)
    assert p[0] == pytest.approx(mean / total, abs=1e-8)


@pytest.mark.parametrize("tau", [0.3, 2.0, 20.0])
def test_more_nodes_change_nothing(tau, monkeypatch):
    _, *votes = judged(300, tau, [-0.5 * tau], 3, repeats=5)
    one, p = fit(*votes, pairs=300)
    monkeypatch.setattr(vote_likelihood, "NODES", 641)
    other, q = fit(*votes, pairs=300)
    np.testing.assert_allclose(one.b, other.b, atol=1e-3)
    np.testing.assert_allclose(p, q, atol=1e-5)


def test_the_gradient_is_that_of_the_loss():
    _, pair, rater, first, choice = judged(50, 1.0, [0.5, -1.0], 4)
    patterns = vote_patterns(pair, rater, first.astype(float), choice, pairs=50, groups=2)
    inner = module._Fit(patterns, patterns.multiplicity(np.ones(50)), 2)
    at = np.array([0.3, 0.2, -0.7])
    assert check_grad(lambda t: inner.loss(t)[0], lambda t: inner.loss(t)[1], at) < 1e-4


def test_both_ways_to_standard_errors_agree(monkeypatch):
    _, *votes = judged(3000, 1.5, [-1.0, 0.5], 5)
    one, _ = fit(*votes, pairs=3000, raters=2)
    monkeypatch.setattr(module, "OBSERVED_GROUPS", 0)
    other, _ = fit(*votes, pairs=3000, raters=2)
    np.testing.assert_allclose(one.standard_error, other.standard_error, rtol=0.05)


def test_raters_with_few_votes_share_a_term_by_kind():
    _, pair, rater, first, choice = judged(40, 1.0, [0.0] * 4, 6, orders=(1,))
    kept = (rater == 0) | (pair < 10)
    found = order_effect(
        pair[kept],
        rater[kept],
        first[kept],
        choice[kept],
        pairs=40,
        raters=["many", "a", "b", "c"],
        kinds=["human", "human", "model", "human"],
    )
    assert found.names == ("many", "other human raters", "other model raters")
    np.testing.assert_array_equal(found.group, [0, 1, 2, 1])
    np.testing.assert_array_equal(found.votes, [40, 20, 10])


def test_unknown_order_tells_of_margins_but_not_of_b():
    found, p = fit([0] * 6, [0] * 6, [0] * 6, [1.0] * 6, pairs=2)
    assert found.b[0] == 0.0 and np.isnan(found.standard_error[0])
    assert p[0] > 0.7 and np.isnan(p[1])


def test_pair_weights_are_copies():
    _, pair, rater, first, choice = judged(60, 1.5, [-1.0], 7)
    times = np.random.default_rng(0).integers(0, 3, 60)
    weighted, _ = fit(pair, rater, first, choice, pairs=60, weight=times)
    copies = np.repeat(np.arange(60), times)
    rows = np.concatenate([[p, p + 60] for p in copies])
    again, _ = fit(
        np.repeat(np.arange(len(copies)), 2), rater[rows], first[rows], choice[rows], pairs=200
    )
    np.testing.assert_allclose(weighted.b, again.b, atol=1e-5)
    assert weighted.tau == pytest.approx(again.tau, abs=1e-4)


def test_nothing_and_one_vote():
    found, p = fit([], [], [], [], pairs=2)
    assert found.b[0] == 0.0 and np.isnan(p).all()
    found, p = fit([1], [0], [1], [1.0], pairs=2)
    assert 0 < found.b[0] < 3 and 0.5 < p[1] < 1 and np.isnan(p[0])


def test_rows_must_fit():
    with pytest.raises(LabelError, match="pair rows"):
        order_effect([2], [0], [1], [1.0], pairs=2, raters=["a"])
    with pytest.raises(LabelError, match="rater rows"):
        order_effect([0], [1], [1], [1.0], pairs=2, raters=["a"])


def test_probabilities_of_both_orders_give_b_directly():
    rng = np.random.default_rng(8)
    margin, noise = rng.normal(size=500), rng.normal(size=(2, 500)) * 0.3
    pair, first = np.tile(np.arange(500), 2), np.repeat([1, -1], 500)
    logit = margin[pair] + first * -0.9 + noise.reshape(-1)
    rater = np.zeros(1000, int)
    b, error, number = order_effect_of_probabilities(pair, rater, first, expit(logit), raters=2)
    assert b[0] == pytest.approx(-0.9, abs=4 * error[0])
    assert error[0] == pytest.approx(0.3 / np.sqrt(2 * 500), rel=0.15)
    np.testing.assert_array_equal(number, [500, 0])
    assert b[1] == 0.0 and np.isnan(error[1])


def test_probabilities_of_one_order_give_b_through_random_slots():
    rng = np.random.default_rng(9)
    margin, first = 1.5 * rng.normal(size=4000), rng.choice([1, -1], size=4000)
    logit = margin + first * -0.9
    pair, rater = np.arange(4000), np.zeros(4000, int)
    b, error, number = order_effect_of_probabilities(pair, rater, first, expit(logit), raters=1)
    assert b[0] == pytest.approx(-0.9, abs=4 * error[0])
    assert error[0] == pytest.approx(1.5 / np.sqrt(4000), rel=0.1)
    assert number[0] == 4000
    # the slots of a pair may be exchanged
    swapped, _, _ = order_effect_of_probabilities(pair, rater, -first, expit(-logit), raters=1)
    assert swapped[0] == pytest.approx(b[0], abs=1e-12)


def test_probabilities_of_both_orders_outweigh_those_of_one():
    rng = np.random.default_rng(10)
    margin = 1.5 * rng.normal(size=600)
    pair = np.r_[np.arange(600), np.arange(100)]
    first = np.r_[np.ones(600, int), -np.ones(100, int)]
    noise = 0.2 * rng.normal(size=700)
    logit = margin[pair] + first * -0.9 + noise
    rater = np.zeros(700, int)
    b, error, number = order_effect_of_probabilities(pair, rater, first, expit(logit), raters=1)
    both = np.r_[np.arange(100), np.arange(600, 700)]
    alone, alone_error, _ = order_effect_of_probabilities(
        pair[both], rater[both], first[both], expit(logit[both]), raters=1
    )
    assert number[0] == 600
    assert error[0] <= alone_error[0]
    # 0.2 / sqrt(200) against 1.5 / sqrt(500): the pooled b is next to that of both orders
    assert b[0] == pytest.approx(alone[0], abs=alone_error[0])


def test_one_pair_or_none_gives_b_without_an_error():
    b, error, number = order_effect_of_probabilities(
        [0, 1, 1], [0, 1, 1], [1, 1, -1], [0.7, 0.8, 0.6], raters=3
    )
    assert b[0] == pytest.approx(np.log(0.7 / 0.3))
    assert b[1] == pytest.approx((np.log(4) - np.log(1.5)) / 2)
    assert b[2] == 0 and np.isnan(error).all()
    np.testing.assert_array_equal(number, [1, 1, 0])


@pytest.mark.parametrize("probability", [[0.7, 0.2, 0.4] * 2, [0.995] * 6])
def test_pairs_that_all_give_the_same_b_give_no_error(probability):
    b, error, number = order_effect_of_probabilities(
        [0, 1, 2] * 2, [0] * 6, [1] * 3 + [-1] * 3, probability, raters=1
    )
    assert b[0] == pytest.approx(0.0, abs=1e-12)
    assert number[0] == 3 and np.isnan(error[0])


def test_patterns_are_few_and_count_all_pairs():
    _, pair, rater, first, choice = judged(5000, 1.0, [0.0], 9)
    patterns = vote_patterns(pair, rater, first.astype(float), choice, pairs=5001, groups=1)
    # up to mirroring: left twice, first twice, second twice
    assert patterns.counts.shape == (3, 6)
    assert patterns.self_mirrored.sum() == 2
    assert patterns.pattern[5000] == -1
    assert patterns.multiplicity(np.ones(5001)).sum() == 5000
