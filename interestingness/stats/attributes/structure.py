"""Edges, detail and layout of a picture: pure functions on its pixels."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image
from skimage.feature import canny
from skimage.filters import laplace, sobel_h, sobel_v
from skimage.measure import shannon_entropy

from interestingness.schema import Array

QUALITY = 75
"""JPEG quality of ``jpeg_ratio``."""
FLAT = 1e-9
"""Energy per pixel below which a picture has no edges."""


def entropy(grey: Array) -> float:
    """Shannon entropy of the grey levels.

    Args:
        grey: luminance in [0, 1], shape (height, width).

    Returns:
        In bits, in [0, 8]; 0 for an even picture, 1 for two levels alike often.
    """
    levels = np.rint(255 * grey).astype(np.uint8)
    return float(max(shannon_entropy(levels, base=2), 0.0))  # an even picture gives −0


def sharpness(grey: Array) -> float:
    """Variance of the Laplacian, on a logarithmic scale.

    Args:
        grey: luminance in [0, 1], shape (height, width).

    Returns:
        log10(1 + variance), grey levels counted from 0 to 255; 0 for even pictures, near 0 for
        gradients, at most 6.1.

    Source:
        Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy.
    """
    return float(np.log10(1 + laplace(255 * grey).var()))


def edge_density(grey: Array) -> float:
    """Share of pixels that lie on an edge, by the Canny detector.

    Args:
        grey: luminance in [0, 1], shape (height, width).

    Returns:
        In [0, 1]; edges are one pixel wide, so that even the finest pattern stays below 1.

    Source:
        Canny 1986, with the thresholds .1 and .2 of scikit-image and a Gaussian of 1 pixel.
    """
    return float(canny(grey, sigma=1.0).mean())


def jpeg_ratio(rgb: Array) -> float:
    """Size of the picture as a JPEG file over the size of its pixels, a measure of detail.

    Args:
        rgb: sRGB samples in [0, 1], shape (height, width, 3).

    Returns:
        Bytes per byte at quality 75; less than .01 for an even picture of 256 pixels a side, whose
        file is mostly header, and .2 for noise.
    """
    pixels = np.rint(255 * rgb).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    return file.tell() / pixels.size


def obliqueness(grey: Array) -> float:
    """Share of the edge energy that is diagonal rather than upright or level.

    Composition manuals call slanted lines dynamic. It does not measure motion.

    Args:
        grey: luminance in [0, 1], shape (height, width).

    Returns:
        In [0, 1]: share within 22.5 degrees of a diagonal; .5 if all directions are equal, and for
        a picture without edges.
    """
    across, down = _gradients(grey)
    energy = across**2 + down**2
    if energy.mean() < FLAT:
        return 0.5
    slant = np.degrees(np.arctan2(down, across)) % 90
    return float(energy[np.abs(slant - 45) <= 22.5].sum() / energy.sum())


def coherence(grey: Array) -> float:
    """Dominance of one direction of edges: high for stripes, rails, waves and motion blur.

    Args:
        grey: luminance in [0, 1], shape (height, width).

    Returns:
        In [0, 1]: difference over sum of the eigenvalues of the structure tensor of the whole
        picture; 0 if directions are balanced or there is no edge, 1 for parallel lines.
    """
    across, down = _gradients(grey)
    xx, yy, xy = (across**2).mean(), (down**2).mean(), (across * down).mean()
    if xx + yy < FLAT:
        return 0.0
    return float(np.hypot(xx - yy, 2 * xy) / (xx + yy))


def symmetry(lightness: Array) -> float:
    """Correlation of a picture with its mirror image, left for right.

    Args:
        lightness: L*, shape (height, width).

    Returns:
        In [−1, 1]; 1 for mirror images and even pictures, −1 where one side is the negative of the
        other.
    """
    centred = lightness - lightness.mean()
    energy = float((centred**2).sum())
    if energy / lightness.size < FLAT:
        return 1.0
    return float((centred * centred[:, ::-1]).sum() / energy)


def _gradients(grey: Array) -> tuple[Array, Array]:
    """Derivatives to the right and downwards, shape of ``grey``."""
    return sobel_v(grey), sobel_h(grey)
