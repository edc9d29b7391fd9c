"""Estimators on real people: votes made of single beauty ratings of OASIS photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv as pa_csv
import pytest

from interestingness.stats.bradley_terry import bradley_terry
from interestingness.stats.correlation import spearman
from interestingness.stats.rater_reliability import one_person


@pytest.fixture(scope="module")
def ratings(shared_data: Path) -> np.ndarray:
    """Rating by rater and item, NaN where not rated, shape (757 raters, 901)."""
    table = pa_csv.read_csv(shared_data / "oasis" / "beauty_individual.csv.gz")
    columns = [table[name].to_numpy() for name in ("subjID", "item", "beauty")]
    _, rater = np.unique(columns[0], return_inverse=True)
    grid = np.full((rater.max() + 1, 901), np.nan)
    grid[rater, columns[1]] = columns[2]
    return grid


def made_votes(ratings: np.ndarray, pairs: int, seed: int):
    rng = np.random.default_rng(seed)
    left = rng.integers(1, 901, pairs)
    right = (left - 1 + rng.integers(1, 900, pairs)) % 900 + 1
    lead = ratings[:, left] - ratings[:, right]
    rater, pair = np.nonzero(~np.isnan(lead))
    return left, right, pair, rater, 0.5 + 0.5 * np.sign(lead[rater, pair])


def test_utilities_rank_photographs_as_mean_ratings_do(ratings):
    left, right, pair, _, answer = made_votes(ratings, 3000, 0)
    found = bradley_terry(
        left[pair], right[pair], answer, images=901, ridge=0.1, standard_errors=False
    )
    # people rated one of several lists of photographs, so that not all were ever compared
    assert found.components > 1
    largest = found.component == np.argmax(np.bincount(found.component[found.component >= 0]))
    assert largest.sum() > 100
    mean = np.nanmean(ratings[:, largest], axis=0)
    assert spearman(found.utility[largest], mean) > 0.95


def test_one_person_against_the_others_is_near_one_person_against_the_mean(ratings):
    left, right, pair, rater, answer = made_votes(ratings, 400, 1)
    mean = np.append(np.nan, np.nanmean(ratings[:, 1:], axis=0))
    untied = answer != 0.5
    # about 190 others vote on a pair, so that their majority is nearly the side of the mean
    against_mean = ((mean[left] > mean[right])[pair] == (answer > 0.5))[untied].mean()
    assert one_person(pair, rater, answer) == pytest.approx(against_mean, abs=0.01)
