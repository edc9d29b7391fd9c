from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from interestingness.errors import LabelError
from interestingness.stats.retrieval import average_precision, ndcg


def orders(score):
    """Every order that ranks by score, ties in any order."""
    n = len(score)
    for order in itertools.permutations(range(n)):
        if all(score[order[i]] >= score[order[i + 1]] for i in range(n - 1)):
            yield list(order)


def strict_ap(flags):
    hits = np.cumsum(flags)
    return float((hits / np.arange(1, len(flags) + 1))[np.asarray(flags) == 1].mean())


@pytest.mark.parametrize("score", [[3, 2, 2, 2, 1, 1], [0, 0, 0, 0, 0, 0], [5, 5, 4, 3, 3, 3]])
@pytest.mark.parametrize("flags", [[1, 0, 1, 0, 0, 1], [0, 0, 0, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
def test_ties_are_taken_by_expectation(score, flags):
    every = [strict_ap(np.asarray(flags)[o]) for o in orders(score)]
    assert average_precision(score, flags) == pytest.approx(np.mean(every))


def test_without_ties_both_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    score, flags, gain = rng.normal(size=60), rng.integers(0, 2, 60), rng.integers(0, 5, 60)
    assert average_precision(score, flags) == pytest.approx(average_precision_score(flags, score))
    assert ndcg(score, gain) == pytest.approx(ndcg_score([gain], [score]))
    assert ndcg(score, gain, k=10) == pytest.approx(ndcg_score([gain], [score], k=10))


def test_ndcg_with_ties_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    for _ in range(20):
        score, gain = rng.integers(0, 4, 25), rng.integers(0, 3, 25)
        assert ndcg(score, gain) == pytest.approx(ndcg_score([gain], [score]))


def test_best_and_worst_order():
    assert average_precision([3, 2, 1, 0], [1, 1, 0, 0]) == 1.0
    assert average_precision([0, 1, 2, 3], [1, 0, 0, 0]) == 0.25
    assert ndcg([3, 2, 1], [5, 2, 0]) == pytest.approx(1.0)
    assert ndcg([1, 2, 3], [5, 2, 0], k=1) == 0.0


def test_weights_are_copies_and_gaps_are_dropped():
    score, flags, times = [3.0, 2.0, 2.0, 1.0], [1, 0, 1, 1], [2, 1, 0, 3]
    copied = average_precision(np.repeat(score, times), np.repeat(flags, times))
    assert average_precision(score, flags, weight=times) == pytest.approx(copied)
    assert average_precision([3, np.nan, 1, 5], [1, 1, 0, np.nan]) == 1.0
    assert ndcg(score, flags, weight=times) == pytest.approx(
        ndcg(np.repeat(score, times), np.repeat(flags, times))
    )


def test_nothing_relevant_gives_nan():
    assert np.isnan(average_precision([1, 2], [0, 0]))
    assert np.isnan(average_precision([], []))
    assert np.isnan(ndcg([1, 2], [0, 0]))
    assert np.isnan(ndcg([], []))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: average_precision([1.0], [0.5]), "neither 0 nor 1"),
        (lambda: average_precision([1.0], [1], weight=[0.5]), "whole number"),
        (lambda: ndcg([1.0, 2.0], [1.0, -1.0]), "a gain of -1"),
        (lambda: ndcg([1.0], [1.0], k=0), "k = 0"),
    ],
)
def test_impossible_input_is_refused(call, words):
    with pytest.raises(LabelError, match=words):
        call()
