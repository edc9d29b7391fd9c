"""Draw numbers by category as lanes, or by bin as columns."""

from __future__ import annotations

import math

from markupsafe import Markup, escape

from interestingness.reports.cells import format_cell
from interestingness.reports.charts import svg
from interestingness.reports.charts.axes import linear, tick_text
from interestingness.reports.charts.intervals import axis_below, lane, lanes
from interestingness.studies.result import Bars

ROW, THICK, HEIGHT = 26, 18, 210
MOST_LANES = 30
SHORT = 6
"""Characters of a label that fits below a column."""


def bars_chart(chart: Bars) -> Markup:
    """Draw columns where labels are short, like the edges of bins; lanes where they are names."""
    short = max(map(len, chart.labels), default=0) <= SHORT
    if len(chart.labels) > MOST_LANES or (short and len(chart.labels) > 2):
        return _columns(chart)
    return _lanes(chart)


def _lanes(chart: Bars) -> Markup:
    axis = linear([0.0, *chart.values], kind=chart.kind)
    zero = 100 * axis.at(0.0)
    cells: list[Markup] = []
    for label, value in zip(chart.labels, chart.values, strict=True):
        number = format_cell(value, chart.kind)
        parts = [svg.upright("track", zero)]
        if math.isfinite(value):
            start, end = sorted((zero, 100 * axis.at(value)))
            bar = (
                f'<rect class="column" x="{start:.2f}%" width="{end - start:.2f}%" '
                f'y="{-THICK / 2:g}" height="{THICK}" rx="2"/>'
            )
            parts.append(svg.half_way([bar]))
        row = svg.picture(parts, height=ROW, label=f"{label}: {number}", kind="lane")
        cells += lane(label, row, number)
    cells += [Markup('<i class="under"></i>'), axis_below(axis, chart.kind), Markup("<i></i>")]
    return lanes(cells, rows=len(chart.labels))


def _columns(chart: Bars) -> Markup:
    axis = linear([0.0, *chart.values], kind=chart.kind, ticks=4)

    def y(value: float) -> float:
        return HEIGHT * (1 - axis.at(value))

    parts = []
    for tick in axis.ticks:
        parts.append(svg.line("track", 0, y(tick), 100, y(tick)))
        parts.append(svg.text(0, y(tick) + 4, tick_text(tick, chart.kind), anchor="end", shift=-8))
    step = 100 / max(1, len(chart.labels))
    every = max(1, math.ceil(len(chart.labels) / 8))
    for i, (label, value) in enumerate(zip(chart.labels, chart.values, strict=True)):
        middle = (i + 0.5) * step
        if math.isfinite(value):
            top, bottom = sorted((y(value), y(0.0)))
            told = escape(f"{label}: {format_cell(value, chart.kind)}")
            parts.append(
                f'<rect class="column" x="{i * step + 0.06 * step:.2f}%" '
                f'width="{0.88 * step:.2f}%" y="{top:.1f}" height="{bottom - top:.1f}">'
                f"<title>{told}</title></rect>"
            )
        if i % every == 0:
            parts.append(svg.text(middle, HEIGHT + 18, label, kind="faint"))
    spoken = ", ".join(
        f"{label}: {format_cell(v, chart.kind)}"
        for label, v in zip(chart.labels, chart.values, strict=True)
    )
    inner = svg.picture(parts, height=HEIGHT, label=spoken)
    return Markup('<div class="plot" style="--foot:26px">') + inner + Markup("</div>")
