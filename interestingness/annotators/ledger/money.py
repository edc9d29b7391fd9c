"""Money as whole micro-dollars (uusd): sums are exact, and rounding is always up."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

from interestingness.errors import ConfigError

UUSD = 1_000_000
PER = 1_000_000  # prices are quoted for a million tokens


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


def token_cost(
    prompt_tokens: int,
    completion_tokens: int,
    *,
    input_uusd: int,
    output_uusd: int,
) -> int:
    """Compute the cost of one answer in micro-dollars, rounded up.

    Args:
        prompt_tokens, completion_tokens: as counted by the server; not negative.
        input_uusd, output_uusd: price of a million tokens, in micro-dollars.
    """
    if prompt_tokens < 0 or completion_tokens < 0:
        raise ValueError(f"negative tokens: {prompt_tokens}, {completion_tokens}")
    return -(-(prompt_tokens * input_uusd + completion_tokens * output_uusd) // PER)
