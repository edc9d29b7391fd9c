"""Paint sixteen subjects, each about two local units wide and high, standing on y = 0."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from interestingness.datasets.synthetic.paint import Colour, Pen, mix, shade

INK: Colour = (38, 34, 40)
# One tone for all: who a person is must not be something that a rater could judge.
SKIN: Colour = (214, 168, 128)
WOOD: Colour = (118, 78, 48)
GLASS: Colour = (188, 222, 240)

Painter = Callable[[Pen, Colour, np.random.Generator], None]


def cat(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    dark = shade(body, 0.75)
    pen.line([(0.5, 0.25), (0.95, 0.35), (1.0, 0.9), (0.85, 1.1)], body, 0.14)
    pen.oval(0.05, 0.55, 0.6, 0.58, body)
    pen.oval(0.05, 0.38, 0.3, 0.38, shade(body, 1.35))
    for x in (-0.32, 0.36):
        pen.oval(x, 0.08, 0.2, 0.12, dark)
    pen.polygon([(-0.62, 1.35), (-0.62, 1.98), (-0.12, 1.65)], dark)
    pen.polygon([(0.62, 1.35), (0.62, 1.98), (0.12, 1.65)], dark)
    pen.oval(0, 1.3, 0.62, 0.46, body)
    for x in (-0.25, 0.25):
        pen.oval(x, 1.36, 0.12, 0.14, (232, 238, 150))
        pen.oval(x, 1.36, 0.05, 0.13, INK)
    pen.polygon([(-0.08, 1.2), (0.08, 1.2), (0, 1.1)], (226, 128, 134))
    for side in (-1, 1):
        pen.line([(side * 0.15, 1.12), (side * 0.8, 1.18)], shade(body, 1.6), 0.03)
        pen.line([(side * 0.15, 1.08), (side * 0.78, 1.0)], shade(body, 1.6), 0.03)


def dog(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    dark = shade(body, 0.68)
    pen.line([(0.75, 0.95), (1.02, 1.45)], body, 0.15)
    for x in (-0.5, -0.25, 0.45, 0.7):
        pen.box(x - 0.1, 0, x + 0.1, 0.7, dark if x in (-0.25, 0.45) else body)
    pen.oval(0.12, 0.8, 0.75, 0.36, body)
    pen.oval(-0.6, 1.35, 0.4, 0.38, body)
    pen.oval(-0.9, 1.22, 0.26, 0.2, shade(body, 1.25))
    pen.oval(-1.1, 1.28, 0.09, 0.08, INK)
    pen.oval(-0.38, 1.3, 0.17, 0.4, dark)
    pen.oval(-0.72, 1.46, 0.07, 0.08, INK)
    pen.line([(-0.72, 1.0), (-0.35, 0.98)], (206, 52, 52), 0.11)


def bird(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    dark = shade(body, 0.7)
    pen.polygon([(0.55, 0.95), (1.15, 1.2), (1.1, 0.75)], dark)
    pen.oval(0.05, 0.95, 0.66, 0.38, body)
    pen.oval(-0.05, 0.84, 0.4, 0.22, shade(body, 1.5))
    pen.oval(-0.62, 1.22, 0.32, 0.3, body)
    pen.polygon([(-0.88, 1.3), (-1.25, 1.18), (-0.88, 1.1)], (246, 166, 40))
    pen.oval(-0.7, 1.3, 0.07, 0.08, (255, 255, 255))
    pen.oval(-0.71, 1.3, 0.045, 0.055, INK)
    lift = rng.uniform(1.5, 2.0)
    pen.polygon([(-0.3, 1.1), (0.5, lift), (0.85, lift - 0.1), (0.4, 1.0)], dark)
    pen.polygon([(-0.15, 1.1), (0.2, lift - 0.3), (0.5, lift - 0.35), (0.3, 1.02)], body)


def butterfly(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    light, dark = shade(body, 1.45), shade(body, 0.6)
    for side in (-1, 1):
        pen.oval(side * 0.55, 1.35, 0.52, 0.5, dark)
        pen.oval(side * 0.55, 1.35, 0.43, 0.41, body)
        pen.oval(side * 0.45, 0.68, 0.38, 0.38, dark)
        pen.oval(side * 0.45, 0.68, 0.3, 0.3, light)
        pen.oval(side * 0.62, 1.42, 0.18, 0.18, light)
        pen.oval(side * 0.46, 0.64, 0.1, 0.1, dark)
        pen.line([(0, 1.6), (side * 0.28, 2.0)], INK, 0.05)
    pen.oval(0, 1.05, 0.1, 0.6, INK)


def fish(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    dark, light = shade(body, 0.7), shade(body, 1.5)
    pen.polygon([(0.6, 0.9), (1.2, 1.45), (1.05, 0.9), (1.2, 0.35)], dark)
    pen.polygon([(-0.3, 1.3), (0.25, 1.75), (0.5, 1.2)], dark)
    pen.polygon([(-0.1, 0.5), (0.2, 0.15), (0.4, 0.55)], dark)
    pen.oval(-0.08, 0.9, 0.85, 0.5, body)
    for x in (-0.2, 0.15, 0.45):
        pen.oval(x, 0.9, 0.08, 0.4 - abs(x) * 0.3, light)
    pen.oval(-0.58, 1.02, 0.14, 0.14, (255, 255, 255))
    pen.oval(-0.6, 1.02, 0.07, 0.08, INK)


def person(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    hair = ((52, 36, 28), (110, 66, 34), (206, 164, 88), (70, 70, 74))[rng.integers(4)]
    legs = mix(shade(body, 0.4), (44, 52, 84), 0.6)
    for x in (-0.17, 0.17):
        pen.box(x - 0.12, 0, x + 0.12, 0.75, legs)
        pen.box(x - 0.16, 0, x + 0.14, 0.08, INK)
    reach = rng.uniform(0.55, 0.75)
    wave = rng.uniform(0.6, 1.9)
    pen.line([(-0.28, 1.3), (-reach, 0.7)], shade(body, 0.8), 0.15)
    pen.line([(0.28, 1.3), (reach, wave)], shade(body, 0.8), 0.15)
    pen.oval(-reach, 0.68, 0.09, 0.09, SKIN)
    pen.oval(reach, wave, 0.09, 0.09, SKIN)
    pen.polygon([(-0.36, 1.42), (0.36, 1.42), (0.32, 0.6), (-0.32, 0.6)], body)
    pen.box(-0.09, 1.38, 0.09, 1.55, SKIN)
    pen.oval(0, 1.74, 0.29, 0.3, hair)
    pen.oval(0, 1.68, 0.24, 0.25, SKIN)
    for x in (-0.09, 0.09):
        pen.oval(x, 1.71, 0.03, 0.04, INK)
    pen.line([(-0.08, 1.57), (0.08, 1.57)], (168, 60, 60), 0.03)


def tree(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    pen.polygon([(-0.14, 0), (0.14, 0), (0.08, 1.0), (-0.08, 1.0)], WOOD)
    if rng.random() < 0.5:
        for low, wide in ((0.45, 0.75), (0.9, 0.6), (1.32, 0.44)):
            tone = shade(body, 0.72 + low * 0.25)
            pen.polygon([(-wide, low), (wide, low), (0, low + 0.72)], tone)
    else:
        for x, y, r in ((-0.42, 1.05, 0.45), (0.44, 1.08, 0.45), (0, 1.45, 0.56)):
            pen.oval(x, y, r, r * 0.95, shade(body, 0.72 + 0.2 * y))
        pen.oval(-0.12, 1.6, 0.25, 0.2, shade(body, 1.2))


def flower(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    stem = (58, 132, 60)
    pen.line([(0, 0), (0.06, 0.6), (0, 1.3)], stem, 0.1)
    pen.polygon([(0.03, 0.4), (0.6, 0.75), (0.35, 0.35)], shade(stem, 1.15))
    pen.polygon([(0.03, 0.25), (-0.6, 0.6), (-0.35, 0.15)], stem)
    petals = int(rng.integers(6, 9))
    turn = rng.uniform(0, 1)
    for k in range(petals):
        angle = 2 * np.pi * (k + turn) / petals
        x, y = 0.42 * np.cos(angle), 1.42 + 0.42 * np.sin(angle)
        pen.oval(float(x), float(y), 0.25, 0.25, shade(body, 0.85 if k % 2 else 1.1))
    yellow = (250, 214, 70) if body[0] - body[2] < 150 else (110, 70, 36)
    pen.oval(0, 1.42, 0.24, 0.24, yellow)


def mushroom(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    pen.polygon([(-0.3, 0), (0.3, 0), (0.2, 0.95), (-0.2, 0.95)], (242, 230, 206))
    pen.oval(0, 0.04, 0.3, 0.07, (224, 208, 180))
    pen.half(0, 0.8, 0.95, 0.95, body)
    pen.oval(0, 0.8, 0.95, 0.13, shade(body, 0.7))
    dot = (252, 246, 236) if sum(body) < 640 else (206, 84, 72)
    for x, y, r in ((-0.5, 1.15, 0.14), (0.05, 1.45, 0.17), (0.52, 1.1, 0.12), (-0.05, 1.05, 0.1)):
        pen.oval(x, y, r, r * 0.9, dot)


def house(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    roof = mix(shade(body, 0.5), (120, 58, 44), 0.5)
    pen.box(0.35, 1.4, 0.58, 1.95, shade(roof, 0.8))
    pen.box(-0.8, 0, 0.8, 1.1, body)
    pen.box(0.45, 0, 0.8, 1.1, shade(body, 0.88))
    pen.polygon([(-1.0, 1.05), (1.0, 1.05), (0, 1.85)], roof)
    pen.box(-0.18, 0, 0.2, 0.62, WOOD)
    for x in (-0.5, 0.5):
        pen.box(x - 0.2, 0.45, x + 0.2, 0.85, (250, 246, 232))
        pen.box(x - 0.15, 0.5, x + 0.15, 0.8, (252, 222, 132))
        pen.line([(x, 0.45), (x, 0.85)], (250, 246, 232), 0.05)


def lighthouse(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    white = (246, 244, 238) if sum(body) < 640 else (196, 64, 58)
    pen.polygon([(-0.95, 0), (-0.55, 0.28), (0.6, 0.3), (0.95, 0)], (112, 106, 104))
    for k in range(4):
        low, high = 0.2 + 0.3 * k, 0.2 + 0.3 * (k + 1)
        a, b = 0.42 - 0.06 * k, 0.42 - 0.06 * (k + 1)
        pen.polygon([(-a, low), (a, low), (b, high), (-b, high)], white if k % 2 else body)
    pen.polygon([(-0.95, 1.75), (-0.12, 1.56), (-0.95, 1.45)], (255, 244, 176))
    pen.box(-0.27, 1.38, 0.27, 1.46, INK)
    pen.box(-0.16, 1.46, 0.16, 1.72, (255, 232, 120))
    pen.polygon([(-0.24, 1.72), (0.24, 1.72), (0, 1.98)], shade(body, 0.7))


def boat(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    sail = (250, 246, 234) if sum(body) < 640 else (226, 96, 80)
    pen.line([(0, 0.3), (0, 1.95)], WOOD, 0.07)
    pen.polygon([(0.08, 0.5), (0.08, 1.9), (0.85, 0.55)], sail)
    pen.polygon([(-0.08, 0.5), (-0.08, 1.65), (-0.7, 0.55)], shade(sail, 0.86))
    pen.polygon([(-0.98, 0.42), (0.98, 0.42), (0.66, 0), (-0.66, 0)], body)
    pen.polygon([(-0.98, 0.42), (0.98, 0.42), (0.9, 0.32), (-0.9, 0.32)], shade(body, 0.7))


def car(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    pen.polygon([(-0.6, 0.65), (-0.38, 1.1), (0.38, 1.1), (0.66, 0.65)], shade(body, 0.82))
    pen.polygon([(-0.47, 0.68), (-0.31, 1.02), (-0.04, 1.02), (-0.04, 0.68)], GLASS)
    pen.polygon([(0.04, 0.68), (0.04, 1.02), (0.32, 1.02), (0.5, 0.68)], GLASS)
    pen.polygon(
        [(-1.1, 0.25), (-1.1, 0.58), (-0.62, 0.68), (0.7, 0.68), (1.08, 0.58), (1.1, 0.25)], body
    )
    pen.oval(-1.03, 0.5, 0.08, 0.09, (255, 240, 170))
    pen.oval(1.03, 0.5, 0.06, 0.08, (196, 40, 40))
    for x in (-0.6, 0.6):
        pen.oval(x, 0.22, 0.25, 0.25, INK)
        pen.oval(x, 0.22, 0.12, 0.12, (190, 190, 194))


def train(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    dark = shade(body, 0.65)
    pen.line([(-1.4, 0.03), (1.4, 0.03)], (96, 88, 84), 0.07)
    pen.box(0.45, 0.3, 1.2, 1.25, dark)
    pen.box(0.4, 1.2, 1.25, 1.35, INK)
    pen.box(0.6, 0.75, 1.05, 1.1, (252, 226, 140))
    pen.box(-0.9, 0.35, 0.5, 0.9, body)
    pen.oval(-0.9, 0.62, 0.12, 0.28, shade(body, 1.2))
    pen.polygon([(-0.75, 0.9), (-0.83, 1.35), (-0.42, 1.35), (-0.5, 0.9)], INK)
    pen.oval(0.05, 0.92, 0.17, 0.16, (222, 178, 70))
    for k, r in enumerate((0.16, 0.22, 0.28)):
        grey = 226 + 8 * k
        pen.oval(-0.55 + 0.32 * k, 1.52 + 0.17 * k, r, r * 0.8, (grey, grey, grey))
    for x in (-0.65, -0.15, 0.35, 0.9):
        pen.oval(x, 0.22, 0.2, 0.2, INK)
        pen.oval(x, 0.22, 0.09, 0.09, (200, 64, 52))
    pen.polygon([(-0.9, 0.35), (-1.25, 0.08), (-0.8, 0.08)], dark)


def balloon(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    light = shade(body, 1.55) if sum(body) < 640 else (228, 110, 90)
    for x in (-0.2, 0.2):
        pen.line([(x, 0.35), (x * 1.8, 0.8)], WOOD, 0.04)
    pen.polygon([(-0.55, 0.9), (0.55, 0.9), (0.18, 0.5), (-0.18, 0.5)], shade(body, 0.8))
    pen.oval(0, 1.28, 0.74, 0.72, body)
    pen.oval(0, 1.28, 0.5, 0.72, light)
    pen.oval(0, 1.28, 0.22, 0.72, body)
    pen.box(-0.2, 0.05, 0.2, 0.35, (150, 102, 58))
    pen.box(-0.2, 0.28, 0.2, 0.35, (104, 68, 38))


def kite(pen: Pen, body: Colour, rng: np.random.Generator) -> None:
    other = shade(body, 0.68)
    light = shade(body, 1.5) if sum(body) < 640 else (90, 150, 220)
    tail = [(0.0, 0.62), (0.2, 0.42), (-0.02, 0.24), (0.18, 0.04)]
    pen.line(tail, INK, 0.05)
    for x, y in tail[1:]:
        pen.polygon([(x - 0.14, y + 0.1), (x + 0.14, y - 0.1), (x + 0.14, y + 0.1)], light)
    pen.polygon([(0, 1.98), (0, 1.35), (-0.62, 1.35)], body)
    pen.polygon([(0, 1.98), (0, 1.35), (0.62, 1.35)], light)
    pen.polygon([(0, 0.6), (0, 1.35), (-0.62, 1.35)], other)
    pen.polygon([(0, 0.6), (0, 1.35), (0.62, 1.35)], body)


PAINTERS: dict[str, Painter] = {
    painter.__name__: painter
    for painter in (
        cat, dog, bird, butterfly, fish, person, tree, flower, mushroom, house, lighthouse, boat,
        car, train, balloon, kite,
    )
}  # fmt: skip
"""By subject; the second argument is the body colour, the generator varies details."""

AIRBORNE = frozenset({"bird", "butterfly", "balloon", "kite"})
"""Subjects that float above the ground."""
