"""Learning curves and their continuation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from interestingness.errors import LabelError
from interestingness.stats.power_law import EXPONENTS, PowerLaw, doubling, fit_power_law

SIZES = np.geomspace(20, 2000, 8)


def test_a_planted_curve_is_recovered() -> None:
    law = PowerLaw(0.82, 1.4, float(EXPONENTS[80]))
    found = fit_power_law(SIZES, law(SIZES))
    assert (found.limit, found.drop, found.exponent) == pytest.approx((0.82, 1.4, EXPONENTS[80]))


def test_it_is_the_least_squares_of_scipy() -> None:
    rng = np.random.default_rng(0)
    y = 0.8 - 0.9 * SIZES**-0.5 + 0.002 * rng.normal(size=8)
    found = fit_power_law(SIZES, y)
    (a, b, c), _ = curve_fit(lambda n, a, b, c: a - b * n**-c, SIZES, y, p0=(0.8, 0.9, 0.5))
    np.testing.assert_allclose(found(SIZES), a - b * SIZES**-c, atol=2e-4)
    assert found.exponent == pytest.approx(c, rel=0.05)


def test_a_falling_curve_is_flat_and_an_impossible_limit_is_held() -> None:
    falling = fit_power_law(SIZES, 0.7 - 0.02 * np.log(SIZES / 20))
    assert falling.drop == 0
    steep = fit_power_law(SIZES, 0.3 + 0.09 * np.log(SIZES / 20))
    assert steep.limit <= 1 and (steep([1e9]) <= 1).all()


def test_the_interval_of_a_doubling_holds_the_truth() -> None:
    law = PowerLaw(0.85, 0.8, float(EXPONENTS[72]))
    truth = float(law(4000) - law(2000))
    inside = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        values = law(SIZES) + 0.01 * rng.normal(size=(12, 8))
        found = doubling(SIZES, values, seed=seed, resamples=100).gain
        inside += found.low <= truth <= found.high
    assert 86 <= inside <= 99


def test_one_repetition_has_no_interval() -> None:
    found = doubling(SIZES, PowerLaw(0.8, 1.0, 0.5)(SIZES)[None], seed=0, resamples=5)
    assert np.isnan([found.gain.low, found.limit.high]).all()
    assert found.gain.estimate > 0


@pytest.mark.parametrize(
    ("sizes", "values"),
    [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([0, 1, 2], [1, 2, 3]), ([1, 2, 3], [1, np.nan, 3])],
)
def test_too_few_sizes_are_said(sizes: list[float], values: list[float]) -> None:
    with pytest.raises(LabelError):
        fit_power_law(sizes, values)
