"""Reliability of a ranking against planted utilities."""

from __future__ import annotations

import numpy as np
import pytest

from interestingness.stats.bradley_terry import bradley_terry
from interestingness.stats.ranking_reliability import ranking_reliability

RIDGE = 0.1


def world(images: int, votes: int, seed: int) -> tuple[float, float]:
    """Estimated reliability, and the squared correlation with the planted utilities."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=images)
    one = rng.integers(images, size=votes)
    other = (one + 1 + rng.integers(images - 1, size=votes)) % images
    won = (rng.random(votes) < 1 / (1 + np.exp(truth[other] - truth[one]))).astype(float)
    fit = bradley_terry(one, other, won, images=images, ridge=RIDGE)
    assert fit.components == 1
    error = np.sqrt(np.maximum(fit.standard_error**2 - 1 / (RIDGE * images), 0))
    found = ranking_reliability(fit.utility, error, votes=votes)
    assert found is not None
    return found.reliability, float(np.corrcoef(fit.utility, truth)[0, 1] ** 2)


@pytest.mark.parametrize(("images", "each"), [(60, 12), (60, 40), (200, 12), (200, 40)])
def test_it_is_about_the_squared_correlation_with_the_truth(images: int, each: int) -> None:
    found = np.array([world(images, images * each // 2, seed) for seed in range(8)])
    estimated, true = found.mean(axis=0)
    assert estimated == pytest.approx(true, abs=0.08)


def test_votes_that_are_needed() -> None:
    few, _ = zip(*(world(100, 600, seed) for seed in range(8)), strict=True)
    many, _ = zip(*(world(100, 2400, seed) for seed in range(8)), strict=True)
    one = ranking_reliability(np.arange(3.0), np.full(3, 0.5), votes=9)
    assert one is not None and one.needed(one.reliability) == pytest.approx(9)
    predicted = 600 * (np.mean(many) / (1 - np.mean(many))) * (1 - np.mean(few)) / np.mean(few)
    assert predicted == pytest.approx(2400, rel=0.3)


def test_too_little_to_tell() -> None:
    assert ranking_reliability(np.zeros(2), np.ones(2), votes=100) is None
    assert ranking_reliability(np.arange(10.0), np.ones(10), votes=29) is None
    chance = ranking_reliability(np.array([0.1, 0.0, -0.1]), np.ones(3), votes=30)
    assert chance is not None and chance.reliability == 0 and np.isinf(chance.needed(0.9))
