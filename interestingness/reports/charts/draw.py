"""Draw any figure of a study as HTML."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from interestingness.reports.charts.bars import bars_chart
from interestingness.reports.charts.curves import curves_chart
from interestingness.reports.charts.heat_map import heat_map
from interestingness.reports.charts.intervals import interval_chart
from interestingness.reports.charts.scatter import placed, scatter_chart
from interestingness.studies.result import (
    Bars,
    Curves,
    Figure,
    HeatMap,
    IntervalChart,
    Scatter,
)


def draw(figure: Figure, *, thumbnail: Callable[[str], str | None]) -> Markup:
    """Draw the figure without title and caption; return a sentence if it is empty.

    Args:
        figure: values of a study.
        thumbnail: image id → data URI of a small picture, or None.
    """
    if is_empty(figure):
        return Markup('<p class="nothing">there is nothing to draw</p>')
    match figure:
        case IntervalChart():
            return interval_chart(figure)
        case HeatMap():
            return heat_map(figure)
        case Curves():
            return curves_chart(figure)
        case Scatter():
            return scatter_chart(figure, thumbnail=thumbnail)
        case Bars():
            return bars_chart(figure)


def is_empty(figure: Figure) -> bool:
    """Check whether no mark would be drawn."""
    match figure:
        case IntervalChart():
            return not figure.rows
        case HeatMap():
            return not len(figure.rows) or not len(figure.columns)
        case Curves():
            return not any(len(curve.x) for curve in figure.curves)
        case Scatter():
            return not len(placed(figure))
        case Bars():
            return not len(figure.labels)


def is_wide(figure: Figure) -> bool:
    """Check whether it needs the whole width of the page on a desktop."""
    match figure:
        case Scatter():
            return not any(figure.axes)
        case HeatMap():
            return len(figure.columns) > 8
        case Curves():
            return len(figure.curves) > 3
        case Bars():
            return len(figure.labels) > 24
        case IntervalChart():
            return len(figure.rows) > 16
