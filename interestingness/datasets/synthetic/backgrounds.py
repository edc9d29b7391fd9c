"""Paint nine places under five lights, on a unit square whose y runs down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from interestingness.datasets.synthetic.paint import Colour, Pen, jitter, mix, shade

SKY: dict[str, tuple[Colour, Colour]] = {
    "noon": ((70, 146, 226), (190, 226, 246)),
    "morning": ((132, 176, 226), (255, 222, 190)),
    "sunset": ((92, 66, 138), (255, 154, 76)),
    "night": ((10, 14, 44), (40, 52, 104)),
    "mist": ((192, 198, 204), (222, 224, 224)),
}
"""Colour of the sky at the top and at the horizon."""

TINT: dict[str, tuple[Colour, float]] = {
    "noon": ((255, 255, 255), 0.0),
    "morning": ((255, 214, 170), 0.16),
    "sunset": ((226, 110, 70), 0.3),
    "night": ((16, 22, 66), 0.58),
    "mist": ((212, 216, 218), 0.5),
}
"""What the light mixes into everything on the ground, and how much of it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The canvas of a place.

    Attributes:
        image, draw: the surface.
        size: pixels of its side.
        light, sky: as in the scene.
        horizon: fraction of the height where the ground begins.
        rng: varies details.
    """

    image: Image.Image
    draw: ImageDraw.ImageDraw
    size: int
    light: str
    sky: str
    horizon: float
    rng: np.random.Generator

    def pen(self, x: float = 0.0, y: float = 1.0, unit: float = 1.0) -> Pen:
        """Return a pen whose origin and unit are given as fractions of the side."""
        return Pen(self.draw, x * self.size, y * self.size, unit * self.size)

    def lit(self, colour: Colour, more: float = 0.0) -> Colour:
        """Return a ground colour under this scene's light; ``more`` light for distant parts."""
        tint, share = TINT[self.light]
        return mix(colour, tint, min(share + more, 0.95))

    def gradient(self, top: Colour, bottom: Colour, y0: float, y1: float) -> None:
        """Paint a vertical gradient between two heights, full width."""
        start, stop = round(y0 * self.size), round(y1 * self.size)
        if stop <= start:
            return
        ramp = np.linspace(top, bottom, stop - start).round().astype(np.uint8)
        strip = Image.fromarray(np.broadcast_to(ramp[:, None], (stop - start, 8, 3)).copy())
        self.image.paste(
            strip.resize((self.size, stop - start), Image.Resampling.NEAREST), (0, start)
        )

    def ridge(self, base: float, height: float, colour: Colour, steps: int, rough: float) -> None:
        """Paint a hilly silhouette that fills everything below it."""
        xs = np.linspace(0, 1, steps)
        phase = self.rng.uniform(0, 2 * np.pi, 3)
        wave = sum(np.sin(xs * (2 + 3 * k) * 2 + phase[k]) * rough**k for k in range(3))
        ys = base - height * (0.5 + 0.3 * np.asarray(wave))
        points = [(float(x) * self.size, float(y) * self.size) for x, y in zip(xs, ys, strict=True)]
        self.draw.polygon([(0, self.size), *points, (self.size, self.size)], fill=colour)


def paint_sky(stage: Stage, *, window: tuple[float, float, float, float] = (0, 0, 1, 0.75)) -> None:
    """Paint the sky (gradient, stars, sun, …) inside a box (left, top, right, bottom)."""
    left, top, right, bottom = window
    wide, high = right - left, bottom - top
    high_colour, low_colour = SKY[stage.light]
    stage.gradient(jitter(high_colour, stage.rng, 6), jitter(low_colour, stage.rng, 6), top, bottom)
    rng, unit = stage.rng, min(wide, high * 1.6)
    x, y = left + wide * rng.uniform(0.12, 0.88), top + high * rng.uniform(0.14, 0.36)
    if stage.light == "night":
        for sx, sy in rng.uniform(0, 1, (int(46 * wide), 2)):
            star = stage.pen(left + wide * float(sx), top + high * float(sy), 0.004)
            star.oval(0, 0, 1, 1, (236, 236, 220))
    pen = stage.pen(x, y, unit)
    if stage.sky == "sun":
        low = stage.light in ("sunset", "morning")
        disc = (255, 206, 96) if low else (255, 238, 150)
        if low:
            pen = stage.pen(x, top + high * rng.uniform(0.5, 0.7), unit)
        for radius, share in ((0.17, 0.75), (0.135, 0.5), (0.1, 0.0)):
            pen.oval(0, 0, radius, radius, mix(disc, low_colour, share))
    elif stage.sky == "moon":
        pen.oval(0, 0, 0.085, 0.085, (246, 242, 214))
        pen.oval(0.03, 0.02, 0.07, 0.07, mix(high_colour, (246, 242, 214), 0.08))
    elif stage.sky == "rainbow":
        bow = stage.pen(left + wide * rng.uniform(0.35, 0.65), bottom, unit)
        colours = ((222, 62, 58), (244, 146, 52), (250, 220, 80), (92, 182, 90), (66, 120, 214),
                   (128, 76, 178))  # fmt: skip
        for k, colour in enumerate(colours):
            radius = 0.56 - 0.026 * k
            bow.bow(radius, 0.028, mix(colour, low_colour, 0.15))
    elif stage.sky == "clouds":
        white = mix((250, 250, 252), low_colour, 0.3 if stage.light != "night" else 0.75)
        for _ in range(int(rng.integers(2, 5))):
            cloud = stage.pen(
                left + wide * rng.uniform(0.02, 0.98), top + high * rng.uniform(0.12, 0.55),
                unit * rng.uniform(0.1, 0.17),
            )  # fmt: skip
            for dx, dy, r in ((-0.8, 0, 0.5), (0, 0.25, 0.75), (0.8, 0, 0.5), (0.3, -0.1, 0.5)):
                cloud.oval(dx, dy, r, r * 0.62, shade(white, 0.97 + 0.03 * dy))


def sky(stage: Stage) -> None:
    paint_sky(stage, window=(0, 0, 1, 1))
    stage.ridge(0.97, 0.05, stage.lit((96, 142, 92), 0.2), 24, 0.3)


def sea(stage: Stage) -> None:
    paint_sky(stage, window=(0, 0, 1, stage.horizon))
    near, far = stage.lit((22, 92, 140)), stage.lit((62, 150, 190), 0.12)
    stage.gradient(far, near, stage.horizon, 1)
    foam = shade(far, 1.35)
    for _ in range(34):
        depth = stage.rng.uniform(0.02, 1) ** 1.4
        y = stage.horizon + (1 - stage.horizon) * depth
        wide = 0.02 + 0.06 * depth
        x = stage.rng.uniform(0, 1)
        stage.pen(x, y, wide).line([(-1, 0), (-0.3, 0.12), (0.3, 0), (1, 0.1)], foam, 0.1)


def meadow(stage: Stage) -> None:
    paint_sky(stage)
    stage.ridge(stage.horizon, 0.12, stage.lit((122, 170, 98), 0.25), 32, 0.4)
    stage.ridge(stage.horizon + 0.05, 0.04, stage.lit((92, 164, 72)), 24, 0.4)
    stage.gradient(stage.lit((98, 170, 74)), stage.lit((58, 130, 54)), stage.horizon + 0.06, 1)
    for _ in range(60):
        depth = stage.rng.uniform(0.05, 1)
        y = stage.horizon + 0.06 + (0.94 - stage.horizon) * depth
        blade = stage.pen(stage.rng.uniform(0, 1), y, 0.012 + 0.03 * depth)
        blade.line([(0, 0), (stage.rng.uniform(-0.4, 0.4), 1)], stage.lit((44, 112, 46)), 0.16)


def desert(stage: Stage) -> None:
    paint_sky(stage)
    stage.ridge(stage.horizon, 0.16, stage.lit((226, 178, 112), 0.12), 40, 0.3)
    stage.ridge(stage.horizon + 0.1, 0.13, stage.lit((214, 156, 88)), 40, 0.25)
    stage.ridge(stage.horizon + 0.24, 0.12, stage.lit((232, 184, 112)), 40, 0.2)
    for _ in range(int(stage.rng.integers(1, 4))):
        green = stage.lit((74, 122, 70))
        unit = stage.rng.uniform(0.04, 0.08)
        cactus = stage.pen(stage.rng.uniform(0, 1), stage.horizon + 0.12, unit)
        cactus.line([(0, 0), (0, 2)], green, 0.34)
        cactus.line([(0, 0.9), (0.6, 0.9), (0.6, 1.5)], green, 0.24)
        cactus.line([(0, 0.7), (-0.55, 0.7), (-0.55, 1.2)], green, 0.24)


def city(stage: Stage) -> None:
    paint_sky(stage)
    night = stage.light in ("night", "sunset")
    for row, more in ((0, 0.3), (1, 0.0)):
        x = -0.05
        while x < 1.05:
            wide, high = stage.rng.uniform(0.08, 0.17), stage.rng.uniform(0.14, 0.5) - 0.12 * row
            tone = ((128, 132, 146), (150, 122, 110), (104, 116, 136))[stage.rng.integers(3)]
            top = stage.horizon + 0.08 - high
            tower = stage.pen(x, stage.horizon + 0.08, 1)
            tower.box(0, 0, wide, high, stage.lit(tone, more))
            pane = (250, 216, 116) if night else stage.lit((206, 224, 236), more)
            for wy in np.arange(top + 0.03, stage.horizon, 0.05):
                for wx in np.arange(x + 0.02, x + wide - 0.03, 0.04):
                    if not night or stage.rng.random() < 0.55:
                        stage.pen(float(wx), float(wy), 1).box(0, -0.022, 0.018, 0, pane)
            x += wide + (0.0 if row == 0 else 0.03)
    stage.gradient(stage.lit((122, 120, 124)), stage.lit((86, 86, 92)), stage.horizon + 0.08, 1)
    for k in range(4):
        stage.pen(0.1 + 0.27 * k, 0.95, 0.06).box(-1, 0, 1, 0.22, stage.lit((226, 222, 206)))


def forest(stage: Stage) -> None:
    paint_sky(stage)
    stage.pen().box(
        0, 0.9 - stage.horizon, 1, 1.1 - stage.horizon - 0.12, stage.lit((30, 76, 54), 0.1)
    )
    for row, (base, more) in enumerate(((0.02, 0.3), (0.1, 0.08))):
        for x in np.arange(-0.04, 1.05, 0.09):
            unit = stage.rng.uniform(0.24, 0.36) + 0.04 * row
            pen = stage.pen(float(x) + stage.rng.uniform(-0.03, 0.03), stage.horizon + base, unit)
            green = stage.lit(jitter((34, 92, 60), stage.rng, 8), more)
            pen.box(-0.05, 0, 0.05, 0.3, stage.lit((84, 58, 40), more))
            pen.polygon([(-0.3, 0.15), (0.3, 0.15), (0, 0.75)], green)
            pen.polygon([(-0.22, 0.5), (0.22, 0.5), (0, 1.05)], shade(green, 1.08))
    stage.gradient(stage.lit((74, 104, 54)), stage.lit((52, 74, 42)), stage.horizon + 0.1, 1)


def mountains(stage: Stage) -> None:
    paint_sky(stage)
    for more, reach in ((0.28, 0.42), (0.05, 0.3)):
        rock = stage.lit((104, 108, 132), more)
        for _ in range(3):
            x, high = stage.rng.uniform(-0.05, 1.05), reach * stage.rng.uniform(0.8, 1.25)
            pen = stage.pen(x, stage.horizon + 0.08, high)
            pen.polygon([(-1.0, 0), (0, 1), (1.0, 0)], rock)
            pen.polygon([(0, 1), (1.0, 0), (0.15, 0)], shade(rock, 0.85))
            snow = stage.lit((244, 246, 250), more * 0.5)
            pen.polygon([(-0.26, 0.74), (0, 1), (0.26, 0.74), (0.08, 0.8), (-0.06, 0.7)], snow)
    stage.ridge(stage.horizon + 0.1, 0.05, stage.lit((88, 128, 84)), 32, 0.4)


def snow(stage: Stage) -> None:
    paint_sky(stage)
    stage.ridge(stage.horizon, 0.12, stage.lit((206, 218, 234), 0.1), 32, 0.4)
    stage.ridge(stage.horizon + 0.08, 0.08, stage.lit((240, 244, 250)), 32, 0.3)
    for _ in range(int(stage.rng.integers(2, 5))):
        pen = stage.pen(
            stage.rng.uniform(0, 1), stage.horizon + 0.06, stage.rng.uniform(0.06, 0.13)
        )
        for low, wide in ((0.2, 0.6), (0.7, 0.5), (1.2, 0.38)):
            pen.polygon([(-wide, low), (wide, low), (0, low + 0.8)], stage.lit((58, 104, 84)))
            pen.polygon(
                [(-wide * 0.55, low + 0.35), (wide * 0.55, low + 0.35), (0, low + 0.8)],
                stage.lit((238, 242, 248)),
            )
    for sx, sy in stage.rng.uniform(0, 1, (50, 2)):
        stage.pen(float(sx), float(sy), 0.007).oval(0, 0, 1, 1, stage.lit((250, 252, 255)))


def room(stage: Stage) -> None:
    wall = ((214, 196, 170), (178, 196, 190), (204, 180, 186), (190, 190, 206))
    tone = wall[stage.rng.integers(len(wall))]
    left = stage.rng.uniform(0.08, 0.5)
    window = (left, 0.1, left + 0.42, 0.46)
    paint_sky(stage, window=window)
    pen = stage.pen(0, 0, 1)
    plain = stage.lit(tone)
    for x0, y0, x1, y1 in (
        (0, 0, 1, window[1]), (0, window[3], 1, stage.horizon + 0.1),
        (0, 0, window[0], stage.horizon), (window[2], 0, 1, stage.horizon),
    ):  # fmt: skip
        pen.box(x0, -y0, x1, -y1, plain)
    frame = stage.lit((250, 248, 240))
    middle = (window[0] + window[2]) / 2
    for x in (window[0], middle, window[2]):
        pen.line([(x, -window[1]), (x, -window[3])], frame, 0.018)
    for y in (window[1], window[3]):
        pen.line([(window[0] - 0.01, -y), (window[2] + 0.01, -y)], frame, 0.022)
    stage.gradient(stage.lit((168, 116, 72)), stage.lit((128, 84, 52)), stage.horizon + 0.1, 1)
    for k in range(1, 6):
        y = stage.horizon + 0.1 + (0.9 - stage.horizon) * (k / 6) ** 1.5
        pen.line([(0, -y), (1, -y)], stage.lit((112, 72, 44)), 0.006)
    pen.box(0, -(stage.horizon + 0.085), 1, -(stage.horizon + 0.1), frame)


PLACES: dict[str, Callable[[Stage], None]] = {
    place.__name__: place
    for place in (sky, sea, meadow, desert, city, forest, mountains, snow, room)
}
"""By background."""
