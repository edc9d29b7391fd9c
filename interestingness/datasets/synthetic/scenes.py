"""Scenes of the synthetic data set: plain attributes drawn from a documented population.

Every attribute that a rater's taste may use is categorical, so that means and variances over the
population are exact sums (see ``tastes.py``). ``Scene.variation`` seeds the jitter of places and
shades, which no taste uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

SUBJECTS = (
    "cat", "dog", "bird", "butterfly", "fish", "person", "tree", "flower", "mushroom", "house",
    "lighthouse", "boat", "car", "train", "balloon", "kite",
)  # fmt: skip
BACKGROUNDS = (
    "sky", "sea", "meadow", "desert", "city", "forest", "mountains", "snow", "room",
)  # fmt: skip

POPULATION: dict[str, dict[str, float]] = {
    "count": {"1": 0.44, "2": 0.2, "3": 0.16, "4": 0.1, "5": 0.1},
    "light": {"noon": 0.3, "morning": 0.2, "sunset": 0.2, "night": 0.17, "mist": 0.13},
    "palette": {"natural": 0.34, "vivid": 0.24, "pastel": 0.16, "muted": 0.16, "monochrome": 0.1},
    "colour": {
        "red": 0.16, "orange": 0.12, "yellow": 0.14, "green": 0.1, "blue": 0.16, "purple": 0.12,
        "white": 0.12, "black": 0.08,
    },
    "position": {"left": 0.3, "centre": 0.4, "right": 0.3},
    "size": {"small": 0.3, "medium": 0.4, "large": 0.3},
    "clutter": {"clean": 0.6, "busy": 0.4},
}  # fmt: skip
"""Shares of the attributes that are drawn independently of everything else."""

SKY_BY_LIGHT: dict[str, dict[str, float]] = {
    "noon": {"sun": 0.3, "clouds": 0.4, "rainbow": 0.1, "none": 0.2},
    "morning": {"sun": 0.35, "clouds": 0.35, "rainbow": 0.12, "none": 0.18},
    "sunset": {"sun": 0.45, "clouds": 0.35, "rainbow": 0.05, "none": 0.15},
    "night": {"moon": 0.6, "clouds": 0.15, "none": 0.25},
    "mist": {"sun": 0.1, "clouds": 0.3, "rainbow": 0.05, "none": 0.55},
}
"""What stands in the sky, given the light."""

HABITATS: dict[str, tuple[str, ...]] = {
    "cat": ("room", "meadow", "city", "snow"),
    "dog": ("meadow", "room", "city", "snow", "forest"),
    "bird": ("sky", "sea", "forest", "meadow", "snow", "mountains"),
    "butterfly": ("meadow", "forest", "sky"),
    "fish": ("sea",),
    "person": ("city", "room", "meadow", "mountains", "snow", "desert"),
    "tree": ("meadow", "forest", "mountains", "snow", "desert"),
    "flower": ("meadow", "forest", "room", "desert"),
    "mushroom": ("forest", "meadow"),
    "house": ("city", "meadow", "mountains", "snow", "desert"),
    "lighthouse": ("sea", "mountains", "snow"),
    "boat": ("sea",),
    "car": ("city", "desert", "mountains", "meadow"),
    "train": ("city", "mountains", "meadow", "desert", "snow"),
    "balloon": ("sky", "mountains", "desert", "meadow", "city"),
    "kite": ("sky", "sea", "meadow"),
}
"""Where a subject is at home; anywhere else it is an unusual sight."""

UNUSUAL_SHARE = 0.2
"""Share of scenes whose subject is not at home."""

BLOCKS = (("subject", "background"), ("light", "sky"))
"""Attributes that are drawn together; all others are independent."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture as plain attributes; ``draw.draw`` paints it.

    Attributes:
        seed, index: of the data set and in it; a scene depends on nothing else.
        subject, background, light, sky, palette, colour, position, size, clutter: values of
            the tables above.
        count: how many subjects, 1 to 5.
        variation: seed of the jitter that only the painting uses.
    """

    seed: int
    index: int
    subject: str
    background: str
    count: int
    light: str
    sky: str
    palette: str
    colour: str
    position: str
    size: str
    clutter: str
    variation: int

    @property
    def unusual(self) -> bool:
        """Return whether the subject is out of its usual place (a fish in a room)."""
        return self.background not in HABITATS[self.subject]

    def value(self, attribute: str) -> str:
        """Return an attribute as the population tables spell it."""
        return str(getattr(self, attribute))


@cache
def joint(first: str, second: str) -> dict[tuple[str, str], float]:
    """Return the probabilities of two attributes that are drawn together.

    Args:
        first, second: one of ``BLOCKS``.

    Returns:
        Probability of each combination; they add up to 1.
    """
    if (first, second) == BLOCKS[1]:
        lights = POPULATION["light"]
        return {
            (light, sky): lights[light] * share
            for light, skies in SKY_BY_LIGHT.items()
            for sky, share in skies.items()
        }
    if (first, second) != BLOCKS[0]:
        raise KeyError((first, second))
    table = {}
    for subject in SUBJECTS:
        home = HABITATS[subject]
        for background in BACKGROUNDS:
            if background in home:
                share = (1 - UNUSUAL_SHARE) / len(home)
            else:
                share = UNUSUAL_SHARE / (len(BACKGROUNDS) - len(home))
            table[subject, background] = share / len(SUBJECTS)
    return table


@cache
def _sampler(*names: str) -> tuple[NDArray[np.float64], tuple[tuple[str, ...], ...]]:
    """Return cumulative probabilities and their values."""
    table: dict[tuple[str, ...], float]
    if len(names) == 2:
        table = {tuple(key): share for key, share in joint(names[0], names[1]).items()}
    else:
        table = {(key,): share for key, share in POPULATION[names[0]].items()}
    total = np.cumsum(list(table.values()))
    return total / total[-1], tuple(table)


_DRAWN = (*BLOCKS, *((name,) for name in POPULATION if name != "light"))


def scene(seed: int, index: int) -> Scene:
    """Draw the scene of one place in one data set.

    Args:
        seed: of the data set, 0 or more.
        index: place in the data set, 0 or more.
    """
    rng = np.random.default_rng((seed, index))
    uniform = rng.random(len(_DRAWN))
    found: dict[str, str] = {}
    for names, u in zip(_DRAWN, uniform, strict=True):
        cumulative, values = _sampler(*names)
        at = int(np.searchsorted(cumulative, u, side="right"))
        found.update(zip(names, values[min(at, len(values) - 1)], strict=True))
    return Scene(
        seed=seed,
        index=index,
        subject=found["subject"],
        background=found["background"],
        count=int(found["count"]),
        light=found["light"],
        sky=found["sky"],
        palette=found["palette"],
        colour=found["colour"],
        position=found["position"],
        size=found["size"],
        clutter=found["clutter"],
        variation=int(rng.integers(2**32)),
    )


def synthetic_scenes(seed: int, count: int, *, start: int = 0) -> Iterator[Scene]:
    """Yield scenes ``start`` to ``start + count - 1`` of a seed."""
    return (scene(seed, index) for index in range(start, start + count))
