"""Means over repetitions, and calls for a given accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulations.repetitions import (
    calls_for,
    calls_interval,
    calls_text,
    interval_note,
)

from interestingness.stats.repetitions import mean_interval

CALLS = (100, 200, 400, 800)


def test_the_interval_is_student_s() -> None:
    values = np.array([0.6, 0.7, 0.65, np.nan, 0.72, 0.68])
    known = values[~np.isnan(values)]
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, 4, loc=known.mean(), scale=stats.sem(known))
    assert (found.estimate, found.low, found.high) == pytest.approx((known.mean(), low, high))
    assert found.repeats == 5


def test_few_repetitions_or_none_have_no_interval() -> None:
    few, none = mean_interval(np.array([0.4, 0.5, 0.6, 0.5])), mean_interval(np.array([np.nan]))
    assert few.estimate == 0.5 and np.isnan(few.low) and np.isnan(few.high) and few.repeats == 4
    assert np.isnan(none.estimate) and none.repeats == 0


def test_calls_are_read_off_the_line_over_log_calls() -> None:
    curve = np.array([0.5, 0.6, 0.7, 0.8])
    assert calls_for(curve, CALLS, 0.65) == pytest.approx(np.sqrt(200 * 400))
    assert calls_for(curve, CALLS, 0.7) == pytest.approx(400)
    assert calls_for(curve, CALLS, 0.5) == -np.inf
    assert calls_for(curve, CALLS, 0.81) == np.inf
    assert np.isnan(calls_for(np.array([0.5, np.nan, 0.7, 0.8]), CALLS, 0.6))
    # a dip after the target was reached changes nothing
    assert calls_for(np.array([0.5, 0.7, 0.65, 0.8]), CALLS, 0.7) == pytest.approx(200)


def test_half_the_calls_are_found_with_an_interval() -> None:
    rng = np.random.default_rng(0)
    noise = 0.003 * rng.normal(size=(2, 25, 4))
    reference = 0.5 + 0.1 * np.log2(np.array(CALLS) / 100) + noise[0]
    twice_as_good = reference + 0.1 + noise[1]
    found = calls_interval(twice_as_good, reference, CALLS, at=2, seed=0)
    assert found.low < 200 < found.high
    assert found.high - found.low < 40
    assert calls_text(found, CALLS).startswith(f"{round(found.estimate, -1):,.0f} [")


def test_calls_of_few_repetitions_are_one_number() -> None:
    reference = 0.5 + 0.1 * np.log2(np.array([CALLS, CALLS]) / 100)
    found = calls_interval(reference + 0.1, reference, CALLS, at=2, seed=0)
    assert np.isnan(found.low) and calls_text(found, CALLS) == "200"
    assert "no intervals" in interval_note(4, "splits")
    assert interval_note(5, "splits") == "95 % over splits"


def test_ends_beyond_the_measured_range_are_said_to_be_so() -> None:
    rng = np.random.default_rng(0)
    reference = 0.5 + 0.1 * np.arange(4) + 0.001 * rng.normal(size=(10, 4))
    assert calls_text(calls_interval(reference + 0.5, reference, CALLS, at=1, seed=0), CALLS) == (
        "< 100 [< 100, < 100]"
    )
    assert calls_text(calls_interval(reference - 0.5, reference, CALLS, at=1, seed=0), CALLS) == (
        "> 800 [> 800, > 800]"
    )


def test_an_interval_ends_where_values_do() -> None:
    values = np.array([100.0, -100.0, 100.0, 90.0, 100.0])
    free, cut = mean_interval(values, fewest=2), mean_interval(values, fewest=2, most=100)
    assert free.high > 100
    assert (cut.low, cut.high) == (free.low, 100) and cut.estimate == free.estimate
