"""From a decoded picture to a network's input, exactly as the network's own library does it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interestingness.errors import WeightsError
from interestingness.models.contract import EmbeddingContract

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_LONGEST_RATIO = 16


class ImageTransform(ABC):
    """RGB picture → tensor, in two steps, so that workers can return bytes instead of floats.

    Instances are small and picklable: workers get the transform, never the network.

    Attributes:
        short: pixels that a picture's shorter side is resized to; None if unknown.
    """

    short: int | None = None

    @abstractmethod
    def pixels(self, image: Image.Image) -> Tensor:
        """One decoded RGB picture, resized and cropped to the same shape as every other."""

    @abstractmethod
    def normalise(self, pixels: Tensor) -> Tensor:
        """The network's input from a stack of ``pixels``, float32, shape (B, 3, H, W)."""

    def handed_on(self, image: Image.Image) -> Tensor:
        """One picture as workers return it: bytes if possible, which are a quarter of the size.

        ``Scorer.encode`` converts bytes to floats on the network's device.
        """
        pixels = self.pixels(image)
        return pixels if pixels.dtype == torch.uint8 else self.normalise(pixels[None])[0]

    def __call__(self, image: Image.Image) -> Tensor:
        """The network's input for one picture, float32, shape (3, H, W)."""
        return self.normalise(self.pixels(image)[None])[0]


class ResizeCropNormalise(ImageTransform):
    """Resize with Pillow, cut out the centre, scale to [0, 1], subtract mean, divide by deviation.

    The result equals bit for bit that of ``open_clip.transform.image_transform``,
    ``timm.data.create_transform`` and torchvision's ``ImageClassification`` preset at inference;
    tests compare them. One exception: if the long side is more than 16 times the short one, only
    the middle is resampled. This saves gigabytes of memory and may differ in the last bit.
    """

    short: int

    def __init__(self, contract: EmbeddingContract) -> None:
        """Read sizes, filter and statistics from the contract.

        Raises:
            WeightsError: for a resize rule or filter that we do not reproduce.
        """
        if contract.interpolation not in _FILTERS or contract.resize not in {"shortest", "squash"}:
            raise WeightsError(
                f"{contract.architecture}: preprocessing by {contract.resize!r} resize with "
                f"{contract.interpolation!r} interpolation",
                expected="shortest or squash, with bicubic or bilinear interpolation",
                todo="give the backbone a transform of its own (docs/add/backbone.md)",
            )
        self.size = contract.image_size
        self.short = contract.resize_size
        self.squash = contract.resize == "squash"
        self.filter = _FILTERS[contract.interpolation]
        self.mean = torch.tensor(contract.mean)[:, None, None]
        self.std = torch.tensor(contract.std)[:, None, None]

    def pixels(self, image: Image.Image) -> Tensor:
        """uint8, shape (size, size, 3)."""
        return torch.from_numpy(np.array(self._resized(image)))

    def _resized(self, image: Image.Image) -> Image.Image:
        size, (width, height) = self.size, image.size
        if self.squash:
            return image.resize((size, size), self.filter)
        if width <= height:
            wide, high = self.short, int(self.short * height / width)
        else:
            wide, high = int(self.short * width / height), self.short
        # torchvision rounds half to even here, as Python does.
        left, top = round((wide - size) / 2.0), round((high - size) / 2.0)
        if max(wide, high) > _LONGEST_RATIO * self.short:
            x, y = width / wide, height / high
            box = (left * x, top * y, (left + size) * x, (top + size) * y)
            return image.resize((size, size), self.filter, box=box)
        if (wide, high) != (width, height):
            image = image.resize((wide, high), self.filter)
        return image.crop((left, top, left + size, top + size))

    def normalise(self, pixels: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 → (B, 3, H, W) float32, on the device of the input."""
        # The layout stays channels-last: no transposition, and faster convolutions.
        x = pixels.permute(0, 3, 1, 2).to(torch.float32)
        return x.div_(255).sub_(self.mean.to(x.device)).div_(self.std.to(x.device))
