"""Draw lines over a common axis, with bands; each is named at its end or below the plot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from interestingness.reports.cells import format_cell
from interestingness.reports.charts import svg
from interestingness.reports.charts.axes import Axis, linear, logarithmic, tick_text, unit
from interestingness.reports.charts.legend import axis_title, legend
from interestingness.studies.result import Curve, Curves

HEIGHT = 280
APART = 16
"""Pixels between two names at the ends of lines."""
NAME = 22
"""About the width of a name, in per cent of that of the plot."""
FEW = 30
"""Points of a curve that are marked one by one."""
LETTER = 7.0
"""Mean width of a letter in pixels, to leave room for names."""


def curves_chart(chart: Curves) -> Markup:
    """Draw all curves in one plot."""
    xs = np.concatenate([[], *(np.asarray(c.x, float) for c in chart.curves)])
    x_axis = logarithmic(xs) if chart.log_x else linear(xs, kind=chart.x_kind)
    known = [part for c in chart.curves for part in (c.y, c.low, c.high) if part is not None]
    ys = np.concatenate([[], *(np.asarray(part, float) for part in known)])
    y_axis = linear([*ys, *chart.lines.values()], kind=chart.kind)

    def y(value: float) -> float:
        return HEIGHT * (1 - y_axis.at(value))

    parts = _grid(x_axis, y_axis, chart)
    for name, value in chart.lines.items():
        parts.append(svg.line("compare", 0, y(value), 100, y(value)))
        parts.append(svg.text(0, y(value) - 5, name, anchor="start", kind="faint halo", shift=4))
    bands, lines, marks = [], [], []
    for i, curve in enumerate(chart.curves):
        place = _Place(x_axis, y_axis)
        for low, high in place.bands(curve):
            bands.append(svg.path(f"band c{i % svg.COLOURS}", [*low, *reversed(high)], closed=True))
        for run in place.runs(curve.x, curve.y):
            lines.append(svg.path(f"curve c{i % svg.COLOURS} d{i // svg.COLOURS}", run))
            if len(curve.x) <= FEW or len(run) == 1:
                marks += [svg.dot(f"mark c{i % svg.COLOURS}", x, at, radius=3) for x, at in run]
    parts += [svg.stretched([*bands, *lines], height=HEIGHT), *marks]
    parts += _names(chart.curves, _Place(x_axis, y_axis))
    room = LETTER * max((min(len(c.label), 28) for c in chart.curves), default=0) + 26
    picture = svg.picture(parts, height=HEIGHT, label=_spoken(chart))
    return (
        axis_title(chart.y_title + unit(chart.kind))
        + Markup(f'<div class="plot named" style="--right:{room:.0f}px">{picture}</div>')
        + axis_title(chart.x_title + unit(chart.x_kind), kind="below")
        + legend([(c.label, i, "line") for i, c in enumerate(chart.curves)], kind="narrow-only")
    )


class _Place:
    """Positions of points: x in per cent, y in pixels."""

    def __init__(self, x_axis: Axis, y_axis: Axis) -> None:
        self.x_axis, self.y_axis = x_axis, y_axis

    def point(self, x: float, y: float) -> tuple[float, float]:
        return 100 * self.x_axis.at(x), HEIGHT * (1 - self.y_axis.at(y))

    def runs(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> list[list[tuple[float, float]]]:
        """Return the unbroken pieces of a line, in order of x; a NaN breaks it."""
        found: list[list[tuple[float, float]]] = [[]]
        for i in np.argsort(np.asarray(x, float), kind="stable"):
            drawable = np.isfinite(x[i]) and np.isfinite(y[i]) and (x[i] > 0 or not self.x_axis.log)
            if drawable:
                found[-1].append(self.point(float(x[i]), float(y[i])))
            elif found[-1]:
                found.append([])
        return [run for run in found if run]

    def bands(
        self, curve: Curve
    ) -> list[tuple[list[tuple[float, float]], list[tuple[float, float]]]]:
        """Return the lower and upper edge of each unbroken piece of a band."""
        if curve.low is None or curve.high is None:
            return []
        whole = np.isfinite(curve.low) & np.isfinite(curve.high)
        edges = (np.where(whole, edge, np.nan) for edge in (curve.low, curve.high))
        low, high = (self.runs(curve.x, edge) for edge in edges)
        return [(a, b) for a, b in zip(low, high, strict=True) if len(a) > 1]


def _grid(x_axis: Axis, y_axis: Axis, chart: Curves) -> list[str]:
    parts = []
    for tick in y_axis.ticks:
        y = HEIGHT * (1 - y_axis.at(tick))
        parts.append(svg.line("track", 0, y, 100, y))
        parts.append(svg.text(0, y + 4, tick_text(tick, chart.kind), anchor="end", shift=-8))
    for tick in x_axis.ticks:
        x = 100 * x_axis.at(tick)
        parts.append(svg.line("track", x, HEIGHT, x, HEIGHT + 5))
        parts.append(svg.text(x, HEIGHT + 20, tick_text(tick, chart.x_kind)))
    return parts


def _names(curves: Sequence[Curve], place: _Place) -> list[str]:
    """Draw names at the ends of the lines, moved apart where several lines end close by."""
    ends: list[tuple[float, float, int]] = []
    for i, curve in enumerate(curves):
        if runs := place.runs(curve.x, curve.y):
            ends.append((*runs[-1][-1], i))
    parts = []
    for together in _side_by_side(sorted(ends)):
        together.sort(key=lambda end: end[1])
        heights = spread([y for _, y, _ in together], APART, HEIGHT)
        for at, (x, y, i) in zip(heights, together, strict=True):
            kind = f"curve c{i % svg.COLOURS} d{i // svg.COLOURS} name"
            parts.append(
                f'<svg class="name" x="{x:.2f}%" overflow="visible"><path class="{kind}" '
                f'd="M5 {y:.1f} L18 {at:.1f}"/></svg>'
            )
            label = curves[i].label
            words = label if len(label) <= 28 else label[:27] + "…"
            parts.append(svg.text(x, at + 4, words, anchor="start", kind="name halo", shift=22))
    return parts


def _side_by_side(ends: Sequence[tuple[float, float, int]]) -> list[list[tuple[float, float, int]]]:
    """Group ends in order of x; a gap wider than a name starts a new group."""
    found: list[list[tuple[float, float, int]]] = []
    for end in ends:
        if found and end[0] - found[-1][-1][0] < NAME:
            found[-1].append(end)
        else:
            found.append([end])
    return found


def spread(heights: Sequence[float], apart: float, most: float) -> list[float]:
    """Move ascending heights as little as possible so that neighbours are ``apart``.

    Least squares under the constraint, which is an isotonic regression.

    Args:
        heights: ascending.
        apart: least distance; less where all do not fit.
        most: no height lies below 0 or beyond this.
    """
    if len(heights) < 2:
        return [min(max(h, 0.0), most) for h in heights]
    apart = min(apart, most / (len(heights) - 1))
    steps = apart * np.arange(len(heights))
    moved = isotonic_regression(np.asarray(heights) - steps).x
    return list(np.clip(moved, 0.0, most - steps[-1]) + steps)


def _spoken(chart: Curves) -> str:
    """Describe the first and last value of each curve."""
    said = []
    for curve in chart.curves:
        known = np.flatnonzero(np.isfinite(curve.y))
        if len(known):
            first, last = (format_cell(float(curve.y[i]), chart.kind) for i in known[[0, -1]])
            said.append(f"{curve.label}: {first} → {last}")
    return "; ".join(said)
