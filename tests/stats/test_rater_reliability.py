from __future__ import annotations

import numpy as np
import pytest

from interestingness.stats.rater_reliability import one_person, repetition_stability


def slow_one_person(pair, rater, answer):
    right = []
    for p, r, a in zip(pair, rater, answer, strict=True):
        if np.isnan(a) or a == 0.5:
            continue
        others = [
            y
            for q, s, y in zip(pair, rater, answer, strict=True)
            if q == p and s != r and not np.isnan(y)
        ]
        if others:
            lead = sum(y - 0.5 for y in others)
            right.append(0.5 if lead == 0 else float((lead > 0) == (a > 0.5)))
    return np.mean(right)


def test_by_hand():
    # three raters, two against one: the two see a tie of the others, the one is wrong
    assert one_person([0, 0, 0], [0, 1, 2], [1.0, 1.0, 0.0]) == pytest.approx((0.5 + 0.5) / 3)
    assert one_person([0, 0, 0], [0, 1, 2], [1.0, 1.0, 1.0]) == 1.0


def test_it_is_the_loop_over_votes():
    rng = np.random.default_rng(0)
    pair, rater = rng.integers(0, 30, 200), rng.integers(0, 8, 200)
    answer = rng.choice([0, 0.5, 1, 1, np.nan], 200)
    assert one_person(pair, rater, answer) == pytest.approx(slow_one_person(pair, rater, answer))


def test_a_rater_s_repeats_do_not_confirm_each_other():
    assert np.isnan(one_person([0, 0], [4, 4], [1.0, 1.0]))
    assert one_person([0, 0, 0], [4, 4, 5], [1.0, 1.0, 0.0]) == 0.0


def test_weights_are_those_of_the_vote_left_out():
    pair, rater, answer = [0, 0, 0, 1, 1], [0, 1, 2, 0, 1], [1.0, 1.0, 0.0, 1.0, 1.0]
    found = one_person(pair, rater, answer, weight=[2, 2, 2, 1, 1])
    assert found == pytest.approx((2 * 1.0 + 2) / 8)


def test_raters_of_known_accuracy():
    # five raters who are right with chance q: others' majority is right with the binomial tail
    rng = np.random.default_rng(1)
    pairs, q = 40_000, 0.8
    truth = rng.random(pairs) < 0.5
    right = rng.random((5, pairs)) < q
    answer = np.where(right, truth, ~truth).astype(float)
    four = np.array([1 * q**4 + 4 * q**3 * (1 - q), 6 * q**2 * (1 - q) ** 2])
    wrong = 1 - four.sum()
    expected = q * four[0] + (1 - q) * wrong + four[1] / 2
    found = one_person(
        np.tile(np.arange(pairs), 5), np.repeat(np.arange(5), pairs), answer.reshape(-1)
    )
    assert found == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize("answer", [[], [1.0], [np.nan], [0.5]])
def test_nothing_to_compare(answer):
    zeros = np.zeros(len(answer))
    assert np.isnan(one_person(zeros, zeros, answer))
    share, cells = repetition_stability(zeros, zeros, zeros, answer)
    assert np.isnan(share) and cells == 0


def test_stability_is_the_mean_modal_share():
    # cell (0, a, first): 1 1 0 -> 2/3; cell (1, a, first): 0 0 -> 1; a single answer does not count
    pair, rater = [0, 0, 0, 1, 1, 0, 1], [0, 0, 0, 0, 0, 1, 0]
    first, answer = [1, 1, 1, 1, 1, 1, -1], [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    share, cells = repetition_stability(pair, rater, first, answer)
    assert share == pytest.approx((2 / 3 + 1) / 2)
    assert cells == 2


def test_a_coin_asked_twice_has_stability_three_quarters():
    rng = np.random.default_rng(2)
    pair = np.repeat(np.arange(20_000), 2)
    ones = np.ones(len(pair))
    share, cells = repetition_stability(pair, ones, ones, rng.integers(0, 2, len(pair)))
    assert share == pytest.approx(0.75, abs=0.006)
    assert cells == 20_000
