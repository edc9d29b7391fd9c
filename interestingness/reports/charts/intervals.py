"""Draw estimates on their intervals, one line each, with lines to compare with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from interestingness.reports.cells import format_cell
from interestingness.reports.charts import svg
from interestingness.reports.charts.axes import Axis, linear, tick_text
from interestingness.reports.text import breakable
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import IntervalChart, Kind, Spread

ROW = 30
"""Least height of one line in pixels."""
MOST_ROWS = 40
"""Lines that are shown without scrolling."""


def interval_chart(chart: IntervalChart) -> Markup:
    """Draw label, dot on its interval or on ± 1 SD, and number in a grid of any width."""
    axis = axis_of(chart)
    names, _ = lines_named(axis, chart.lines)
    cells = [Markup('<i class="over"></i>'), names, Markup("<i></i>")]
    for label, estimate in chart.rows:
        row = lane_picture(axis, chart, label, estimate)
        cells += lane(label, row, format_cell(estimate, chart.kind))
    cells += [Markup('<i class="under"></i>'), axis_below(axis, chart.kind), Markup("<i></i>")]
    return lanes(cells, rows=len(chart.rows))


def axis_of(chart: IntervalChart) -> Axis:
    """Make an axis that holds all intervals and all lines to compare with."""
    values = [v for _, estimate in chart.rows for v in _ends(estimate)]
    return linear([*values, *chart.lines.values()], kind=chart.kind)


def lanes(cells: Sequence[Markup], *, rows: int) -> Markup:
    """Draw cells as lanes, three in a row; many rows scroll in a box of their own."""
    box = Markup('<div class="scroll tall" tabindex="0">{}</div>') if rows > MOST_ROWS else "{}"
    return Markup(box).format(Markup('<div class="lanes">{}</div>').format(Markup("").join(cells)))


def lane(label: str, row: Markup, number: str) -> list[Markup]:
    """Draw name, picture and number of one lane; the interval follows in a lighter colour."""
    first, _, rest = number.partition(" ")
    return [
        Markup('<span class="of"><bdi>{}</bdi></span>').format(breakable(label)),
        row,
        Markup('<span class="value"><b>{}</b> <span>{}</span></span>').format(first, rest),
    ]


def axis_below(axis: Axis, kind: Kind) -> Markup:
    """Draw the ticks of lanes, as a picture of its own below them."""
    parts = []
    for tick in axis.ticks:
        x = 100 * axis.at(tick)
        parts.append(svg.text(x, 14, tick_text(tick, kind), kind="faint"))
    return svg.picture(parts, height=20, label="axis", kind="axis")


def lane_picture(
    axis: Axis, chart: IntervalChart, label: str, estimate: Interval | Spread
) -> Markup:
    """Draw one estimate as a dot on its interval, across the lines to compare with."""
    parts = [svg.upright("track", 100 * axis.at(tick)) for tick in axis.ticks]
    for i, value in enumerate(chart.lines.values()):
        parts.append(svg.upright(f"compare c{_colour(i)}", 100 * axis.at(value)))
    low, value, high = (100 * axis.at(v) if math.isfinite(v) else math.nan for v in _ends(estimate))
    marks = []
    if not math.isnan(low):
        marks.append(svg.line("interval", max(low, 0), 0, min(high, 100), 0))
    if not math.isnan(value):
        marks.append(svg.dot("dot", value, 0))
    spoken = f"{label}: {format_cell(estimate, chart.kind)}"
    return svg.picture([*parts, svg.half_way(marks)], height=ROW, label=spoken, kind="lane")


def lines_named(axis: Axis, lines: Mapping[str, float]) -> tuple[Markup, float]:
    """Draw the names of the lines above the lanes, stacked where they are close.

    Returns:
        The picture and its height in pixels.
    """
    placed: list[list[float]] = []
    parts, height = [], 4
    for i, (name, value) in enumerate(lines.items()):
        x = 100 * axis.at(value)
        level = next((n for n, xs in enumerate(placed) if min(abs(x - o) for o in xs) > 30), None)
        if level is None:
            placed.append([])
            level = len(placed) - 1
        placed[level].append(x)
        height = max(height, 18 * (level + 1) + 4)
        parts.append((x, level, i, name))
    marks = []
    for x, level, i, name in parts:
        y = 14 + 18 * level
        marks.append(svg.line(f"compare c{_colour(i)}", x, y + 3, x, height))
        marks.append(svg.text(x, y, name, anchor=svg.near_edge(x), kind="faint"))
    return svg.picture(marks, height=height, label="; ".join(lines), kind="lines"), height


def _colour(number: int) -> int:
    """Choose a line's colour: those in the palette after that of the estimates."""
    return 1 + number % (svg.COLOURS - 1)


def _ends(estimate: Interval | Spread) -> tuple[float, float, float]:
    if isinstance(estimate, Interval):
        return estimate.low, estimate.estimate, estimate.high
    return estimate.mean - estimate.sd, estimate.mean, estimate.mean + estimate.sd
