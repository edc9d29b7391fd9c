"""Write a chart of intervals as an SVG file: fixed size, its colours inside."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from interestingness.disk import appear
from interestingness.reports.cells import format_cell
from interestingness.reports.charts import intervals, svg
from interestingness.reports.text import plain
from interestingness.studies.result import IntervalChart

WIDTH, LEFT, RIGHT = 720, 210, 150
"""Pixels of the picture, of its names, and of its numbers."""
STYLE = """
svg{overflow:visible}text{font:14px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1d2330}
.title{font-size:18px;font-weight:600}.value{font-weight:600}
.faint{font-size:12px;fill:#667085}.warning{font-size:12px;font-weight:600;fill:#9a5b00}
.paper{fill:#fff}.track{stroke:#e6e8ee}
.compare{stroke:#98a1b3;stroke-width:1.5;stroke-dasharray:4 3}
.c1{stroke:#c94f00}.c2{stroke:#00875f}
.interval{stroke:#3563c9;stroke-width:5;stroke-opacity:.4;stroke-linecap:round}.dot{fill:#2450b2}
"""


def write_interval_svg(path: Path, chart: IntervalChart, *, simulated: str = "") -> Path:
    """Write ``interval_svg``; the file appears whole or not at all."""
    data = interval_svg(chart, simulated=simulated).encode("utf-8", "replace")
    return appear(path, lambda temporary: temporary.write_bytes(data))


def interval_svg(chart: IntervalChart, *, simulated: str = "") -> str:
    """Draw the page's lanes with names on their left and numbers on their right.

    Args:
        chart: estimates with intervals.
        simulated: sentence that goes with every number if raters are simulated, else "".
    """
    axis = intervals.axis_of(chart)
    lines, height = intervals.lines_named(axis, chart.lines)
    parts = [_words(20, 32, chart.title, kind="title")]
    top = 46.0
    parts.append(_box(top, height, lines))
    top += height
    for label, estimate in chart.rows:
        middle = top + intervals.ROW / 2 + 5
        name = label if len(label) <= 28 else label[:27] + "…"
        lane = intervals.lane_picture(axis, chart, label, estimate)
        parts.append(_words(LEFT - 14, middle, name, anchor="end"))
        parts.append(_box(top, intervals.ROW, lane))
        number = format_cell(estimate, chart.kind)
        parts.append(_words(WIDTH - 12, middle, number, anchor="end", kind="value"))
        top += intervals.ROW
    parts.append(_box(top, 20, intervals.axis_below(axis, chart.kind)))
    parts.append(_words(20, top + 42, chart.caption, kind="faint"))
    if simulated:
        parts.append(_words(20, top + 62, simulated, kind="warning"))
    tall = top + (76 if simulated else 56)
    return str(
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h:g}" width="{w}" '
            'height="{h:g}" role="img" aria-label="{label}"><style>{style}</style>'
            '<rect class="paper" width="{w}" height="{h:g}"/>{parts}</svg>\n'
        ).format(
            w=WIDTH,
            h=tall,
            label=plain(chart.title),
            style=Markup(STYLE),
            parts=Markup("".join(parts)),
        )
    )


def _box(top: float, height: float, picture: Markup) -> str:
    """Place a picture between names and numbers."""
    place = f'x="{LEFT}" y="{top:g}" width="{WIDTH - LEFT - RIGHT}" height="{height:g}"'
    return f'<svg {place} overflow="visible">{picture}</svg>'


def _words(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    return svg.text(100 * x / WIDTH, y, words, anchor=anchor, kind=kind)
