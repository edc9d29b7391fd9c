"""A map over its picture: orange raises the score, blue lowers it."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

from interestingness.schema import Array

SIDE = 480
"""Pixels of the longer side of a drawn map."""
RAISES, LOWERS = (255, 120, 0), (0, 110, 255)
STRONGEST = 0.72
"""Opacity of the strongest cell."""


def overlay(pixels: Tensor, effect: Array, *, largest: float | None = None) -> Image.Image:
    """Draw a map over what the network saw of a picture.

    Args:
        pixels: uint8, shape (H, W, 3).
        effect: of cells, shape (rows, columns).
        largest: effect of full opacity; None takes the largest of this map.
    """
    picture = Image.fromarray(pixels.numpy())
    scale = SIDE / max(picture.size)
    size = round(picture.width * scale), round(picture.height * scale)
    picture = picture.resize(size, Image.Resampling.BICUBIC).convert("L").convert("RGB")
    most = max(float(np.abs(effect).max()) if largest is None else largest, 1e-12)
    share = np.clip(np.abs(effect) / most, 0, 1)
    opacity = Image.fromarray((255 * STRONGEST * share).astype(np.uint8)).resize(
        size, Image.Resampling.BILINEAR
    )
    colours = np.where((effect > 0)[..., None], RAISES, LOWERS).astype(np.uint8)
    coloured = Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)
    return Image.composite(coloured, picture, opacity)


def side_by_side(pixels: Tensor, drawn: Image.Image) -> Image.Image:
    """Put the picture beside its map."""
    picture = Image.fromarray(pixels.numpy()).resize(drawn.size, Image.Resampling.BICUBIC)
    both = Image.new("RGB", (2 * drawn.width + 8, drawn.height), (255, 255, 255))
    both.paste(picture, (0, 0))
    both.paste(drawn, (drawn.width + 8, 0))
    return both
