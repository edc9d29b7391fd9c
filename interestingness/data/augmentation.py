"""Augmentations that keep a picture's label: mirroring and cropping a little."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod

import numpy as np
from PIL import Image, ImageEnhance

from interestingness.errors import ConfigError

MARGIN = 1.5
"""Pixels that a view is made from, as a multiple of those that are seen of it."""


class Augmentation(ABC):
    """A random view of a picture, as a function of the picture and of a seed.

    Attributes:
        least_share: smallest share of width and height that a view shows, in (0, 1]; None where it
            is not known, and pictures are decoded in full.
    """

    least_share: float | None = None

    @abstractmethod
    def view(self, image: Image.Image, random: np.random.Generator) -> Image.Image:
        """Return a random view of the picture, in RGB."""


class FlipAndCrop(Augmentation):
    """Mirrors left and right, and crops a little.

    Colour stays unless asked for, because people find colour interesting: the label of a picture
    would be wrong for its grey copy. Height and width are cropped by the same share, so that
    proportions stay.
    """

    def __init__(self, *, flip: float, crop: float, colour: float = 0.0) -> None:
        """Set the strength of each change.

        Args:
            flip: probability of a mirrored picture, in [0, 1].
            crop: largest share of width and height that is cut away, in [0, 0.5].
            colour: largest change of brightness, contrast and saturation, as a share of each, in
                [0, 1).

        Raises:
            ConfigError: for shares outside these ranges.
        """
        if not (0 <= flip <= 1 and 0 <= crop <= 0.5 and 0 <= colour < 1):
            raise ConfigError(
                f"augmentation with flip={flip}, crop={crop}, colour={colour}",
                expected="flip from 0 to 1, crop from 0 to 0.5, colour from 0 to below 1",
                todo="model.augment.flip=0.5 model.augment.crop=0.1, or model.augment=null",
            )
        self.flip, self.crop, self.colour = flip, crop, colour
        self.least_share = 1 - crop

    def view(self, image: Image.Image, random: np.random.Generator) -> Image.Image:
        """Return the view that this seed gives."""
        # All numbers are drawn, used or not, so that one option does not change another's numbers.
        mirrored, cut, x, y, *tones = random.random(7)
        if self.crop > 0:
            share = 1 - self.crop * cut
            width, height = (max(1, round(side * share)) for side in image.size)
            left = round(x * (image.width - width))
            top = round(y * (image.height - height))
            image = image.crop((left, top, left + width, top + height))
        if mirrored < self.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.colour > 0:
            kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
            for kind, tone in zip(kinds, tones, strict=True):
                image = kind(image).enhance(1 + self.colour * (2 * tone - 1))
        return image


def enough_for(augmentation: Augmentation | None, short: int | None) -> int | None:
    """Return how many pixels of a picture's shorter side suffice for a view of it.

    It is 1.5 times what the network sees: reduced decoding then changes less than one grey level
    of 255 on average (``benchmarks/reduced_decoding.py`` prints it), and views are random
    anyway.

    Args:
        augmentation: makes the views; None leaves pictures as they are.
        short: pixels that the shorter side of a view is resized to.

    Returns:
        None where pictures are needed in full: without augmentation, or if a size is unknown.
    """
    if augmentation is None or augmentation.least_share is None or short is None:
        return None
    return math.ceil(MARGIN * short / augmentation.least_share)


def random_of(seed: int, epoch: int, image_id: str) -> np.random.Generator:
    """Make the generator of an image in an epoch, the same in every process and worker.

    A run that resumes in the middle of an epoch, or with other processes, sees the same views.
    """
    digest = hashlib.sha256(f"{seed}:{epoch}:{image_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
