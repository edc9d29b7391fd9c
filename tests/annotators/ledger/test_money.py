"""Money is whole micro-dollars, and rounding never loses any."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interestingness.annotators.ledger.money import dollars, uusd
from interestingness.annotators.prices import Price
from interestingness.errors import ConfigError


@pytest.mark.parametrize(
    ("given_", "expected"),
    [("5.00", 5_000_000), (0.1, 100_000), (3, 3_000_000), ("0.0000001", 1), (Decimal("1e-6"), 1)],
)
def test_dollars_to_micro_dollars(given_: Any, expected: int) -> None:
    assert uusd(given_) == expected


@pytest.mark.parametrize("wrong", ["five", "", "nan", "inf", -1, "-0.01", True, float("nan")])
def test_what_is_no_money(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="no amount"):
        uusd(wrong)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0.00"), (5_000_000, "$5.00"), (1_234_567_890, "$1,234.57"), (400, "$0.000400")],
)
def test_dollars_as_text(amount: int, text: str) -> None:
    assert dollars(amount) == text


@given(*[st.integers(0, 10**7)] * 4)
def test_cost_is_the_exact_sum_rounded_up(a: int, b: int, price: int, other: int) -> None:
    exact = Fraction(a * price + b * other, 1_000_000)
    cost = Price(price / 1_000_000, other / 1_000_000).cost(a, b)
    assert exact <= cost < exact + 1
