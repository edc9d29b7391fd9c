from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from interestingness.stats.position_bias import order_winners, position_bias


def test_counts_by_hand():
    # pair: 7 left wins twice; 3 first twice; 5 second twice (one of three disagrees); 9 one order;
    # 8 a tie in one order; 6 nothing usable
    votes = [
        (7, 1, 1.0),
        (7, -1, 1.0),
        (3, 1, 1.0),
        (3, -1, 0.0),
        (5, 1, 0.0),
        (5, 1, 0.0),
        (5, 1, 1.0),
        (5, -1, 1.0),
        (9, 1, 1.0),
        (8, 1, 0.5),
        (8, -1, 0.0),
        (6, 1, np.nan),
        (5, 0, 0.0),
    ]
    found = position_bias(*zip(*votes, strict=True))
    assert (found.consistent, found.first_twice, found.second_twice) == (1, 1, 1)
    assert (found.undecided, found.one_order, found.pairs) == (1, 1, 3)
    assert found.position_consistency == pytest.approx(1 / 3)
    assert found.bias_index == found.position_bias == 0.0


def test_the_paper_s_judge():
    # 36 % of pairs answered "second" twice, never "first" twice
    pairs = np.arange(2500)
    choice = np.where(pairs < 1600, 1.0, np.nan)
    second = pairs >= 1600
    pair, first = np.tile(pairs, 2), np.repeat([1, -1], 2500)
    answer = np.where(np.tile(second, 2), (first < 0).astype(float), np.tile(choice, 2))
    found = position_bias(pair, first, answer)
    assert found.position_consistency == pytest.approx(0.64)
    assert found.bias_index == pytest.approx(0.36)
    # P(second chosen) over all presentations, less one half
    second_chosen = np.mean(np.where(first > 0, 1 - answer, answer))
    assert found.position_bias == pytest.approx(second_chosen - 0.5)
    assert found.p_value < 1e-200


def test_the_test_is_exact():
    pair, first = np.repeat(np.arange(10), 2), np.tile([1, -1], 10)
    second_twice = np.repeat(np.arange(10) < 8, 2)
    answer = np.where(second_twice, first < 0, first > 0).astype(float)
    found = position_bias(pair, first, answer)
    assert found.p_value == pytest.approx(scipy.stats.binomtest(8, 10).pvalue)


def test_swapping_slots_changes_nothing():
    rng = np.random.default_rng(0)
    pair, first = rng.integers(0, 40, 300), rng.integers(-1, 2, 300)
    answer = rng.choice([0, 0.5, 1, np.nan], 300)
    turned = rng.random(40)[pair] < 0.5
    one = position_bias(pair, first, answer)
    other = position_bias(
        pair, np.where(turned, -first, first), np.where(turned, 1 - answer, answer)
    )
    assert one == other
    assert one.pairs > 5


@pytest.mark.parametrize("votes", [[], [(0, 1, 1.0)], [(0, 1, np.nan), (0, -1, np.nan)]])
def test_without_both_orders_there_is_no_bias_to_see(votes):
    pair, first, answer = zip(*votes, strict=True) if votes else ((), (), ())
    found = position_bias(pair, first, answer)
    assert found.pairs == 0
    assert np.isnan([found.position_consistency, found.bias_index]).all()
    assert found.p_value == 1.0


def test_winners_by_order_keep_the_names_of_pairs():
    a, b, names = order_winners([30, 10, 10], [1, 1, -1], [0.0, 1.0, 0.5])
    np.testing.assert_array_equal(names, [10, 30])
    np.testing.assert_array_equal(a, [1, -1])
    np.testing.assert_array_equal(b, [0, np.nan])
