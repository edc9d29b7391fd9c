"""Write numbers for people, in one way: −2.1, +0.89, 65.1 %, 12,345, 80.8 % [76.7, 84.5]."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

Kind = Literal["text", "count", "percent", "number", "fine", "signed", "seconds", "dollars"]
"""How a number is written. ``percent`` takes shares in [0, 1] and leaves the sign to the heading;
``number`` has two decimals, ``fine`` three, ``signed`` two with its sign."""

ROUNDING = 1e-9
"""A share that lacks less of 1 is 1: it is a sum of floating-point numbers."""


def write_number(value: float, kind: Kind) -> str:
    """Write a number as a column of this kind shows it."""
    return _WRITTEN[kind](value)


def percent(share: float, *, digits: int = 1) -> str:
    """Write a share with its sign: "65.1 %"; "–" for NaN."""
    return "–" if math.isnan(share) else f"{_fixed(digits, factor=100)(share)} %"


def points(value: float, *, digits: int = 1) -> str:
    """Write a difference with its sign: "+0.9", "−2.1"."""
    return _fixed(digits, sign="+")(value)


def percent_interval(estimate: float, low: float, high: float) -> str:
    """Write a share and its interval: "80.8 % [76.7, 84.5]"; without it where it is NaN."""
    if math.isnan(estimate) or math.isnan(low):
        return percent(estimate)
    return f"{percent(estimate)} [{write_number(low, 'percent')}, {write_number(high, 'percent')}]"


def _fixed(digits: int, *, factor: float = 1, sign: str = "-") -> Callable[[float], str]:
    """Make a formatter with so many decimals, a true minus sign, and no negative zero."""

    def write(value: float) -> str:
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        if factor == 100 and value < 1 - ROUNDING:  # what is not all is not written as all
            value = min(value, 1 - 10.0 ** -(digits + 2))
        return f"{factor * value:{sign}z,.{digits}f}".replace("-", "−")

    return write


def _money(value: float) -> str:
    """Format two decimals; two digits where these would be zero."""
    return f"{value:.2g}" if 0 < abs(value) < 0.005 else _fixed(2)(value)


def _time(value: float) -> str:
    """Format one decimal; two digits below a second, none from a thousand on."""
    if 0 < abs(value) < 1:
        return f"{value:.2g}"
    return _fixed(0 if abs(value) >= 1000 else 1)(value)


_WRITTEN: dict[Kind, Callable[[float], str]] = {
    "text": lambda value: f"{value:g}".replace("-", "−"),
    "count": _fixed(0),
    "percent": _fixed(1, factor=100),
    "number": _fixed(2),
    "fine": _fixed(3),
    "signed": _fixed(2, sign="+"),
    "seconds": _time,
    "dollars": _money,
}
