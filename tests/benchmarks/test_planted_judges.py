"""Simulated judges do what their description says."""

from __future__ import annotations

import numpy as np
import pytest
from simulations.images import pairs_of
from simulations.judges import (
    MARGIN_SD,
    REPEATS_ITSELF,
    SECOND_TWICE,
    Calls,
    worlds,
)

from interestingness.stats.pair_choice import next_pairs

WORLDS = {judge.name: judge for judge in worlds()}


def test_all_worlds_are_gpt4o_s_in_what_is_known_of_it() -> None:
    assert list(WORLDS) == ["logistic", "threshold", "lapses", "varying"]
    for judge in WORLDS.values():
        assert judge.expected()["second_twice"] == pytest.approx(SECOND_TWICE, abs=1e-4)
        assert judge.b < 0
    assert WORLDS["threshold"].expected()["repeats"] == pytest.approx(REPEATS_ITSELF, abs=1e-3)


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_expected_of_a_judge_is_what_it_does(name: str) -> None:
    judge, n = WORLDS[name], 100_000
    rng = np.random.default_rng(1)
    margin = MARGIN_SD * rng.normal(size=n)
    own, one = rng.normal(size=n), np.ones(n, np.int8)
    first, again, other = (judge.call(margin, s, own, rng)[0] for s in (one, one, -one))
    expected = judge.expected()
    found = {
        "second_twice": (~first & other).mean(),
        "first_twice": (first & ~other).mean(),
        "right": ((first == (margin > 0)).mean() + (other == (margin > 0)).mean()) / 2,
    }
    for key, value in found.items():
        assert value == pytest.approx(expected[key], abs=0.006), key
    # the order shown matters to how often an answer is repeated, and slots are symmetric
    assert (first == again).mean() == pytest.approx(expected["repeats"], abs=0.006)


def test_reported_probabilities_are_those_of_the_answers_without_lapses() -> None:
    rng = np.random.default_rng(2)
    margin, one = MARGIN_SD * rng.normal(size=200_000), np.ones(200_000, np.int8)
    answer, p = WORLDS["logistic"].call(margin, one, np.zeros(200_000), rng)
    for low in (0.1, 0.4, 0.7):
        some = (p >= low) & (p < low + 0.1)
        assert answer[some].mean() == pytest.approx(p[some].mean(), abs=0.01)


@pytest.mark.parametrize(("both", "each"), [(True, 2), (False, 1)])
def test_votes_are_as_many_as_calls_and_keep_the_order(both: bool, each: int) -> None:
    chosen = next_pairs([], [], [], images=20, pairs=50, seed=0, random_share=1)
    pairs = pairs_of(chosen.left, chosen.right, 20)
    rng = np.random.default_rng(0)
    calls = Calls.of(WORLDS["threshold"], rng.normal(size=50), rng)
    votes = calls.votes(pairs[:30], both=both, probabilities=True)
    assert len(votes) == 30 * each
    row = pairs.find(votes.key)
    expected = np.where(votes.first > 0, calls.left_first[row], calls.right_first[row])
    np.testing.assert_array_equal(votes.preference, expected)
    p = np.where(votes.first > 0, calls.p_left_first[row], calls.p_right_first[row])
    np.testing.assert_array_equal(votes.probability, p)
    assert np.isnan(calls.votes(pairs[:30], both=both, probabilities=False).probability).all()
    if both:
        assert sorted(votes.first[row == 3].tolist()) == [-1, 1]
    else:
        np.testing.assert_array_equal(votes.first, calls.order[:30])
