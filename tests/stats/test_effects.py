"""Effects of attributes on planted truth, against scikit-learn, and how often intervals hold it."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LinearRegression

from interestingness.errors import DataError
from interestingness.stats.effects import choice_effects, linear_effects
from interestingness.stats.paired_splits import holm


def attributes(images=300, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(images, 4)) * [1, 10, 0.1, 3] + [5, 0, 100, -2]
    x[:, 1] += 6 * (x[:, 0] - 5)  # two of them are related
    return x


def test_coefficients_are_those_of_standardised_least_squares():
    x = attributes()
    y = 2 * x[:, 0] - 0.3 * x[:, 1] + np.random.default_rng(1).normal(size=len(x))
    found = linear_effects(x, y, seed=0, repeats=50)
    z, t = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    fit = LinearRegression().fit(z, t)
    np.testing.assert_allclose([i.estimate for i in found.together], fit.coef_, atol=1e-10)
    np.testing.assert_allclose([i.estimate for i in found.alone], z.T @ t / len(t), atol=1e-10)
    assert found.explained.estimate == pytest.approx(fit.score(z, t))
    others = [np.delete(z, k, 1) for k in range(4)]
    shares = [LinearRegression().fit(o, z[:, k]).score(o, z[:, k]) for k, o in enumerate(others)]
    inflation = 1 / (1 - np.array(shares))
    np.testing.assert_allclose(found.inflation, inflation, rtol=1e-8)
    assert found.images == 300


def test_intervals_hold_the_planted_coefficient_in_most_worlds():
    # y = z·b + noise with sd such that the standardised coefficients are b / sd(y)
    truth = np.array([0.5, 0.0, -0.3])
    sd = np.sqrt((truth**2).sum() + 1)
    held = 0
    worlds = 100
    for world in range(worlds):
        rng = np.random.default_rng(100 + world)
        x = rng.normal(size=(150, 3))
        y = x @ truth + rng.normal(size=150)
        found = linear_effects(x, y, seed=world, repeats=200).together
        held += sum(i.low <= b <= i.high for i, b in zip(found, truth / sd, strict=True))
    assert 0.90 <= held / (3 * worlds) <= 0.98


def test_constant_and_doubled_attributes_are_said_and_not_invented():
    x = attributes()[:, :2]
    y = x[:, 0] + np.random.default_rng(2).normal(size=len(x))
    doubled = np.column_stack([x, x[:, 0], np.full(len(x), 7.0)])
    found = linear_effects(doubled, y, seed=0, repeats=20)
    assert np.isnan(found.together[3].estimate) and np.isnan(found.inflation[3])
    assert found.together[0].estimate == pytest.approx(found.together[2].estimate)
    assert found.inflation[0] == np.inf


def test_images_without_a_number_are_left_out():
    x, y = attributes(), np.random.default_rng(3).normal(size=300)
    y[:10], x[10:15, 2] = np.nan, np.nan
    assert linear_effects(x, y, seed=0, repeats=5).images == 285


@pytest.mark.parametrize("value", [np.zeros(300), np.r_[np.ones(5), np.full(295, np.nan)]])
def test_nothing_to_explain_is_an_error(value):
    with pytest.raises(DataError):
        linear_effects(attributes(), value, seed=0)


def world(images, degree, people, judge, seed, image_noise=0.0):
    """Pairs of a random graph; either rater's utility is linear plus a taste for single images."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(images, len(people)))
    both = np.array([rng.permutation(images)[:2] for _ in range(images * degree // 2)])
    left, right = both.min(1), both.max(1)
    taste = image_noise * rng.normal(size=(2, images))
    choices = []
    for slopes, own in zip((people, judge), taste, strict=True):
        u = x @ slopes + own
        choices.append((rng.random(len(left)) < expit(u[left] - u[right])).astype(float))
    return x, left, right, *choices


def test_slopes_are_those_of_scikit_learn():
    x, left, right, p, q = world(200, 10, [1.0, 0.0], [1.0, 0.8], seed=0)
    q[:50] = 0.5
    found = choice_effects(x, left, right, 0.2 + 0.6 * p, q)  # how sure a label is does not count
    z = (x - x.mean(0)) / x.std(0)
    for mine, choice in ((found.reference, p), (found.source, q), (found.difference, q - p + 0.5)):
        fit = LinearRegression(fit_intercept=False).fit(z[left] - z[right], choice - 0.5)
        np.testing.assert_allclose([i.estimate for i in mine], fit.coef_, atol=1e-10)
    assert found.pairs == 1000


def test_errors_of_pairs_without_common_images_are_the_robust_ones_of_white():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2000, 2))
    left, right = np.arange(0, 2000, 2), np.arange(1, 2000, 2)
    p = (rng.random(1000) < expit((x[left] - x[right])[:, 0])).astype(float)
    found = choice_effects(x, left, right, p, 1 - p).reference
    z = (x - x.mean(0)) / x.std(0)
    d = z[left] - z[right]
    b = np.linalg.lstsq(d, p - 0.5, rcond=None)[0]
    bread = np.linalg.inv(d.T @ d)
    meat = (d * ((p - 0.5 - d @ b) ** 2)[:, None]).T @ d
    white = np.sqrt(np.diag(bread @ meat @ bread) * 2000 / 1998)
    np.testing.assert_allclose([(i.high - i.low) / 2 / 1.959964 for i in found], white, rtol=1e-6)


def test_planted_differences_are_found_in_both_directions():
    x, left, right, p, q = world(400, 10, [0.8, 0.2], [0.2, 0.8], seed=3)
    less, more = choice_effects(x, left, right, p, q).difference
    assert -0.25 < less.low < less.high < -0.05
    assert 0.05 < more.low < more.high < 0.25


@pytest.mark.parametrize(("noise", "low"), [(0.0, 0.91), (0.7, 0.90)])
def test_intervals_of_a_difference_hold_zero_where_both_weigh_alike(noise, low):
    # both judge by the same slopes; with a taste for single images, pairs are not independent
    worlds, held = 150, 0
    for seed in range(worlds):
        x, left, right, p, q = world(100, 8, [0.5, 0.3], [0.5, 0.3], 1000 + seed, noise)
        found = choice_effects(x, left, right, p, q).difference
        held += sum(i.low <= 0 <= i.high for i in found)
    assert low <= held / (2 * worlds) <= 0.985


@pytest.mark.parametrize("images", [30, 100])
def test_few_images_name_no_difference_where_there_is_none(images):
    # eight attributes weighed alike by both: Holm's smallest p is below 0.05 in few worlds
    worlds, named = 150, 0
    for seed in range(worlds):
        x, left, right, p, q = world(images, 8, [0.5] + [0.0] * 7, [0.5] + [0.0] * 7, seed, 0.3)
        named += holm(choice_effects(x, left, right, p, q).p).min() < 0.05
    assert named / worlds <= 0.1


def test_undecided_pairs_and_unmeasured_images_are_left_out():
    x, left, right, p, q = world(200, 10, [1.0, 0.0], [1.0, 0.8], seed=0)
    p[:100], x[0] = np.nan, np.nan
    with_gap = choice_effects(x, left, right, p, q)
    touched = (left == 0) | (right == 0)
    assert with_gap.pairs == int((~touched[100:]).sum())


def test_a_constant_attribute_has_no_slope_and_few_pairs_are_an_error():
    x, left, right, p, q = world(200, 10, [1.0, 0.0], [1.0, 0.8], seed=0)
    x[:, 1] = 3
    assert np.isnan(choice_effects(x, left, right, p, q).difference[1].estimate)
    with pytest.raises(DataError):
        choice_effects(x, left[:15], right[:15], p[:15], q[:15])
