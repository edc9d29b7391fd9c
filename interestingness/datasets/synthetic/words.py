"""Describe a scene in words: caption, one-sentence description, tags."""

from __future__ import annotations

import numpy as np

from interestingness.datasets.synthetic.scenes import Scene

_NUMBER = {1: "a", 2: "two", 3: "three", 4: "four", 5: "five"}
_PLURAL = {"butterfly": "butterflies", "fish": "fish", "person": "people"}
_NOUN = {"balloon": "hot air balloon", "boat": "sailing boat"}
_PLACE = {
    "sky": "high in the sky", "sea": "by the sea", "meadow": "on a meadow",
    "desert": "in the desert", "city": "in the city", "forest": "in a forest",
    "mountains": "in the mountains", "snow": "in the snow", "room": "in a room",
}  # fmt: skip
_LIGHT = {
    "noon": "at noon", "morning": "in the morning", "sunset": "at sunset", "night": "at night",
    "mist": "in the mist",
}  # fmt: skip
_SKY = {"sun": "the sun", "moon": "the moon", "clouds": "clouds", "rainbow": "a rainbow"}
_SIZE = {"small": "far away", "medium": "at some distance", "large": "close up"}
_POSITION = {"left": "on the left", "centre": "in the centre", "right": "on the right"}
_PALETTE = {
    "natural": "natural colours", "vivid": "vivid colours", "pastel": "pastel colours",
    "muted": "muted colours", "monochrome": "black and white",
}  # fmt: skip
_RELATED = {
    "cat": "pet", "dog": "pet", "bird": "wildlife", "butterfly": "insect", "fish": "wildlife",
    "person": "people", "tree": "nature", "flower": "nature", "mushroom": "nature",
    "house": "architecture", "lighthouse": "architecture", "boat": "sailing", "car": "traffic",
    "train": "railway", "balloon": "flying", "kite": "toy",
}  # fmt: skip


def subject_words(scene: Scene) -> str:
    """Return number, colour and noun: "three red balloons", "an orange cat"."""
    noun = _NOUN.get(scene.subject, scene.subject)
    if scene.count > 1:
        noun = _PLURAL.get(scene.subject, noun + "s")
    colour = f"{scene.colour}-clothed" if scene.subject == "person" else scene.colour
    number = _NUMBER[scene.count]
    if number == "a" and colour[0] in "aeiou":
        number = "an"
    return f"{number} {colour} {noun}"


def caption(scene: Scene) -> str:
    """Name every attribute in about 25 words; the small CLIP is trained on these captions."""
    sky = f" with {_SKY[scene.sky]}" if scene.sky in _SKY else ""
    clutter = ", many things around" if scene.clutter == "busy" else ""
    return (
        f"{subject_words(scene)} {_PLACE[scene.background]} {_LIGHT[scene.light]}{sky}, "
        f"{_SIZE[scene.size]} {_POSITION[scene.position]}{clutter}, {_PALETTE[scene.palette]}"
    )


def description(scene: Scene) -> str:
    """Write a sentence as a model would, less complete than the caption."""
    verb = "is" if scene.count == 1 else "are"
    sky = f", with {_SKY[scene.sky]} above" if scene.sky in _SKY else ""
    words = subject_words(scene)
    return (
        f"{words[0].upper()}{words[1:]} {verb} seen {_PLACE[scene.background]} "
        f"{_LIGHT[scene.light]}{sky}."
    )


def tags(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Return an owner's tags: three to seven words, some attributes left out.

    Args:
        scene: the picture.
        rng: decides what the owner leaves out.
    """
    sure = [scene.subject, scene.background]
    maybe = [scene.light, scene.colour, _RELATED[scene.subject]]
    if scene.sky != "none":
        maybe.append(scene.sky)
    if scene.palette in ("vivid", "monochrome", "pastel"):
        maybe.append(scene.palette)
    keep = rng.random(len(maybe)) < 0.6
    chosen = sure + [word for word, kept in zip(maybe, keep, strict=True) if kept]
    if len(chosen) < 3:
        chosen.append(maybe[-1])
    return chosen
