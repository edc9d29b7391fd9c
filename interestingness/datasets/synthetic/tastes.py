"""Tastes: how much each attribute of a scene counts, as tables with exact population moments.

A taste is a sum of effects of single attributes plus one of the scene being unusual. Its mean and
variance over the population of scenes are exact, because attributes are independent outside the
blocks of ``scenes.BLOCKS``. The *planted truth* is the taste ``TRUTH``, standardised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interestingness.datasets.synthetic.scenes import (
    BLOCKS,
    HABITATS,
    POPULATION,
    Scene,
    joint,
)

Effects = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Taste:
    """Effects by attribute and value; values that are not named count 0.

    Attributes:
        effects: attribute → value → effect.
        unusual: effect of a subject out of its usual place.
    """

    effects: Effects
    unusual: float = 0.0

    def moments(self) -> tuple[float, float]:
        """Compute the exact mean and standard deviation over the population."""
        mean, variance = 0.0, 0.0
        for block in BLOCKS:
            first, second = (self.effects.get(name, {}) for name in block)
            shares, sums = [], []
            for (a, b), share in joint(*block).items():
                odd = self.unusual if block == BLOCKS[0] and b not in HABITATS[a] else 0.0
                shares.append(share)
                sums.append(first.get(a, 0.0) + second.get(b, 0.0) + odd)
            mean, variance = mean + _mean(shares, sums), variance + _variance(shares, sums)
        for name, population in POPULATION.items():
            if name == "light":
                continue
            effects = [self.effects.get(name, {}).get(value, 0.0) for value in population]
            shares = list(population.values())
            mean, variance = mean + _mean(shares, effects), variance + _variance(shares, effects)
        return mean, float(np.sqrt(variance))

    def of(self, scenes: Sequence[Scene]) -> NDArray[np.float64]:
        """Return each scene's value, standardised to mean 0 and variance 1 over the population.

        Args:
            scenes: any scenes, of any seed.

        Returns:
            Shape (scenes,).
        """
        total = np.array([self.unusual * scene.unusual for scene in scenes], dtype=np.float64)
        for name, effects in self.effects.items():
            total += np.array([effects.get(scene.value(name), 0.0) for scene in scenes])
        mean, deviation = self.moments()
        return (total - mean) / deviation

    def strongest(self, scene: Scene) -> str:
        """Return the attribute with the largest effect for a scene; "unusual" counts as one."""
        found = {name: table.get(scene.value(name), 0.0) for name, table in self.effects.items()}
        found["unusual"] = self.unusual * scene.unusual
        return max(found, key=lambda name: found[name])


def combine(*parts: tuple[float, Taste]) -> Taste:
    """Combine standardised tastes to a taste by a weighted sum."""
    effects: dict[str, dict[str, float]] = {}
    unusual = 0.0
    for weight, taste in parts:
        scale = weight / taste.moments()[1]
        unusual += scale * taste.unusual
        for name, table in taste.effects.items():
            into = effects.setdefault(name, {})
            for value, effect in table.items():
                into[value] = into.get(value, 0.0) + scale * effect
    return Taste(effects, unusual)


def _mean(shares: Sequence[float], values: Sequence[float]) -> float:
    return float(np.dot(shares, values) / np.sum(shares))


def _variance(shares: Sequence[float], values: Sequence[float]) -> float:
    centred = np.asarray(values) - _mean(shares, values)
    return float(np.dot(shares, centred**2) / np.sum(shares))


TRUTH = Taste(
    {
        "subject": {
            "cat": 0.8, "bird": 0.8, "dog": 0.65, "balloon": 0.7, "lighthouse": 0.6, "train": 0.5,
            "butterfly": 0.5, "boat": 0.3, "fish": 0.25, "flower": 0.1, "kite": 0.1,
            "mushroom": 0.0, "house": -0.4, "tree": -0.5, "person": -0.5, "car": -0.8,
        },
        "background": {
            "sea": 0.45, "mountains": 0.5, "sky": 0.2, "snow": 0.1, "forest": 0.15, "meadow": -0.05,
            "desert": -0.2, "city": -0.3, "room": -0.85,
        },
        "count": {"1": 0.25, "2": 0.1, "3": -0.05, "4": -0.25, "5": -0.35},
        "light": {"sunset": 0.5, "morning": 0.15, "night": 0.1, "noon": -0.2, "mist": -0.35},
        "sky": {"rainbow": 0.5, "moon": 0.25, "sun": 0.15, "clouds": 0.0, "none": -0.15},
        "palette": {
            "vivid": 0.4, "natural": 0.1, "pastel": -0.05, "muted": -0.35, "monochrome": -0.3,
        },
        "colour": {
            "red": 0.25, "orange": 0.15, "yellow": 0.1, "blue": 0.1, "purple": 0.05, "white": -0.05,
            "green": -0.2, "black": -0.3,
        },
        "position": {"left": 0.1, "right": 0.1, "centre": -0.1},
        "size": {"large": 0.25, "medium": 0.1, "small": -0.3},
        "clutter": {"clean": 0.15, "busy": -0.2},
    },
    unusual=0.3,
)  # fmt: skip
"""The planted truth: what the simulated people find interesting on average."""

JUDGE = Taste(
    {
        "subject": {
            "balloon": 0.8, "butterfly": 0.7, "train": 0.6, "kite": 0.6, "bird": 0.5,
            "flower": 0.4, "person": 0.3, "mushroom": 0.3, "lighthouse": 0.1, "boat": 0.0,
            "fish": 0.0, "cat": -0.3, "dog": -0.4, "house": -0.4, "tree": -0.5, "car": -0.4,
        },
        "background": {
            "city": 0.5, "sky": 0.3, "room": 0.0, "desert": 0.2, "forest": 0.0, "meadow": 0.1,
            "sea": -0.2, "mountains": -0.1, "snow": -0.4,
        },
        "count": {"1": -0.4, "2": -0.1, "3": 0.2, "4": 0.4, "5": 0.5},
        "palette": {
            "vivid": 0.8, "natural": 0.1, "pastel": -0.1, "muted": -0.6, "monochrome": -0.6,
        },
        "colour": {
            "red": 0.2, "orange": 0.3, "yellow": 0.25, "purple": 0.3, "blue": 0.0, "green": 0.0,
            "white": -0.5, "black": -0.5,
        },
        "clutter": {"busy": 0.3, "clean": -0.2},
    },
    unusual=0.4,
)  # fmt: skip
"""What a simulated GPT-4o adds of its own: vivid colour, action, many things (paper, 1.8)."""

OWN: dict[str, Taste] = {
    "aesthetic": Taste(
        {
            "light": {"sunset": 0.8, "morning": 0.5, "night": 0.0, "noon": -0.3, "mist": 0.1},
            "position": {"left": 0.5, "right": 0.5, "centre": -0.5},
            "clutter": {"clean": 0.6, "busy": -0.7},
            "palette": {"vivid": 0.3, "pastel": 0.3, "monochrome": 0.1, "muted": -0.3},
            "background": {"mountains": 0.5, "sea": 0.5, "sky": 0.2, "room": -0.5, "city": -0.2},
        }
    ),
    "commonly_interesting": Taste(
        {
            "subject": {
                "cat": 0.3, "dog": 0.3, "lighthouse": 0.6, "boat": 0.6, "train": 0.5,
                "person": -0.6, "mushroom": -0.3, "fish": -0.3, "kite": -0.4, "house": 0.2,
            },
            "background": {"mountains": 0.8, "sea": 0.7, "forest": 0.4, "room": -0.8},
            "light": {"sunset": 0.5, "night": 0.3, "mist": 0.3, "noon": -0.4},
        }
    ),
    "cupl": Taste(
        {
            "sky": {"rainbow": 0.8, "moon": 0.5, "none": -0.3},
            "light": {"night": 0.6, "mist": 0.5, "noon": -0.3},
            "subject": {"lighthouse": 0.5, "mushroom": 0.6, "fish": 0.4, "car": 0.4, "person": 0.6,
                        "dog": -0.5, "flower": -0.6},
            "background": {"city": 0.6, "desert": 0.4, "meadow": -0.5},
            "clutter": {"busy": 0.4, "clean": -0.3},
        },
        unusual=0.5,
    ),
    "memorability": Taste(
        {
            "subject": {
                "person": 1.2, "car": 0.5, "cat": 0.4, "dog": 0.3, "house": 0.1, "tree": -0.6,
                "boat": -0.3, "lighthouse": -0.2, "bird": -0.2,
            },
            "background": {"room": 1.0, "city": 0.2, "mountains": -0.6, "sea": -0.5, "sky": -0.4},
            "size": {"large": 0.5, "medium": 0.1, "small": -0.6},
            "position": {"centre": 0.2, "left": -0.1, "right": -0.1},
            "light": {"sunset": -0.3, "noon": 0.2},
        }
    ),
    "popularity": Taste(
        {
            "subject": {"person": 0.8, "cat": 0.5, "car": 0.5, "train": 0.4, "fish": -0.5,
                        "mushroom": -0.5, "kite": -0.4},
            "background": {"city": 0.6, "snow": 0.3, "meadow": -0.4, "sky": -0.4},
            "palette": {"monochrome": 0.7, "muted": 0.2, "pastel": -0.3},
            "position": {"left": 0.3, "right": 0.3, "centre": -0.3},
        }
    ),
    "affection": Taste(
        {
            "subject": {"cat": 0.8, "dog": 0.9, "person": 0.7, "flower": 0.5, "butterfly": 0.4,
                        "house": -0.4, "train": -0.3, "car": -0.4, "lighthouse": -0.3},
            "size": {"large": 0.5, "small": -0.5},
            "light": {"morning": 0.3, "night": -0.3},
        }
    ),
}  # fmt: skip
"""What each other source has of its own, beside its share of truth and judge."""
