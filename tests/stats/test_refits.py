"""Variance over trainings: planted parts, and resamples that gave nothing."""

import numpy as np
import pytest

from interestingness.stats.refits import training_variance


def test_two_thirds_of_the_noise_of_pairs_are_taken_off():
    rng = np.random.default_rng(0)
    pair = rng.normal(0, 1, (3, 20_000))
    image = rng.normal(0, np.sqrt(3 + 2), (3, 20_000))  # thrice the pairs, and 2 of the images
    np.testing.assert_allclose(training_variance(image, pair), 3, rtol=0.1)


def test_images_never_make_it_less_than_the_noise_of_pairs():
    rng = np.random.default_rng(1)
    pair = rng.normal(0, 1, 500)
    assert training_variance(np.zeros(500), pair) == pytest.approx(pair.var())


def test_resamples_without_a_model_are_left_out():
    pair = np.array([1.0, 2, np.nan, 3])
    image = np.array([np.nan, -5.0, 0, 5])
    assert training_variance(image, pair) == pytest.approx(50 / 3 - 2 * 2 / 3)
