"""The prediction-powered share: its formula, that it is unbiased, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from interestingness.errors import LabelError
from interestingness.stats.bootstrap import share_interval
from interestingness.stats.powered_share import PoweredShare, powered_share


def independent(pairs: int, labelled: int, seed: int) -> tuple[np.ndarray, ...]:
    """Pairs that share no image: hits, guesses that are too high, and which pairs are labelled."""
    rng = np.random.default_rng(seed)
    truth = rng.random(pairs)
    hits = (rng.random(pairs) < truth).astype(float)
    guess = (rng.random(pairs) < np.sqrt(truth)).astype(float)
    asked = np.arange(pairs) < labelled
    return np.where(asked, hits, np.nan), guess, asked


def powered(hits: np.ndarray, guess: np.ndarray, asked: np.ndarray, **more: Any) -> PoweredShare:
    left, right = np.arange(len(hits)), len(hits) + np.arange(len(hits))
    options = {"repeats": 200, "seed": 0} | more
    return powered_share(hits, guess, left, right, labelled=asked, **options)


def test_independent_pairs_give_the_formulas_of_ppi_plus_plus() -> None:
    hits, guess, asked = independent(900, 150, seed=3)
    y, f, rest = hits[asked], guess[asked], guess[~asked]
    n, unlabelled = len(y), len(rest)
    # PPI++ (arXiv 2311.01453, section 6), written anew
    covariance = ((y - y.mean()) * (f - f.mean())).mean()
    power = covariance / (1 + n / unlabelled) / guess.var()
    exact = covariance / f.var() * unlabelled / (n + unlabelled)
    found = powered(hits, guess, asked)
    assert found.power * (1 - n / len(hits)) == pytest.approx(exact)
    assert exact == pytest.approx(power, abs=0.02)  # they take the variance over all guesses
    assert found.interval.estimate == pytest.approx(y.mean() + exact * (rest.mean() - f.mean()))
    error = np.sqrt((exact**2 * rest.var() / unlabelled) + (y - exact * f).var() / n)
    # ppi-python 0.2.3 on these numbers: ppi_mean_pointestimate(y, f, rest, lam=exact) and
    # ppi_mean_ci(y, f, rest, alpha=0.05, lam=exact)
    many = powered(hits, guess, asked, repeats=4000).interval
    assert many.estimate == pytest.approx(0.47586866)
    assert (many.low, many.high) == pytest.approx((0.39794145, 0.55379586), abs=0.004)
    half = (found.interval.high - found.interval.low) / 2
    assert half == pytest.approx(1.96 * error, rel=0.12)  # 200 resamples, and Student's factor


def test_it_is_right_on_average_where_the_guesses_are_not() -> None:
    found = [powered(*independent(400, 60, seed=s), repeats=2) for s in range(300)]
    estimates = np.array([each.interval.estimate for each in found])
    error = estimates.std() / len(estimates) ** 0.5
    assert abs(estimates.mean() - 0.5) < 4 * error < 0.02
    plain = [np.nanmean(independent(400, 60, seed=s)[0]) for s in range(300)]
    assert estimates.std() < np.std(plain)
    guesses = np.mean([independent(400, 60, seed=s)[1].mean() for s in range(300)])
    assert guesses > 0.6


def test_guesses_that_say_nothing_leave_the_share_of_people() -> None:
    hits, _, asked = independent(200, 50, seed=0)
    found = powered(hits, np.ones(200), asked)
    assert found.power == 0 and found.interval.estimate == np.nanmean(hits)
    against = powered(hits, np.where(asked, 1 - np.nan_to_num(hits), 0.5), asked)
    assert against.power == 0  # cut: a slope below 0


def test_ties_are_part_of_the_sample_and_decide_nothing() -> None:
    hits, guess, asked = independent(300, 100, seed=1)
    hits[:20] = np.nan
    found = powered(hits, guess, asked)
    assert found.labelled == 100
    plain = np.nanmean(hits)
    moved = found.power * (guess.mean() - guess[:100].mean())
    assert found.interval.estimate == pytest.approx(plain + moved)


def test_where_all_are_right_the_interval_is_that_of_the_share() -> None:
    hits = np.where(np.arange(200) < 40, 1.0, np.nan)
    found = powered(hits, np.random.default_rng(0).random(200), hits == 1)
    left = np.arange(40)
    assert found.interval == share_interval(hits[:40], left, left + 40, seed=0, repeats=200)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda h, g, a: (h, g, a & (np.arange(len(a)) > 3)), "not in the sample"),
        (lambda h, g, a: (h, np.where(np.arange(len(g)) < 5, np.nan, g), a), "no guess"),
        (lambda h, g, a: (np.where(np.arange(len(h)) < 10, h, np.nan), g, a), "people decide 10"),
        (lambda h, g, a: (np.full(len(h), np.nan), g, np.zeros(len(h), bool)), "people decide 0"),
    ],
)
def test_what_gives_no_estimate_is_refused(change: Any, said: str) -> None:
    with pytest.raises(LabelError) as told:
        powered(*change(*independent(100, 40, seed=0)))
    assert said in told.value.found
