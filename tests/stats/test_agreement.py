from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score

from interestingness.errors import LabelError
from interestingness.stats.agreement import accuracy, agreement, consensus, correct, kappa

margins = arrays(float, 12, elements=st.sampled_from([-2.0, -1e-300, 0.0, 0.5, 3.0]))
preferences = arrays(float, 12, elements=st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0, np.nan]))
weights = arrays(float, 12, elements=st.sampled_from([0.0, 1.0, 2.0, 3.0]))


def test_accuracy_counts_by_hand():
    margin = [2.0, -1.0, 0.0, 3.0, -3.0, 5.0]
    preference = [1.0, 1.0, 0.0, 0.5, np.nan, 0.6]
    np.testing.assert_array_equal(correct(margin, preference), [1, 0, 0.5, np.nan, np.nan, 1])
    assert accuracy(margin, preference) == pytest.approx(2.5 / 4)
    assert accuracy(margin, preference, weight=[1, 3, 1, 9, 9, 1]) == pytest.approx(2.5 / 6)


@pytest.mark.parametrize("preference", [[], [0.5, 0.5], [np.nan, np.nan], [0.5, np.nan]])
def test_accuracy_without_a_decided_pair_is_nan(preference):
    assert np.isnan(accuracy(np.ones(len(preference)), preference))
    assert np.isnan(agreement(np.ones(len(preference)), preference))
    assert np.isnan(kappa(np.ones(len(preference)), preference))


def test_a_model_that_diverged_has_no_accuracy():
    assert np.isnan(accuracy([1.0, np.nan], [1.0, 1.0]))
    assert accuracy([1.0, np.nan], [1.0, 0.5]) == 1.0
    assert accuracy([1.0, np.nan], [1.0, 1.0], weight=[1, 0]) == 1.0


@settings(max_examples=30, deadline=None)
@given(margins, preferences, weights)
def test_swapping_left_and_right_changes_nothing(margin, preference, weight):
    one = accuracy(margin, preference, weight=weight)
    other = accuracy(-margin, 1 - preference, weight=weight)
    assert one == pytest.approx(other, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(margins, preferences, weights)
def test_a_whole_weight_is_a_repetition(margin, preference, weight):
    times = weight.astype(int)
    repeated = accuracy(np.repeat(margin, times), np.repeat(preference, times))
    assert accuracy(margin, preference, weight=weight) == pytest.approx(repeated, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(margins, preferences)
def test_the_opposite_model_has_the_opposite_accuracy(margin, preference):
    one, other = accuracy(margin, preference), accuracy(-margin, preference)
    assert (np.isnan(one) and np.isnan(other)) or one + other == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(preferences, preferences, weights)
def test_agreement_is_symmetric_and_swappable(p, q, weight):
    one = agreement(p, q, weight=weight)
    assert one == pytest.approx(agreement(q, p, weight=weight), nan_ok=True)
    assert one == pytest.approx(agreement(1 - p, 1 - q, weight=weight), nan_ok=True)


def test_agreement_leaves_out_ties_and_gaps_of_either_side():
    p = [1.0, 1.0, 0.5, 0.0, np.nan, 0.9]
    q = [0.7, 0.2, 1.0, 0.5, 1.0, 1.0]
    assert agreement(p, q) == pytest.approx(2 / 3)


def test_kappa_is_that_of_scikit_learn_for_pairs_in_both_orders():
    rng = np.random.default_rng(0)
    p, q = (rng.random((2, 50)) < 0.8).astype(float)
    both = [np.concatenate([one, 1 - one]) for one in (p, q)]
    assert kappa(p, q) == pytest.approx(cohen_kappa_score(*both))


@pytest.mark.parametrize("p", [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])
def test_two_of_one_mind_have_kappa_one_whichever_sides_they_chose(p):
    assert kappa(p, p) == 1 and kappa(p, 1 - np.array(p)) == -1


def test_consensus_is_the_share_on_the_majority_side():
    np.testing.assert_allclose(consensus([0.0, 0.2, 0.5, 0.6, np.nan]), [1, 0.8, 0.5, 0.6, np.nan])
    assert consensus([]).shape == (0,)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"margin": [1.0], "preference": [1.0, 0.0]}, "1, 2, 1 rows"),
        ({"margin": [1.0], "preference": [1.2]}, "preferences from 1.2"),
        ({"margin": [1.0], "preference": [1.0], "weight": [-1.0]}, "negative"),
        ({"margin": [1.0], "preference": [1.0], "weight": [np.nan]}, "negative or NaN"),
    ],
)
def test_impossible_input_is_refused(kwargs, words):
    with pytest.raises(LabelError, match=words):
        accuracy(**kwargs)
