"""Money as whole micro-dollars (uusd): sums are exact, and rounding is always up."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

from interestingness.errors import ConfigError

UUSD = 1_000_000


def uusd(dollars: str | int | float | Decimal) -> int:
    """Convert dollars to micro-dollars, rounded up; floats are read as printed: 0.1 is 0.1.

    Raises:
        ConfigError: for what is no amount: text, negative, NaN, infinite.
    """
    try:
        amount = Decimal(str(dollars)) * UUSD
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(dollars, bool) or not amount.is_finite() or amount < 0:
        raise ConfigError(
            f"{dollars!r} is no amount of money",
            expected="dollars, such as 5.00",
            todo="give a number that is not negative",
        )
    return math.ceil(amount)


def dollars(amount: int) -> str:
    """Format micro-dollars for people: ``$5.00``, and ``$0.000400`` below ten cents."""
    exact = Decimal(amount) / UUSD
    return f"${exact:,.2f}" if amount == 0 or abs(exact) >= Decimal("0.10") else f"${exact:,.6f}"


def enough(amount: int) -> str:
    """Return a ``budget=`` in dollars for an amount: to the micro-dollar, never below it."""
    return f"{Decimal(amount) / UUSD:.6f}"
