"""A pen in local coordinates and a few colour helpers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

BODY: dict[str, Colour] = {
    "red": (214, 48, 44),
    "orange": (240, 138, 36),
    "yellow": (248, 208, 52),
    "green": (62, 158, 72),
    "blue": (44, 100, 208),
    "purple": (140, 66, 176),
    "white": (243, 241, 236),
    "black": (46, 44, 52),
}
"""What a scene's named colour looks like before jitter, light and palette."""


def shade(colour: Colour, factor: float) -> Colour:
    """Shade a colour: darker below 1, lighter above 1, white at 2."""
    if factor <= 1:
        return (int(colour[0] * factor), int(colour[1] * factor), int(colour[2] * factor))
    return mix(colour, (255, 255, 255), min(factor - 1, 1.0))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Mix two colours with ``share`` of the other one, in [0, 1]."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(one, other, strict=True))
    return (r, g, b)


def jitter(colour: Colour, rng: np.random.Generator, amount: float = 12) -> Colour:
    """Add Gaussian noise of this many grey levels per channel to a colour."""
    noisy = np.clip(np.asarray(colour) + rng.normal(0, amount, 3), 0, 255)
    return (int(noisy[0]), int(noisy[1]), int(noisy[2]))


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws in local units: x to the right, y *up*, the origin on the ground.

    Attributes:
        draw: Pillow's drawing surface.
        x, y: the origin in pixels.
        unit: pixels of one local unit.
        flip: +1, or -1 to mirror left and right.
    """

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    unit: float
    flip: int = 1

    def at(self, x: float, y: float) -> Point:
        """Convert a local point to pixels."""
        return (self.x + self.flip * self.unit * x, self.y - self.unit * y)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """Draw a filled polygon."""
        self.draw.polygon([self.at(*point) for point in points], fill=fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        """Draw a filled ellipse about (x, y)."""
        self.draw.ellipse(self._box(x - rx, y - ry, x + rx, y + ry), fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        """Draw a filled rectangle."""
        self.draw.rectangle(self._box(x0, y0, x1, y1), fill=fill)

    def half(self, x: float, y: float, rx: float, ry: float, fill: Colour, up: bool = True) -> None:
        """Draw the upper (or lower) half of an ellipse about (x, y)."""
        start, end = (180, 360) if up else (0, 180)
        self.draw.pieslice(self._box(x - rx, y - ry, x + rx, y + ry), start, end, fill=fill)

    def bow(self, radius: float, width: float, fill: Colour) -> None:
        """Draw the upper half of a ring about the origin, ``width`` inwards from ``radius``."""
        box = self._box(-radius, -radius, radius, radius)
        self.draw.arc(box, 180, 360, fill=fill, width=max(1, round(width * self.unit)))

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """Draw a line of this width in local units."""
        pixels = max(1, round(width * self.unit))
        self.draw.line([self.at(*point) for point in points], fill=fill, width=pixels)

    def _box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, ...]:
        (px0, py0), (px1, py1) = self.at(x0, y0), self.at(x1, y1)
        return (min(px0, px1), min(py0, py1), max(px0, px1), max(py0, py1))
