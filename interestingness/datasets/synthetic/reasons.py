"""Write reasons of simulated raters: people give a word or two, models a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interestingness.datasets.synthetic.scenes import Scene
from interestingness.datasets.synthetic.tastes import JUDGE, OWN, TRUTH, Taste
from interestingness.datasets.synthetic.words import subject_words

_SHORT = {
    "subject": ("I like the {subject}", "nice {subject}", "{subject}"),
    "background": ("great place", "the {background}", "I want to be there"),
    "count": ("simple", "good group", "number of things"),
    "light": ("the light", "nice mood", "{light}"),
    "sky": ("the sky", "pretty sky", "nice {sky}"),
    "palette": ("colors", "nice colours", "COLOURS"),
    "colour": ("I like {colour}", "the {colour}", "nice color"),
    "position": ("good framing", "well composed", "good"),
    "size": ("you see it well", "clear", "more detail"),
    "clutter": ("tidy", "not too much", "clean picture"),
    "unusual": ("strange", "funny", "never saw that before"),
}
_LONG = {
    "subject": "draws attention to an appealing {subject}",
    "background": "is set in an attractive place, the {background}",
    "count": "offers a lively arrangement of several elements",
    "light": "has an atmospheric light",
    "sky": "has an eye-catching sky",
    "palette": "has striking {palette} colours",
    "colour": "stands out through its {colour} accents",
    "position": "has a balanced composition",
    "size": "shows its subject with clarity",
    "clutter": "has many details to explore",
    "unusual": "shows an unexpected combination",
}
_HUMAN_TASTES: tuple[Taste, ...] = (TRUTH, OWN["affection"], OWN["aesthetic"])


def short_reasons(scene: Scene) -> tuple[str, ...]:
    """Return nine things that people might write about a picture."""
    values = {name: scene.value(name) for name in _SHORT if name != "unusual"}
    found: list[str] = []
    for taste in _HUMAN_TASTES:
        found += [phrase.format(**values) for phrase in _SHORT[taste.strongest(scene)]]
    return tuple(found)


def long_reason(scene: Scene) -> str:
    """Return the sentence that a simulated model gives for preferring a picture."""
    values = {name: scene.value(name) for name in _LONG if name != "unusual"}
    because = _LONG[JUDGE.strongest(scene)].format(**values)
    return f"The image of {subject_words(scene)} {because}."


def pick(choices: Sequence[tuple[str, ...]], rng: np.random.Generator) -> list[str]:
    """Pick one phrase of each tuple."""
    at = rng.random(len(choices))
    return [options[int(u * len(options))] for options, u in zip(choices, at, strict=True)]
