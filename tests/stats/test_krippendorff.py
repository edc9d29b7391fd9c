"""Alpha against the textbook, against a second implementation, and where it has no answer."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from interestingness.stats.krippendorff import Answers


def test_textbook_example_of_two_observers() -> None:
    """Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), A: binary, alpha .095."""
    one = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    two = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    units = np.tile(np.arange(10), 2)
    answers = Answers.of(units, np.repeat([0, 1], 10), np.array(one + two, dtype=float))
    assert answers.alpha() == pytest.approx(0.095, abs=5e-4)
    assert answers.agreement() == pytest.approx(0.6)


def by_definition(pair: np.ndarray, rater: np.ndarray, choice: np.ndarray) -> float:
    """From the coincidence matrix, answer by answer."""
    coincidence = np.zeros((3, 3))
    for unit in np.unique(pair):
        values = (2 * choice[pair == unit]).astype(int)
        if len(values) > 1:
            for a, b in permutations(values, 2):
                coincidence[a, b] += 1 / (len(values) - 1)
    n_c = coincidence.sum(axis=0)
    n = n_c.sum()
    observed = (n - np.trace(coincidence)) / n
    expected = (n * n - (n_c**2).sum()) / (n * (n - 1))
    return float(1 - observed / expected)


def test_equals_the_definition_with_missing_answers_and_ties() -> None:
    rng = np.random.default_rng(3)
    pair, rater = (a.ravel() for a in np.mgrid[0:40, 0:6])
    choice = np.where(rng.random(240) < 0.7, (pair % 2), rng.integers(0, 3, 240) / 2).astype(float)
    kept = rng.random(240) < 0.6
    answers = Answers.of(pair[kept], rater[kept], choice[kept])
    assert answers.alpha() == pytest.approx(by_definition(pair[kept], rater[kept], choice[kept]))


def test_a_weight_of_two_is_the_pair_given_twice() -> None:
    rng = np.random.default_rng(4)
    pair, rater = (a.ravel() for a in np.mgrid[0:30, 0:4])
    choice = rng.integers(0, 2, 120).astype(float)
    weight = rng.integers(0, 3, 30)
    copies = np.concatenate([np.flatnonzero(pair == p) for p in np.repeat(np.arange(30), weight)])
    unit = np.repeat(np.arange(weight.sum()), 4)
    twice = Answers.of(unit, rater[copies], choice[copies])
    once = Answers.of(pair, rater, choice)
    assert once.alpha(weight) == pytest.approx(twice.alpha())
    assert once.agreement(weight) == pytest.approx(twice.agreement())


def test_repeats_of_a_rater_are_one_answer() -> None:
    answers = Answers.of([1, 1, 1, 1], [0, 0, 0, 1], [1.0, 1.0, 0.0, 0.0])
    assert answers.counts.tolist() == [[1, 0, 1]]


def test_nothing_to_compare_is_nan() -> None:
    assert np.isnan(Answers.of([1, 2], [0, 0], [1.0, 0.0]).alpha())
    assert np.isnan(Answers.of([1, 2], [0, 0], [1.0, 0.0]).agreement())
    same = Answers.of([1, 1], [0, 1], [1.0, 1.0])
    assert np.isnan(same.alpha()) and same.agreement() == 1
    assert np.isnan(Answers.of([], [], []).alpha())
