"""Two images side by side, for models that take one image only."""

from __future__ import annotations

from PIL import Image

GAP = 24
"""White pixels between and around the images: without a seam models take them for one scene."""


def canvas(first: Image.Image, second: Image.Image) -> Image.Image:
    """The first image on the left, the second on the right, equally high, on white.

    Both are scaled to the larger height of the two, at most twice their size; what stays lower is
    centred. Exchanging the arguments exchanges the sides and nothing else.

    Args:
        first: RGB.
        second: RGB.

    Returns:
        RGB, as wide as both and three gaps.
    """
    height = max(first.height, second.height)
    one, other = (_raised(image, height) for image in (first, second))
    whole = Image.new("RGB", (one.width + other.width + 3 * GAP, height + 2 * GAP), "white")
    whole.paste(one, (GAP, GAP + (height - one.height) // 2))
    whole.paste(other, (2 * GAP + one.width, GAP + (height - other.height) // 2))
    return whole


def _raised(image: Image.Image, height: int) -> Image.Image:
    scale = min(2.0, height / image.height)
    if scale == 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)
