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
CHARACTER, APART, GAP = 2.2, 1.5, 4
"""Width of a character and the least gap of two names, in per cent of a narrow lane; and of a name
to its line, in pixels."""
MOST_LEVELS = 5
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
    """Draw the names of the lines above the lanes, so that no line runs through a name.

    Returns:
        The picture and its height in pixels.
    """
    xs = [100 * axis.at(value) for value in lines.values()]
    placed = label_places(xs, [CHARACTER * len(name) for name in lines])
    height = 4 + 18 * (1 + max((level for level, _ in placed), default=-1))
    marks = []
    for i, (name, x, (level, anchor)) in enumerate(zip(lines, xs, placed, strict=True)):
        y = 14 + 18 * level
        shift = {"start": GAP, "end": -GAP}.get(anchor, 0)
        # A name beside its line leaves room for the line itself.
        marks.append(
            svg.line(f"compare c{_colour(i)}", x, y + 3 if not shift else y - 9, x, height)
        )
        marks.append(svg.text(x, y, name, anchor=anchor, kind="faint", shift=shift))
    return svg.picture(marks, height=height, label="; ".join(lines), kind="lines"), height


def label_places(xs: Sequence[float], widths: Sequence[float]) -> list[tuple[int, str]]:
    """Choose level and anchor of the names of upright lines, on as few levels as possible.

    A line runs from its name's level down. It must not cross another name, nor one name another.

    Args:
        xs: places of the lines, in per cent of the width.
        widths: of the names, in the same unit.

    Returns:
        Level, 0 at the top, and "middle", "start" (right of its line) or "end" of each name. If
        there is no room, names stand below each other.
    """

    def span(i: int, anchor: str) -> tuple[float, float]:
        left = {"start": xs[i], "middle": xs[i] - widths[i] / 2, "end": xs[i] - widths[i]}[anchor]
        return left, left + widths[i]

    def fits(i: int, place: tuple[int, str], others: Sequence[tuple[int, str]]) -> bool:
        low, high = span(i, place[1])
        if low < 0 or high > 100:
            return False
        for j, (level, anchor) in enumerate(others):
            left, right = span(j, anchor)
            if level == place[0] and low < right + APART and left < high + APART:
                return False
            if level <= place[0] and low < xs[j] < high:
                return False
            if place[0] <= level and left < xs[i] < right:
                return False
        return True

    def search(chosen: list[tuple[int, str]], levels: int) -> list[tuple[int, str]] | None:
        if len(chosen) == len(xs):
            return chosen
        for anchor in ("middle", "end", "start"):
            for level in range(levels):
                place = (level, anchor)
                if fits(len(chosen), place, chosen) and (found := search([*chosen, place], levels)):
                    return found
        return None

    for levels in range(1, min(len(xs), MOST_LEVELS) + 1):
        if found := search([], levels):
            return found
    return [(i, svg.near_edge(x)) for i, x in enumerate(xs)]


def _colour(number: int) -> int:
    """Choose a line's colour: those in the palette after that of the estimates."""
    return 1 + number % (svg.COLOURS - 1)


def _ends(estimate: Interval | Spread) -> tuple[float, float, float]:
    if isinstance(estimate, Interval):
        return estimate.low, estimate.estimate, estimate.high
    return estimate.mean - estimate.sd, estimate.mean, estimate.mean + estimate.sd
