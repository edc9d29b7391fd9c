"""Draw a scene as a picture: place, props, subjects, then light and palette."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from interestingness.datasets.synthetic.backgrounds import PLACES, Stage
from interestingness.datasets.synthetic.paint import BODY, Colour, Pen, jitter, mix, shade
from interestingness.datasets.synthetic.scenes import Scene
from interestingness.datasets.synthetic.subjects import AIRBORNE, PAINTERS

SUPERSAMPLE = 2
"""Painted this many times larger, then averaged: smooth edges."""

_ACROSS = {"left": 0.28, "centre": 0.5, "right": 0.72}
_UNIT = {"small": 0.085, "medium": 0.15, "large": 0.24}
_CROWD = {1: 1.0, 2: 0.86, 3: 0.76, 4: 0.68, 5: 0.62}
_ROWS = {
    1: ((0, 0),),
    2: ((-0.85, 0), (0.85, 0.05)),
    3: ((-1.3, 0.3), (0.0, 0), (1.3, 0.25)),
    4: ((-1.1, 0.95), (1.1, 0.9), (-0.85, -0.15), (0.9, 0)),
    5: ((-1.6, 0.85), (0, 1.0), (1.6, 0.85), (-0.9, -0.2), (0.9, 0)),
}
"""Places of a group's members in units of one member, x to the right and y up."""

_SATURATION = {"natural": 1.0, "vivid": 1.45, "pastel": 0.75, "muted": 0.45, "monochrome": 0.0}
_LUMA = np.array([0.299, 0.587, 0.114])
_SUBJECT_TINT = {
    "noon": ((255, 255, 255), 0.0), "morning": ((255, 220, 180), 0.08),
    "sunset": ((196, 84, 60), 0.16), "night": ((20, 26, 66), 0.34),
    "mist": ((212, 216, 218), 0.22),
}  # fmt: skip


def draw(scene: Scene, *, size: int = 128) -> Image.Image:
    """Paint a scene; the same scene gives the same pixels.

    Args:
        scene: what to paint.
        size: side of the square picture in pixels.

    Returns:
        An RGB image of ``size`` by ``size``.
    """
    rng = np.random.default_rng(scene.variation)
    side = size * SUPERSAMPLE
    image = Image.new("RGB", (side, side))
    surface = ImageDraw.Draw(image)
    horizon = float(rng.uniform(0.5, 0.62))
    stage = Stage(image, surface, side, scene.light, scene.sky, horizon, rng)
    PLACES[scene.background](stage)
    if scene.clutter == "busy":
        _props(scene, stage)
    _subjects(scene, stage)
    image = image.reduce(SUPERSAMPLE)
    return image.convert("RGB", _palette(scene.palette, rng))


def _subjects(scene: Scene, stage: Stage) -> None:
    rng, side = stage.rng, stage.size
    body = _under_light(jitter(BODY[scene.colour], rng), scene.light)
    unit = _UNIT[scene.size] * float(rng.uniform(0.9, 1.1)) * _CROWD[scene.count]
    x = _ACROSS[scene.position] + float(rng.uniform(-0.04, 0.04))
    floating = scene.subject in AIRBORNE or scene.background == "sky"
    if floating:
        ground = 0.5 + unit + float(rng.uniform(-0.1, 0.04))
    else:
        depth = {"small": 0.25, "medium": 0.5, "large": 0.82}[scene.size]
        ground = stage.horizon + 0.1 + (0.86 - stage.horizon) * depth
        ground += float(rng.uniform(-0.03, 0.03))
    if scene.background == "sea" and scene.subject == "fish":
        ground = max(ground, stage.horizon + 0.14 + unit)
    flip = 1 if rng.random() < 0.5 else -1
    places = _ROWS[scene.count]
    reach = max((abs(dx) for dx, _ in places), default=0) + 1
    x = min(max(x, reach * unit * 0.8), 1 - reach * unit * 0.8) if reach * unit < 0.6 else 0.5
    for dx, dy in sorted(places, key=lambda place: -place[1]):
        px = x + unit * (dx + float(rng.uniform(-0.1, 0.1)))
        py = ground - unit * (dy + float(rng.uniform(-0.08, 0.08)))
        pen = Pen(stage.draw, px * side, py * side, unit * side, flip)
        if not floating and scene.subject not in ("fish", "boat", "train"):
            pen.oval(0.1, 0.0, 0.8, 0.1, _shadow(stage, px, py))
        PAINTERS[scene.subject](pen, jitter(body, rng, 5), rng)


def _shadow(stage: Stage, x: float, y: float) -> Colour:
    """Darken the ground under a subject."""
    at = tuple(min(max(int(v * stage.size), 0), stage.size - 1) for v in (x, y))
    pixel = stage.image.getpixel((at[0], at[1]))
    assert isinstance(pixel, tuple)
    return shade((int(pixel[0]), int(pixel[1]), int(pixel[2])), 0.72)


def _under_light(colour: Colour, light: str) -> Colour:
    tint, share = _SUBJECT_TINT[light]
    return mix(colour, tint, share)


def _props(scene: Scene, stage: Stage) -> None:
    """Scatter small things over the ground (or the air): stones, crates, balls, bushes."""
    rng = stage.rng
    for _ in range(int(rng.integers(12, 18))):
        if scene.background == "sky":
            y = float(rng.uniform(0.15, 0.95))
        else:
            y = float(rng.uniform(stage.horizon + 0.12, 0.98))
        unit = 0.018 + 0.03 * max(y - stage.horizon, 0.1)
        pen = stage.pen(float(rng.uniform(0.02, 0.98)), y, unit)
        tone = stage.lit(jitter((150, 130, 112), rng, 18))
        kind = int(rng.integers(3))
        if kind == 0:
            pen.half(0, 0, 1, 0.9, tone)
        elif kind == 1:
            pen.box(-0.7, 0, 0.7, 1.3, tone)
            pen.line([(-0.7, 0), (0.7, 1.3)], shade(tone, 0.7), 0.15)
        else:
            pen.oval(0, 0.7, 0.7, 0.7, tone)
            pen.oval(-0.2, 0.9, 0.2, 0.2, shade(tone, 1.5))


def _palette(name: str, rng: np.random.Generator) -> tuple[float, ...]:
    """Return Pillow's 3 × 4 colour matrix: saturation, lift of pastels, exposure jitter."""
    saturation = _SATURATION[name]
    matrix = saturation * np.eye(3) + (1 - saturation) * np.tile(_LUMA, (3, 1))
    gain, lift = float(rng.uniform(0.95, 1.05)), 0.0
    if name == "pastel":
        gain, lift = gain * 0.62, 92.0
    elif name == "vivid":
        gain, lift = gain * 1.06, -6.0
    elif name == "muted":
        gain, lift = gain * 0.86, 16.0
    full = np.hstack([matrix * gain, np.full((3, 1), lift)])
    return tuple(float(v) for v in full.ravel())
