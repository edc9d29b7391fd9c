"""Axes hold every number, between round ticks."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interestingness.reports.charts.axes import linear, logarithmic, round_step, tick_text
from interestingness.reports.charts.curves import spread

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6)


@given(NUMBERS)
def test_a_linear_axis_holds_its_numbers_between_ticks(values: list[float]) -> None:
    axis = linear(values)
    slack = 1e-5 * (axis.high - axis.low)
    assert axis.low <= min(values) + slack and max(values) <= axis.high + slack
    assert (axis.ticks[0], axis.ticks[-1]) == (axis.low, axis.high)
    assert 2 <= len(axis.ticks) <= 12
    assert axis.at(axis.low) == 0 and axis.at(axis.high) == 1


@given(st.lists(st.floats(1e-4, 1e7), min_size=1, max_size=6))
def test_a_logarithmic_axis_holds_its_numbers(values: list[float]) -> None:
    axis = logarithmic(values)
    assert all(-1e-9 <= axis.at(v) <= 1 + 1e-9 for v in values)
    assert 2 <= len(axis.ticks) <= 12
    assert all(axis.low * 0.99 <= t <= axis.high * 1.01 for t in axis.ticks)
    assert axis.at(math.sqrt(axis.low * axis.high)) == pytest.approx(0.5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_shares_never_leave_the_unit_interval(values: list[float]) -> None:
    axis = linear(values, kind="percent")
    assert 0 <= axis.low < axis.high <= 1


def test_what_cannot_be_drawn_is_ignored() -> None:
    assert linear([math.nan, math.inf]).ticks[0] == 0
    assert linear([0.3, math.nan], kind="percent").high < 0.5
    assert logarithmic([0, -1, math.nan]).low == 1
    assert linear([2, 3], kind="count").ticks == (2, 3)


def test_ticks_are_short() -> None:
    texts = [tick_text(v, "percent") for v in linear([0.41, 0.86], kind="percent").ticks]
    assert texts == ["40", "50", "60", "70", "80", "90"]
    assert [tick_text(v, "signed") for v in (-0.5, 0, 0.5)] == ["−0.5", "0", "+0.5"]
    assert tick_text(16000, "count") == "16,000"
    assert [round_step(v) for v in (0.03, 0.2, 7, 1)] == pytest.approx([0.05, 0.2, 10, 1])


@given(st.lists(st.floats(0, 280), min_size=1, max_size=10).map(sorted))
def test_names_are_moved_apart_and_stay_inside(heights: list[float]) -> None:
    moved = spread(heights, 16, 280)
    assert all(b - a >= 16 - 1e-6 for a, b in pairwise(moved))
    assert moved[0] >= -1e-9 and moved[-1] <= 280 + 1e-9
    if all(b - a >= 16 for a, b in pairwise(heights)):
        assert moved == pytest.approx(heights)


def test_names_that_share_a_place_are_moved_to_both_sides() -> None:
    assert spread([100, 100, 100], 16, 280) == pytest.approx([84, 100, 116])
