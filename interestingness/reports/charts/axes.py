"""Axes: round ticks that hold all numbers, linear or logarithmic, and how ticks are written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from interestingness.studies.result import Kind


@dataclass(frozen=True)
class Axis:
    """A range with its ticks.

    Attributes:
        low, high: ends, in the units of the data.
        ticks: values that are marked, ascending, within the ends.
        log: whether equal ratios are equally far apart.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Return a value's position: 0 at the low end, 1 at the high end; it may lie beyond."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def linear(values: Iterable[float], *, kind: Kind = "number", ticks: int = 5) -> Axis:
    """Make an axis whose ends are ticks.

    Args:
        values: what it must hold; those that are not finite are ignored.
        kind: shares stay within [0, 1], counts have whole ticks.
        ticks: about so many.
    """
    finite = [float(v) for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    least = {"percent": 0.05, "count": 1.0}.get(kind, 1e-9 * max(1.0, abs(high)))
    if high - low < least:
        low, high = low - least, high + least
        if kind == "percent":
            low, high = max(0.0, min(low, 1 - 2 * least)), min(1.0, max(high, 2 * least))
    step = round_step((high - low) / ticks)
    if kind == "count":
        step = max(1.0, step)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    if kind == "percent" and min(finite) >= 0 and max(finite) <= 1:
        first, last = max(0, first), min(last, math.ceil(1 / step - 1e-6))
    marked = tuple(round(i * step, 12) for i in range(first, last + 1))
    return Axis(marked[0], marked[-1], marked)


def logarithmic(values: Iterable[float]) -> Axis:
    """Make an axis of ratios; values that are not positive are ignored."""
    finite = [float(v) for v in values if math.isfinite(v) and v > 0] or [1.0, 10.0]
    low, high = min(finite), max(finite)
    if high / low < 1.5:
        low, high = low / 1.5, high * 1.5
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    many = len(decades) > 5
    sizes = (1,) if many else (1, 2, 5)
    step = math.ceil(len(decades) / 7) if many else 1
    marked = tuple(s * 10.0**d for d in decades[::step] for s in sizes)
    within = tuple(t for t in marked if low * 0.999 <= t <= high * 1.001)
    if len(within) < 2:
        apart = round_step((high - low) / 4)
        whole = range(math.ceil(low / apart), math.floor(high / apart) + 1)
        within = tuple(round(i * apart, 12) for i in whole)
    return Axis(low, high, within, log=True)


def round_step(least: float) -> float:
    """Return the first of 1, 2, 2.5, 5 times a power of ten that is not below ``least``."""
    size = 10.0 ** math.floor(math.log10(least))
    return next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= least * 0.999999)


def tick_text(value: float, kind: Kind) -> str:
    """Format a tick as short as possible, with a true minus sign; shares without "%"."""
    if kind == "percent":
        value = 100 * value
    value = 0.0 if abs(value) < 1e-12 else value
    words = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    sign = "+" if kind == "signed" and value > 0 else ""
    return sign + words.replace("-", "−")


def unit(kind: Kind) -> str:
    """Return the unit after an axis title, such as ", %"."""
    return {"percent": ", %", "seconds": ", s", "dollars": ", $"}.get(kind, "")
