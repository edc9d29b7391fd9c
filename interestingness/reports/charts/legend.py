"""Draw what is beside a picture: names with their colours, and titles of axes."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from interestingness.reports.charts.svg import COLOURS
from interestingness.reports.text import plain


def legend(entries: Sequence[tuple[str, int, str]], *, kind: str = "") -> Markup:
    """Draw a list of names.

    Args:
        entries: name, number in the palette, and mark: "line", "dot" or "square".
        kind: further classes of the list.
    """
    items = Markup("").join(
        Markup('<li><i class="swatch {} c{} d{}"></i><bdi>{}</bdi></li>').format(
            mark, number % COLOURS, number // COLOURS, plain(name, 120)
        )
        for name, number, mark in entries
    )
    return Markup('<ul class="legend {}">{}</ul>').format(kind, items)


def axis_title(title: str, *, kind: str = "") -> Markup:
    """Write an axis title beside the picture; nothing where the axis has no meaning."""
    if not title:
        return Markup("")
    return Markup('<p class="axis-title {}">{}</p>').format(kind, plain(title, 120))
