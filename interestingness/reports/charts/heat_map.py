"""Draw a table with coloured cells: blue above the middle, orange below."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup, escape

from interestingness.reports.cells import NONE, format_cell
from interestingness.reports.text import breakable
from interestingness.studies.result import HeatMap, Kind

STRONGEST = 78
"""Colour, in per cent, of the cell that is farthest from the middle; text stays legible."""
LEAST_SPAN: dict[Kind, float] = {"percent": 0.2, "number": 0.4, "signed": 0.4}
"""Distance from the middle that is full colour at least, so that noise stays pale."""


def heat_map(chart: HeatMap) -> Markup:
    """Draw rows by columns with the number in each cell; wide ones scroll in their box."""
    values = np.asarray(chart.values, dtype=np.float64)
    away = np.abs(values - chart.middle)
    span = max(LEAST_SPAN.get(chart.kind, 0.0), float(np.nanmax(away, initial=0.0))) or 1.0
    upright = len(chart.columns) > 4 or max(map(len, chart.columns), default=0) > 14
    kind = "heat upright" if upright else "heat"
    head = Markup("").join(
        Markup(f'<th scope="col"><span><bdi>{breakable(c)}</bdi></span></th>')
        for c in chart.columns
    )
    body = Markup("").join(
        Markup(f'<tr><th scope="row"><bdi>{breakable(name)}</bdi></th>')
        + Markup("").join(_cell(v, chart, span) for v in row)
        + Markup("</tr>")
        for name, row in zip(chart.rows, values, strict=True)
    )
    return Markup(
        f'<div class="scroll" tabindex="0"><table class="{kind}"><thead><tr><td></td>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: float, chart: HeatMap, span: float) -> Markup:
    words = format_cell(float(value), chart.kind)
    if words == NONE:
        return Markup(f"<td>{NONE}</td>")
    side = "above" if value >= chart.middle else "below"
    share = STRONGEST * min(1.0, abs(value - chart.middle) / span)
    return Markup(f'<td class="{side}" style="--share:{share:.0f}%">{escape(words)}</td>')
