"""Rates of counts out of exposures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import digamma, expit, logit

from interestingness.errors import LabelError
from interestingness.stats import exposure as module
from interestingness.stats.correlation import spearman
from interestingness.stats.exposure import (
    RateModel,
    fit_rates,
    owner_effects,
    rate_residuals,
)


def world(images: int, seed: int, *, owners: int = 0, slope: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    effect = 0.8 * rng.normal(size=max(owners, 1)) * (owners > 0)
    owner = (max(owners, 1) * rng.random(images) ** 2).astype(np.int64)
    age = np.exp(rng.normal(5, 1, images))
    z = (np.log1p(age) - np.log1p(age).mean()) / np.log1p(age).std()
    expected = -3 + slope * z + effect[owner]
    mu = expit(expected)
    rate = rng.beta(40 * mu, 40 * (1 - mu))
    shown = rng.poisson(np.exp(rng.normal(5, 1.2, images)))
    count = rng.binomial(shown, rate)
    return {
        "count": count, "exposure": shown, "age": age, "owner": owner, "rate": rate,
        "effect": effect, "expected": expected,
    }  # fmt: skip


def test_planted_rates_ages_and_owners_are_recovered() -> None:
    w = world(2000, 0, owners=150, slope=0.4)
    model = fit_rates(w["count"], w["exposure"], age=w["age"], owner=w["owner"])
    assert model.age_slope == pytest.approx(0.4, abs=0.04)
    assert model.concentration == pytest.approx(40, rel=0.1)
    assert model.owner_sd == pytest.approx(w["effect"].std(), rel=0.15)
    effect = owner_effects(model, w["count"], w["exposure"], w["owner"], owners=150, age=w["age"])
    assert np.corrcoef(effect, w["effect"])[0, 1] > 0.92
    quality, _ = rate_residuals(
        model, w["count"], w["exposure"], age=w["age"], effect=effect[w["owner"]]
    )
    some = w["exposure"] > 100
    true = logit(w["rate"]) - w["expected"]
    assert spearman(quality[some], true[some]) > 0.85


def test_without_ages_and_owners_it_is_the_beta_binomial_of_scipy() -> None:
    w = world(800, 1)
    k, n = w["count"], w["exposure"]

    def penalised(intercept: float, concentration: float) -> float:
        mu = expit(intercept)
        alpha, beta = mu * concentration, (1 - mu) * concentration
        median, sd = module.CONCENTRATION_PRIOR
        pull = np.log(concentration / median) / sd
        return float(stats.betabinom.logpmf(k, n, alpha, beta).sum() - pull**2 / 2)

    model = fit_rates(k, n)
    best = penalised(model.intercept, model.concentration)
    assert (model.age_slope, model.owner_sd) == (0.0, 0.0)
    for change in (-0.02, 0.02):
        assert penalised(model.intercept + change, model.concentration) < best
        assert penalised(model.intercept, model.concentration * (1 + change)) < best


def test_an_owner_s_mode_is_where_the_posterior_is_highest() -> None:
    model = RateModel(-2.0, 0.0, 0.0, 1.0, 25.0, 0.7)
    k, n = np.array([3.0, 9.0, 2.0]), np.array([40.0, 50.0, 10.0])
    effect = owner_effects(model, k, n, np.array([0, 0, 1]), owners=3)
    assert effect[2] == 0

    def posterior(value: float, rows: slice) -> float:
        mu = expit(-2.0 + value)
        each = stats.betabinom.logpmf(k[rows], n[rows], 25 * mu, 25 * (1 - mu))
        return float(each.sum() - value**2 / (2 * 0.49))

    for owner, rows in ((0, slice(0, 2)), (1, slice(2, 3))):
        found = minimize_scalar(
            lambda v, r=rows: -posterior(v, r), bounds=(-2, 2), method="bounded"
        )
        assert effect[owner] == pytest.approx(found.x, abs=1e-4)


def test_residuals_are_posterior_less_prior_mean_of_the_logit() -> None:
    model = RateModel(logit(0.2), 0.0, 0.0, 1.0, 10.0, 0.0)
    quality, variance = rate_residuals(model, [6.0], [20.0])
    draws = logit(stats.beta(2 + 6, 8 + 14).rvs(400_000, random_state=0))
    assert quality[0] == pytest.approx(draws.mean() - digamma(2) + digamma(8), abs=0.004)
    assert variance[0] == pytest.approx(draws.var(), rel=0.02)


def test_little_exposure_is_drawn_to_what_is_expected() -> None:
    model = RateModel(logit(0.05), 0.0, 0.0, 1.0, 40.0, 0.0)
    quality, variance = rate_residuals(model, [1, 100, 0, np.nan, 0], [4, 400, 0, 9, 400])
    assert 0 < quality[0] < quality[1]
    assert variance[0] > variance[1]
    assert np.isnan(quality[[2, 3]]).all() and np.isnan(variance[[2, 3]]).all()
    assert quality[4] < 0


def test_images_that_tell_nothing_are_left_out() -> None:
    w = world(300, 2)
    one = fit_rates(w["count"], w["exposure"])
    more = fit_rates(np.r_[w["count"], 0, np.nan, 3], np.r_[w["exposure"], 0, 7, np.nan])
    assert more.intercept == pytest.approx(one.intercept, abs=1e-6)
    assert more.concentration == pytest.approx(one.concentration, rel=1e-5)


def test_counts_need_not_be_whole() -> None:
    """Click rates times impressions are not, after weighting."""
    model = fit_rates([3.5, 2.25, 6.1, 1.0], [10.0, 10.0, 12.0, 9.5])
    assert 0.1 < expit(model.intercept) < 0.6


@pytest.mark.parametrize(
    ("count", "shown", "said"),
    [
        ([5.0, 1.0], [4.0, 9.0], "1 images are counted more often than it was shown, the first"),
        ([-1.0, 1.0], [4.0, 9.0], "negative"),
        ([1.0, np.inf], [4.0, np.inf], "infinite"),
        ([0.0, np.nan], [0.0, 5.0], "none of 2 images has exposure"),
        ([0.0, 0.0], [9.0, 5.0], "counted even once"),
    ],
)
def test_what_cannot_be_is_said(count: list[float], shown: list[float], said: str) -> None:
    with pytest.raises(LabelError, match=said):
        fit_rates(count, shown)
