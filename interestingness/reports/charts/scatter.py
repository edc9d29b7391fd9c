"""Draw points in the plane by group, some as pictures: a map of clusters, two scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from interestingness.reports.charts import svg
from interestingness.reports.charts.axes import Axis, linear, tick_text
from interestingness.reports.charts.legend import axis_title, legend
from interestingness.reports.text import plain
from interestingness.studies.result import Scatter

HEIGHT = 460
MOST_POINTS = 2500
"""Points that are drawn; of more, an even sample in their order."""
MOST_GROUPS = 16
"""Groups with a colour and mark of their own: the largest. The others are grey."""
MOST_NAMES = 10
"""Groups whose names may stand on the map itself."""
COMPACT = 0.6
"""Spread of a group on either axis, as a share of that of all points, up to which it has a name."""


def scatter_chart(chart: Scatter, *, thumbnail: Callable[[str], str | None]) -> Markup:
    """Draw the points, the largest groups in colours and by name, pictures on top.

    Args:
        chart: what is drawn; at least one point has a position.
        thumbnail: image id → data URI of a small picture, or None.
    """
    known = placed(chart)
    groups = Counter(g for g in chart.group if g)
    number = {name: i for i, (name, _) in enumerate(groups.most_common(MOST_GROUPS))}
    x, y = _places(chart, known)
    drawn = [int(i) for i in known[np.linspace(0, len(known) - 1, MOST_POINTS).astype(int)]]
    drawn = sorted(set(drawn))
    kind = "point other" if groups else "point c0"
    parts = _grid(chart, known)
    parts += [_point(x[i], y[i], number.get(chart.group[i]), chart.label[i], kind) for i in drawn]
    for i in set(chart.images).intersection(known.tolist()):
        if uri := thumbnail(chart.images[i]):
            parts.append(_photograph(x[i], y[i], uri, number.get(chart.group[i]), chart.label[i]))
    if not any(chart.axes):
        parts += _names(chart, known, number, x, y)
    spoken = f"{len(drawn)} points; " + ", ".join(f"{g}: {n}" for g, n in groups.most_common(20))
    picture = svg.picture(parts, height=HEIGHT, label=spoken)
    titled = " titled" if any(chart.axes) else ""
    return (
        axis_title(chart.axes[1])
        + Markup(f'<div class="plot map{titled}">{picture}</div>')
        + axis_title(chart.axes[0], kind="below")
        + _legend(groups, number)
        + _sampled(len(drawn), len(known))
    )


def placed(chart: Scatter) -> NDArray[np.intp]:
    """Return the rows of the points that have a position."""
    x, y = (np.asarray(v, dtype=np.float64) for v in (chart.x, chart.y))
    return np.flatnonzero(np.isfinite(x) & np.isfinite(y))


def _axes(chart: Scatter, known: NDArray[np.intp]) -> tuple[Axis, Axis]:
    x, y = (np.asarray(v, dtype=np.float64)[known] for v in (chart.x, chart.y))
    return _axis(x, chart.axes[0]), _axis(y, chart.axes[1])


def _places(chart: Scatter, known: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Compute x in per cent and y in pixels of every point, NaN where it has none."""
    x_axis, y_axis = _axes(chart, known)
    x = [100 * x_axis.at(float(v)) for v in chart.x]
    return np.array(x), np.array([HEIGHT * (1 - y_axis.at(float(v))) for v in chart.y])


def _axis(values: NDArray[np.float64], title: str) -> Axis:
    """Make an axis with ticks if it has a meaning; else only the range with a margin."""
    if title:
        return linear(values, kind="number")
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 1.0
    return Axis(low - margin, high + margin, ())


def _grid(chart: Scatter, known: NDArray[np.intp]) -> list[str]:
    x_axis, y_axis = _axes(chart, known)
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
    """Draw a small picture in a frame of its group's colour, centred on the point."""
    colour = "other" if number is None else f"c{number % svg.COLOURS}"
    told = escape(plain(label))
    return (
        f'<svg x="{x:.2f}%" y="{y:.1f}" overflow="visible"><g class="photo {colour}">'
        f'<title>{told}</title><image x="-24" y="-18" width="48" height="36" href="{escape(uri)}" '
        f'preserveAspectRatio="xMidYMid slice"/>'
        f'<rect x="-24" y="-18" width="48" height="36" rx="3"/></g></svg>'
    )


def _names(
    chart: Scatter,
    known: NDArray[np.intp],
    number: dict[str, int],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> list[str]:
    """Draw names of groups in the middle of their points, moved down where they collide.

    Only compact groups are named: the middle of a scattered group may hold none of its points.
    """
    group = np.asarray(chart.group, dtype=object)
    members = {name: known[group[known] == name] for name in list(number)[:MOST_NAMES]}
    compact = [
        name
        for name, rows in members.items()
        if len(rows) and all(np.std(v[rows]) <= COMPACT * np.std(v[known]) for v in (x, y))
    ]
    if 2 * len(compact) <= len(members):
        return []  # colours do not follow positions
    parts: list[str] = []
    taken: list[tuple[float, float]] = []
    for name in compact:
        rows = members[name]
        across, down = float(np.median(x[rows])), float(np.median(y[rows])) + 4
        while any(abs(across - a) < 24 and abs(down - d) < 17 for a, d in taken):
            down += 6
        taken.append((across, down))
        words = name if len(name) <= 32 else name[:31] + "…"
        parts.append(
            svg.text(across, down, words, anchor=svg.near_edge(across), kind="name halo strong")
        )
    return parts


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
