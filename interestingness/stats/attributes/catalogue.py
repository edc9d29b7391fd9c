"""All attributes by name, with unit and range; one picture measured by all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2gray, rgb2lab

from interestingness.errors import ConfigError
from interestingness.schema import Array
from interestingness.stats.attributes import colour, structure
from interestingness.stats.attributes.faces import faces


class PictureValues:
    """One picture in the colour spaces that attributes need, each converted once."""

    def __init__(self, rgb: NDArray[np.floating]) -> None:
        """Keep the pixels.

        Args:
            rgb: sRGB samples in [0, 1], shape (height, width, 3); at least 3 pixels a side.
        """
        self.rgb: Array = np.ascontiguousarray(rgb, dtype=np.float64)

    @cached_property
    def lab(self) -> Array:
        """CIELAB under D65, shape (height, width, 3)."""
        return np.asarray(rgb2lab(self.rgb))

    @property
    def lightness(self) -> Array:
        """L* in [0, 100], shape (height, width)."""
        return self.lab[..., 0]

    @cached_property
    def grey(self) -> Array:
        """Luminance in [0, 1], shape (height, width)."""
        return np.asarray(rgb2gray(self.rgb))


@dataclass(frozen=True)
class Attribute:
    """One measure of a picture.

    Attributes:
        name: as tables and figures show it.
        unit: of the number, for people.
        low, high: bounds of the number.
        measure: the picture → the number.
        version: increased when ``measure`` changes; features of different versions are not mixed.
    """

    name: str
    unit: str
    low: float
    high: float
    measure: Callable[[PictureValues], float]
    version: int = 1


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("colourfulness", "M", 0, 320, lambda p: colour.colourfulness(p.rgb)),
    Attribute("saturation", "share", 0, 1, lambda p: colour.saturation(p.rgb)),
    Attribute("hue_diversity", "share", 0, 1, lambda p: colour.hue_diversity(p.lab)),
    Attribute("warmth", "b*", -108, 95, lambda p: colour.warmth(p.lab)),
    Attribute("brightness", "L*", 0, 100, lambda p: colour.brightness(p.lightness)),
    Attribute("contrast", "L*", 0, 50, lambda p: colour.contrast(p.lightness)),
    Attribute("entropy", "bits", 0, 8, lambda p: structure.entropy(p.grey)),
    Attribute("sharpness", "log10", 0, 6.1, lambda p: structure.sharpness(p.grey)),
    Attribute("edge_density", "share", 0, 1, lambda p: structure.edge_density(p.grey)),
    Attribute("jpeg_ratio", "ratio", 0, 1, lambda p: structure.jpeg_ratio(p.rgb)),
    Attribute("obliqueness", "share", 0, 1, lambda p: structure.obliqueness(p.grey)),
    Attribute("coherence", "share", 0, 1, lambda p: structure.coherence(p.grey)),
    Attribute("symmetry", "r", -1, 1, lambda p: structure.symmetry(p.lightness)),
)
NAMES: tuple[str, ...] = tuple(attribute.name for attribute in ATTRIBUTES)
FACES = Attribute("faces", "count", 0, float("inf"), lambda p: faces(p.rgb))
"""Attributes that are measured only if named: ten times as slow as all others together."""


def attributes_named(names: Sequence[str] | None) -> tuple[Attribute, ...]:
    """The attributes of these names, in this order; None names all of ``ATTRIBUTES``.

    Raises:
        ConfigError: for an unknown name, or one given twice.
    """
    if names is None:
        return ATTRIBUTES
    known = {attribute.name: attribute for attribute in (*ATTRIBUTES, FACES)}
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) < len(names) or not names:
        raise ConfigError(
            f"measured attributes {', '.join(names) or '(none)'}"
            + (f": nobody measures {', '.join(unknown)}" if unknown else ""),
            expected=f"some of {', '.join(known)}, each once",
            todo="correct the names",
        )
    return tuple(known[name] for name in names)


def measured(
    rgb: NDArray[np.floating], attributes: Sequence[Attribute] = ATTRIBUTES
) -> NDArray[np.float64]:
    """All attributes of one picture.

    Args:
        rgb: sRGB samples in [0, 1], shape (height, width, 3); at least 3 pixels a side.
        attributes: what to measure.

    Returns:
        One number each, in the order given, shape (attributes,).
    """
    picture = PictureValues(rgb)
    return np.array([attribute.measure(picture) for attribute in attributes])
