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
    assert answers.alpha(sides=False) == pytest.approx(0.095, abs=5e-4)
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
    assert answers.alpha(sides=False) == pytest.approx(
        by_definition(pair[kept], rater[kept], choice[kept])
    )


def test_sides_are_the_limit_of_pairs_taken_in_both_orders() -> None:
    """Nominal alpha of all votes and their mirror images, many times over; only n − 1 differs."""
    rng = np.random.default_rng(4)
    pair, rater = (a.ravel() for a in np.mgrid[0:30, 0:4])
    choice = rng.choice([0.0, 0.5, 1.0], 120, p=[0.2, 0.2, 0.6])
    many = [(pair + 30 * k, choice if k % 2 else 1 - choice) for k in range(2000)]
    both = Answers.of(
        np.concatenate([p for p, _ in many]), np.tile(rater, 2000),
        np.concatenate([c for _, c in many]),
    )  # fmt: skip
    once = Answers.of(np.tile(pair, 50) + 30 * np.repeat(np.arange(50), 120), np.tile(rater, 50),
                      np.tile(choice, 50))  # fmt: skip
    assert once.alpha(sides=True) == pytest.approx(both.alpha(sides=False), abs=1e-3)


def test_without_ties_it_is_the_coefficient_of_agreement_of_paired_comparisons() -> None:
    """Kendall and Babington Smith 1940: u = 2 Σ / (C(m, 2) · C(n, 2)) − 1, counted by hand."""
    left = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=float)  # pairs × judges
    pair, judge = (a.ravel() for a in np.mgrid[0:3, 0:3])
    same = 1 + 1 + 3  # pairs of judges who agree, by pair
    u = 2 * same / (3 * 3) - 1
    assert Answers.of(pair, judge, left.ravel()).alpha(sides=True) == pytest.approx(u)


@pytest.mark.parametrize("answers", [[1.0, 1, 1], [0.0, 0, 0], [1.0, 0, 1], [1.0, 0.5, 0]])
def test_raters_of_one_mind_have_alpha_one_whichever_sides_they_chose(answers: list[float]) -> None:
    pair, rater = (a.ravel() for a in np.mgrid[0:3, 0:3])
    assert Answers.of(pair, rater, np.repeat(answers, 3)).alpha(sides=True) == 1


def test_swapping_sides_pair_by_pair_changes_nothing() -> None:
    rng = np.random.default_rng(6)
    pair, rater = (a.ravel() for a in np.mgrid[0:20, 0:5])
    choice = rng.choice([0.0, 0.5, 1.0, np.nan], 100, p=[0.1, 0.2, 0.6, 0.1])
    alpha = Answers.of(pair, rater, choice).alpha(sides=True)
    for _ in range(5):
        turned = np.where(rng.random(20)[pair] < 0.5, 1 - choice, choice)
        assert Answers.of(pair, rater, turned).alpha(sides=True) == pytest.approx(alpha, abs=1e-12)


def test_repeats_of_a_rater_are_one_answer() -> None:
    answers = Answers.of([1, 1, 1, 1], [0, 0, 0, 1], [1.0, 1.0, 0.0, 0.0])
    assert answers.counts.tolist() == [[1, 0, 1]]


def test_nothing_to_compare_is_nan() -> None:
    assert np.isnan(Answers.of([1, 2], [0, 0], [1.0, 0.0]).alpha(sides=True))
    assert np.isnan(Answers.of([1, 2], [0, 0], [1.0, 0.0]).agreement())
    assert np.isnan(Answers.of([], [], []).alpha(sides=True))
    same = Answers.of([1, 1], [0, 1], [1.0, 1.0])
    assert np.isnan(same.alpha(sides=False)) and same.agreement() == 1  # everybody said yes
    ties = Answers.of([1, 1, 2, 2], [0, 1, 0, 1], [0.5] * 4)
    assert np.isnan(ties.alpha(sides=True))
