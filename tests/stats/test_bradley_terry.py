from __future__ import annotations

import choix
import numpy as np
import pytest
from scipy.special import expit

from interestingness.errors import LabelError
from interestingness.stats.bradley_terry import bradley_terry


def comparisons(images: int, pairs: int, seed: int, spread: float = 1.0):
    rng = np.random.default_rng(seed)
    utility = rng.normal(size=images) * spread
    left = rng.integers(0, images, pairs)
    right = (left + rng.integers(1, images, pairs)) % images
    won = (rng.random(pairs) < expit(utility[left] - utility[right])).astype(float)
    return utility, left, right, won


def as_choix(left, right, won):
    return [
        (a, b) if y else (b, a)
        for a, b, y in zip(left.tolist(), right.tolist(), won.tolist(), strict=True)
    ]


@pytest.mark.parametrize("ridge", [0.05, 1.0])
def test_it_is_choix_with_a_ridge(ridge):
    _, left, right, won = comparisons(20, 150, 0)
    # choix penalises alpha · |u|² without the half
    other = choix.opt_pairwise(20, as_choix(left, right, won), alpha=ridge / 2, tol=1e-10)
    found = bradley_terry(left, right, won, images=20, ridge=ridge)
    np.testing.assert_allclose(found.utility, other, atol=1e-5)


def test_it_is_choix_s_maximum_likelihood_without_one():
    _, left, right, won = comparisons(10, 400, 1)
    other = choix.ilsr_pairwise(10, as_choix(left, right, won))
    found = bradley_terry(left, right, won, images=10, ridge=0.0)
    np.testing.assert_allclose(found.utility, other - other.mean(), atol=1e-6)


def test_planted_utilities_lie_within_their_errors():
    # with the prior that planted them, errors are calibrated: mean square of z is 1
    squares = []
    for seed in range(12):
        truth, left, right, won = comparisons(50, 400, seed)
        found = bradley_terry(left, right, won, images=50, ridge=1.0)
        # utilities have mean 0, the truth's level is part of the error that the prior allows
        squares.append(np.mean(((found.utility - truth) / found.standard_error) ** 2))
    assert np.mean(squares) == pytest.approx(1.0, abs=0.15)


def test_soft_preferences_and_weights_are_fractions_of_wins():
    left, right = np.array([0, 1, 2]), np.array([1, 2, 0])
    soft = bradley_terry(left, right, [0.75, 0.5, 0.4], images=3, weight=[4, 2, 5], ridge=0.1)
    wins = [(0, 1)] * 3 + [(1, 0)] + [(1, 2), (2, 1)] + [(2, 0)] * 2 + [(0, 2)] * 3
    a, b = np.array(wins).T
    hard = bradley_terry(a, b, np.ones(len(a)), images=3, ridge=0.1)
    np.testing.assert_allclose(soft.utility, hard.utility, atol=1e-9)
    np.testing.assert_allclose(soft.standard_error, hard.standard_error, atol=1e-9)


def test_two_images_in_closed_form():
    found = bradley_terry([0], [1], [0.75], images=2, weight=[40], ridge=0.0)
    assert found.margin([0], [1])[0] == pytest.approx(np.log(3))
    # the difference has information 40 · 3/16, each utility is half of it
    assert found.standard_error[0] == pytest.approx(0.5 / np.sqrt(40 * 3 / 16), rel=1e-4)


def test_swapping_a_pair_changes_nothing():
    _, left, right, won = comparisons(15, 60, 3)
    one = bradley_terry(left, right, won, images=15)
    other = bradley_terry(right, left, 1 - won, images=15)
    np.testing.assert_allclose(one.utility, other.utility, atol=1e-9)


def test_a_disconnected_graph_is_reported():
    found = bradley_terry([0, 1, 3, 3], [1, 2, 4, 4], [1.0, 0.0, 1.0, np.nan], images=6)
    assert found.components == 2
    np.testing.assert_array_equal(found.component, [0, 0, 0, 1, 1, -1])
    assert np.isnan(found.utility[5]) and np.isnan(found.standard_error[5])
    assert found.utility[:3].sum() == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_array_equal(np.isnan(found.margin([0, 0, 0], [1, 3, 5])), [0, 1, 1])


def test_one_sided_comparisons_need_a_ridge():
    with pytest.raises(LabelError):
        bradley_terry([0, 1], [1, 2], [1.0, 1.0], images=3, ridge=0.0)
    assert np.isfinite(bradley_terry([0, 1], [1, 2], [1.0, 1.0], images=3).utility).all()
    with pytest.raises(LabelError, match="ridge"):
        bradley_terry([0], [1], [1.0], images=2, ridge=-1)


def test_ties_only_and_nothing_at_all():
    tied = bradley_terry([0, 1], [1, 2], [0.5, 0.5], images=3)
    np.testing.assert_allclose(tied.utility, 0.0, atol=1e-12)
    empty = bradley_terry([], [], [], images=2)
    assert empty.components == 0
    assert np.isnan(empty.utility).all()


def test_many_images():
    truth, left, right, won = comparisons(2000, 20_000, 5)
    found = bradley_terry(left, right, won, images=2000, ridge=1.0, standard_errors=False)
    assert np.corrcoef(truth, found.utility)[0, 1] > 0.85
    assert np.isnan(found.standard_error).all()


@pytest.mark.parametrize("ridge", [0.1, 0.0])
def test_errors_of_many_images_are_close_to_the_exact_ones(ridge, monkeypatch):
    _, left, right, won = comparisons(150, 2500, 3, spread=0.4)
    exact = bradley_terry(left, right, won, images=150, ridge=ridge).standard_error
    monkeypatch.setattr("interestingness.stats.bradley_terry._DENSE", 10)
    probed = bradley_terry(left, right, won, images=150, ridge=ridge).standard_error
    np.testing.assert_allclose(probed, exact, rtol=0.15)
    assert abs(probed.mean() / exact.mean() - 1) < 0.02
