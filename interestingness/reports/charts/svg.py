"""Marks that charts are made of. x in per cent of the width, y in pixels from the top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from interestingness.reports.text import plain

COLOURS = 8
"""Colours of the palette in the page's CSS, classes ``c0`` to ``c7``."""


def picture(parts: Iterable[str], *, height: float, label: str, kind: str = "") -> Markup:
    """Make an SVG as wide as its box.

    Args:
        parts: marks.
        height: pixels.
        label: description for those who cannot see the picture; escaped here.
        kind: further classes.
    """
    body = "".join(map(str, parts))
    spoken = escape(plain(label, 1000))
    return Markup(
        f'<svg class="fluid {kind}" width="100%" height="{height:g}" role="img" '
        f'aria-label="{spoken}">{body}</svg>'
    )


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """Draw a straight line."""
    return f'<line class="{kind}" x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def upright(kind: str, x: float) -> str:
    """Draw a vertical line through the whole picture."""
    return f'<line class="{kind}" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="100%"/>'


def half_way(parts: Iterable[str]) -> str:
    """Place marks whose y counts from the middle of the picture, whatever its height."""
    return f'<svg y="50%" overflow="visible">{"".join(parts)}</svg>'


def dot(kind: str, x: float, y: float, *, radius: float = 5, title: str = "") -> str:
    """Draw a round mark; ``title`` is shown on hover."""
    told = f"<title>{escape(plain(title))}</title></circle>" if title else "</circle>"
    return f'<circle class="{kind}" cx="{x:.2f}%" cy="{y:.1f}" r="{radius:g}">{told}'


def square(kind: str, x: float, y: float, *, radius: float = 5, title: str = "") -> str:
    """Draw a square mark; ``title`` is shown on hover."""
    told = f"<title>{escape(plain(title))}</title></rect>" if title else "</rect>"
    side = 1.8 * radius
    return (
        f'<rect class="{kind}" x="{x:.2f}%" y="{y - side / 2:.1f}" width="{side:g}" '
        f'height="{side:g}" transform="translate({-side / 2:g} 0)">{told}'
    )


def text(
    x: float, y: float, words: str, *, anchor: str = "middle", kind: str = "", shift: float = 0
) -> str:
    """Write words on a base line; ``shift`` moves them by pixels to the right."""
    moved = f' dx="{shift:g}"' if shift else ""
    where = f'x="{x:.2f}%" y="{y:.1f}"{moved} text-anchor="{anchor}"'
    return f'<text class="{kind}" {where}>{escape(plain(words))}</text>'


def stretched(paths: Iterable[str], *, height: float) -> str:
    """Stretch paths with x from 0 to 100 and y in pixels to the width of the picture."""
    return (
        f'<svg width="100%" height="{height:g}" viewBox="0 0 100 {height:g}" '
        f'preserveAspectRatio="none" overflow="visible">{"".join(paths)}</svg>'
    )


def path(kind: str, points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    """Draw a polygon line through points, for ``stretched``."""
    steps = " L".join(f"{x:.2f} {y:.1f}" for x, y in points)
    return f'<path class="{kind}" d="M{steps}{"Z" if closed else ""}"/>'


def near_edge(x: float) -> str:
    """Choose the anchor that keeps words at x, in per cent, within the picture."""
    return "start" if x < 8 else "end" if x > 92 else "middle"
