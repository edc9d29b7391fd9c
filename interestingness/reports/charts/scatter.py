"""Points in the plane by group, some of them as pictures: a map of clusters, two scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from markupsafe import Markup, escape

from interestingness.reports.charts import svg
from interestingness.reports.charts.axes import Axis, linear, tick_text
from interestingness.reports.charts.legend import legend
from interestingness.reports.text import plain
from interestingness.studies.result import Scatter

HEIGHT = 460
MOST_POINTS = 2500
"""Points that are drawn; of more, an even sample in their order."""
MOST_GROUPS = 16
"""Groups with a colour and mark of their own: the largest. The others are grey."""


def scatter_chart(chart: Scatter, *, thumbnail: Callable[[str], str | None]) -> Markup:
    """The points, the largest groups in colours, pictures on top.

    Args:
        chart: what is drawn.
        thumbnail: image id → data URI of a small picture, or None.
    """
    x, y = (np.asarray(v, dtype=np.float64) for v in (chart.x, chart.y))
    groups = Counter(g for g in chart.group if g)
    number = {name: i for i, (name, _) in enumerate(groups.most_common(MOST_GROUPS))}
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    drawn = known[np.unique(np.linspace(0, len(known) - 1, MOST_POINTS).astype(int))]
    drawn = drawn if len(known) else known
    x_axis, y_axis = _axis(x[known], chart.axes[0]), _axis(y[known], chart.axes[1])

    def place(i: int) -> tuple[float, float]:
        return 100 * x_axis.at(x[i]), HEIGHT * (1 - y_axis.at(y[i]))

    parts = _grid(x_axis, y_axis, chart)
    kind = "point other" if groups else "point c0"
    for i in map(int, drawn):
        parts.append(_point(*place(i), number.get(chart.group[i]), chart.label[i], kind))
    for i, image_id in chart.images.items():
        if i in known and (uri := thumbnail(image_id)):
            parts.append(_photograph(*place(i), uri, number.get(chart.group[i]), chart.label[i]))
    spoken = f"{len(drawn)} points; " + ", ".join(f"{g}: {n}" for g, n in groups.most_common(20))
    picture = svg.picture(parts, height=HEIGHT, label=spoken)
    titled = " titled" if any(chart.axes) else ""
    out = Markup('<p class="axis-title">{}</p>').format(chart.axes[1]) if chart.axes[1] else ""
    out += Markup(f'<div class="plot map{titled}">') + picture + Markup("</div>")
    if chart.axes[0]:
        out += Markup('<p class="axis-title below">{}</p>').format(chart.axes[0])
    return Markup(out) + _legend(groups, number) + _sampled(len(drawn), len(known))


def _axis(values: np.ndarray, title: str) -> Axis:
    """Ticks where the axis means something; else just the range with a margin."""
    if title:
        return linear(values, kind="number")
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    margin = 0.06 * (high - low) or 1.0
    return Axis(float(low - margin), float(high + margin), ())


def _grid(x_axis: Axis, y_axis: Axis, chart: Scatter) -> list[str]:
    parts = []
    for tick in y_axis.ticks:
        y = HEIGHT * (1 - y_axis.at(tick))
        parts.append(svg.line("track", 0, y, 100, y))
        parts.append(svg.text(0, y + 4, tick_text(tick, "number"), anchor="end", shift=-8))
    for tick in x_axis.ticks:
        x = 100 * x_axis.at(tick)
        parts.append(svg.line("track", x, 0, x, HEIGHT))
        parts.append(svg.text(x, HEIGHT + 18, tick_text(tick, "number")))
    return parts


def _point(x: float, y: float, number: int | None, label: str, kind: str) -> str:
    if number is None:
        return svg.dot(kind, x, y, radius=3.5, title=label)
    mark = svg.dot if number < svg.COLOURS else svg.square
    return mark(f"point c{number % svg.COLOURS}", x, y, radius=4, title=label)


def _photograph(x: float, y: float, uri: str, number: int | None, label: str) -> str:
    """A small picture in a frame of its group's colour, its middle at the point."""
    colour = "other" if number is None else f"c{number % svg.COLOURS}"
    told = escape(plain(label))
    return (
        f'<svg x="{x:.2f}%" y="{y:.1f}" overflow="visible"><g class="photo {colour}">'
        f'<title>{told}</title><image x="-24" y="-18" width="48" height="36" href="{escape(uri)}" '
        f'preserveAspectRatio="xMidYMid slice"/>'
        f'<rect x="-24" y="-18" width="48" height="36" rx="3"/></g></svg>'
    )


def _legend(groups: Counter[str], number: dict[str, int]) -> Markup:
    entries = [
        (f"{name} ({groups[name]:,})", i, "dot" if i < svg.COLOURS else "square")
        for name, i in number.items()
    ]
    rest = len(groups) - len(number)
    key = legend(entries) if entries else Markup("")
    if rest > 0:
        key += Markup('<p class="note">{} smaller groups in grey</p>').format(rest)
    return key


def _sampled(drawn: int, known: int) -> Markup:
    if drawn == known:
        return Markup("")
    return Markup('<p class="note">{:,} of {:,} points are drawn.</p>').format(drawn, known)
