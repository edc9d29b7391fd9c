"""Colour and light of a picture: pure functions on its pixels."""

from __future__ import annotations

import numpy as np

from interestingness.schema import Array

HUES = 24
"""Bins of the hue circle, 15 degrees each."""
COLOURED = 5.0
"""Least CIELAB chroma of a pixel whose hue is counted; below it the hue is mostly noise."""


def colourfulness(rgb: Array) -> float:
    """Spread and mean of the two opponent colours, red-green and yellow-blue.

    Args:
        rgb: sRGB samples in [0, 1], shape (height, width, 3).

    Returns:
        M of the source, on samples of 0 to 255: 0 for grey, about 33 for moderately, 59 for quite
        and 109 for extremely colourful pictures; never above 320.

    Source:
        Hasler and Süsstrunk 2003, Measuring colourfulness in natural images (their M^(3)).
    """
    red, green, blue = (255 * rgb[..., channel].astype(np.float64) for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    mean = np.hypot(red_green.mean(), yellow_blue.mean())
    return float(spread + 0.3 * mean)


def saturation(rgb: Array) -> float:
    """Mean saturation, (largest − smallest) / largest channel of each pixel; 0 for black pixels.

    Args:
        rgb: sRGB samples in [0, 1], shape (height, width, 3).

    Returns:
        In [0, 1]; 0 for grey, 1 for pure colours.
    """
    high, low = rgb.max(axis=-1), rgb.min(axis=-1)
    return float(np.divide(high - low, high, out=np.zeros_like(high), where=high > 0).mean())


def hue_diversity(lab: Array) -> float:
    """Variety of hues: entropy of the hues of a picture, with pixels weighted by chroma.

    Args:
        lab: CIELAB, shape (height, width, 3).

    Returns:
        Entropy over 24 hues as a share of the largest possible, in [0, 1]; 0 for one hue and
        where no pixel has a chroma of 5.
    """
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    hue = np.arctan2(lab[..., 2], lab[..., 1])
    coloured = chroma >= COLOURED
    mass, _ = np.histogram(
        hue[coloured], bins=HUES, range=(-np.pi, np.pi), weights=chroma[coloured]
    )
    if mass.sum() == 0:
        return 0.0
    share = mass[mass > 0] / mass.sum()
    return float(max(-(share * np.log(share)).sum() / np.log(HUES), 0.0))


def warmth(lab: Array) -> float:
    """Mean yellow against blue, the b* of CIELAB.

    Args:
        lab: CIELAB, shape (height, width, 3).

    Returns:
        Positive for yellow, orange and brown, negative for blue pictures; within −108 and 95.
    """
    return float(lab[..., 2].mean())


def brightness(lightness: Array) -> float:
    """Mean lightness, the L* of CIELAB.

    Args:
        lightness: L*, shape (height, width).

    Returns:
        In [0, 100]; 0 black, 100 white.
    """
    return float(lightness.mean())


def contrast(lightness: Array) -> float:
    """Standard deviation of lightness (root-mean-square contrast).

    Args:
        lightness: L*, shape (height, width).

    Returns:
        In units of L*, in [0, 50]; 0 for an even picture, 50 for half black, half white.
    """
    return float(lightness.std())
