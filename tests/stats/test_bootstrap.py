from __future__ import annotations

import numpy as np
import pytest

from interestingness.errors import LabelError
from interestingness.stats.agreement import accuracy
from interestingness.stats.bootstrap import (
    Interval,
    accuracy_interval,
    bootstrap_images,
    bootstrap_over_images,
    share_interval,
)
from interestingness.stats.correlation import spearman


def world(images: int, pairs: int, seed: int):
    """Pairs whose correctness depends on planted image effects; accuracy about 0.7."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, images, pairs)
    right = (left + rng.integers(1, images, pairs)) % images
    utility = rng.normal(size=images)
    score = 0.8 * utility + 0.6 * rng.normal(size=images)
    chance = 1 / (1 + np.exp(-1.5 * (utility[left] - utility[right])))
    preference = (rng.random(pairs) < chance).astype(float)
    return left, right, score[left] - score[right], preference


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    left, right, margin, preference = world(60, 150, 0)
    one = accuracy_interval(margin, preference, left, right, seed=1, repeats=200)
    assert one == accuracy_interval(margin, preference, left, right, seed=1, repeats=200)
    assert one != accuracy_interval(margin, preference, left, right, seed=2, repeats=200)
    assert one.low < one.estimate < one.high
    assert one.estimate == accuracy(margin, preference)


def test_both_paths_agree_on_accuracy():
    left, right, margin, preference = world(80, 300, 1)
    slow = bootstrap_over_images(
        lambda w: accuracy(margin, preference, weight=w), left, right, seed=0, repeats=1000
    )
    fast = accuracy_interval(margin, preference, left, right, seed=0, repeats=1000)
    assert slow.estimate == pytest.approx(fast.estimate)
    assert slow.low == pytest.approx(fast.low, abs=0.012)
    assert slow.high == pytest.approx(fast.high, abs=0.012)


def test_blocks_of_repeats_change_nothing(monkeypatch):
    left, right, margin, preference = world(50, 100, 2)
    whole = accuracy_interval(margin, preference, left, right, seed=3, repeats=100)
    monkeypatch.setattr("interestingness.stats.bootstrap._CELLS", 700)
    assert whole == accuracy_interval(margin, preference, left, right, seed=3, repeats=100)


def test_coverage_in_a_planted_world():
    # ±0.04 is about three standard errors of 250 worlds; the product weights alone cover 0.99+
    truth = np.mean([accuracy(*world(3000, 20_000, 900 + s)[2:]) for s in range(15)])
    hits = 0
    for seed in range(250):
        left, right, margin, preference = world(100, 250, seed)
        found = accuracy_interval(margin, preference, left, right, seed=0, repeats=300)
        hits += found.low <= truth <= found.high
    assert hits / 250 == pytest.approx(0.95, abs=0.04)


def test_shared_images_widen_the_interval():
    rng = np.random.default_rng(0)
    wrong_image = rng.random(40) < 0.2
    left, right = np.triu_indices(40, 1)
    margin = np.where(wrong_image[left] | wrong_image[right], -1.0, 1.0)
    shared = accuracy_interval(margin, np.ones(len(left)), left, right, seed=0)
    apart = np.arange(len(left))
    alone = accuracy_interval(margin, np.ones(len(left)), apart, apart + len(left), seed=0)
    assert shared.high - shared.low > 3 * (alone.high - alone.low)


def test_all_right_is_not_certainty():
    left, right = np.arange(20), np.arange(20) + 20
    found = accuracy_interval(np.ones(20), np.ones(20), left, right, seed=0)
    assert (found.estimate, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 20))
    wrong = accuracy_interval(-np.ones(20), np.ones(20), left, right, seed=0)
    assert (wrong.low, wrong.high) == (0.0, pytest.approx(1 - found.low))
    # the same two images over and over are one disjoint pair
    again = accuracy_interval(np.ones(20), np.ones(20), left * 0, left * 0 + 1, seed=0)
    assert again.low == pytest.approx(0.025)


def test_weights_ties_and_gaps():
    left, right, margin, preference = world(40, 120, 3)
    weight = np.ones(120)
    weight[100:] = 0
    fewer = accuracy_interval(
        margin[:100], preference[:100], left[:100], right[:100], seed=0, repeats=50
    )
    assert fewer == accuracy_interval(
        margin, preference, left, right, weight=weight, seed=0, repeats=50
    )
    preference[100:] = np.where(np.arange(20) % 2, 0.5, np.nan)
    assert fewer == accuracy_interval(margin, preference, left, right, seed=0, repeats=50)


@pytest.mark.parametrize("preference", [[], [np.nan], [0.5]])
def test_nothing_decided_gives_an_empty_interval(preference):
    n = len(preference)
    found = accuracy_interval(np.ones(n), preference, np.zeros(n, int), np.ones(n, int), seed=0)
    assert np.isnan([found.estimate, found.low, found.high]).all()


def test_margins_of_zero_only():
    found = accuracy_interval(np.zeros(4), np.ones(4), [0, 1, 2, 3], [4, 5, 6, 7], seed=0)
    assert (found.low, found.estimate, found.high) == (0.5, 0.5, 0.5)


def test_a_statistic_that_is_nan_without_its_images_is_left_out_of_the_repeats():
    found = bootstrap_over_images(
        lambda w: float("nan") if w[0] == 0 else 1.0, [0, 1], [1, 2], seed=0, repeats=50
    )
    assert (found.low, found.high) == (1.0, 1.0)


def test_image_statistics():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = x + rng.normal(size=200)
    found = bootstrap_images(lambda w: spearman(x, y, weight=w), 200, seed=0, repeats=300)
    # Fisher's z with the variance of Bonett and Wright is the reference
    z, error = np.arctanh(found.estimate), np.sqrt((1 + found.estimate**2 / 2) / 197)
    assert found.low == pytest.approx(np.tanh(z - 1.96 * error), abs=0.03)
    assert found.high == pytest.approx(np.tanh(z + 1.96 * error), abs=0.03)


def test_rows_must_fit():
    with pytest.raises(LabelError):
        accuracy_interval([1.0], [1.0], [0], [3], images=3, seed=0)
    with pytest.raises(LabelError):
        bootstrap_over_images(lambda w: 1.0, [0, 1], [1], seed=0)


def test_it_prints():
    assert str(Interval(0.73449, 0.7, 0.77, 0.95, 1000)) == "0.734 [0.700, 0.770]"


def test_a_share_of_votes_is_held_by_its_interval_as_often_as_promised():
    """Votes on a pair share the pair, pairs share images; the true share is known."""
    rng = np.random.default_rng(8)
    held, worlds, truth = 0, 200, 0.7
    for world in range(worlds):
        left = rng.integers(0, 60, 180)
        right = (left + 1 + rng.integers(0, 59, 180)) % 60
        votes = rng.integers(1, 6, 180)
        # a pair's own chance varies around the mean, as consensus does
        chance = np.clip(truth + rng.choice([-0.2, 0.2], 180), 0, 1)
        hits = rng.binomial(votes, chance) / votes
        found = share_interval(hits, left, right, seed=world, weight=votes, repeats=200)
        held += found.low <= truth <= found.high
    assert 0.90 <= held / worlds <= 0.99


def test_a_share_that_is_always_right_has_the_exact_interval():
    found = share_interval(np.ones(10), np.arange(10), np.arange(10) + 10, seed=0)
    assert found.high == 1 and found.low == pytest.approx(0.025 ** (1 / 10))
