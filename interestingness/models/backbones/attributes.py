"""Measured attributes instead of a network's features: a baseline without learnt weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from interestingness.models.backbone import ANY, Backbone
from interestingness.models.contract import EmbeddingContract
from interestingness.models.preprocessing import ImageTransform

if TYPE_CHECKING:
    from interestingness.stats.attributes.catalogue import Attribute

SIZE = 256
"""Longer side in pixels to which pictures are resized, so that small and large files compare."""
SHORTEST = 8
"""Least shorter side in pixels of a resized picture."""
OUTSIDE = -2.0
"""Value of canvas pixels outside the picture."""


class WholePicture(ImageTransform):
    """The whole picture in its own proportions, on a canvas that marks its outside.

    A centre crop would cut off a third of a wide photograph, and squashing it would tilt its lines.
    Both would change the measurements.
    """

    def pixels(self, image: Image.Image) -> Tensor:
        """uint8, shape (256, 256, 4): RGB and, as fourth channel, 255 where there is picture."""
        scale = SIZE / max(image.size)
        width, height = (max(round(side * scale), SHORTEST) for side in image.size)
        canvas = np.zeros((SIZE, SIZE, 4), dtype=np.uint8)
        resized = image.resize((width, height), Image.Resampling.BICUBIC)
        canvas[:height, :width, :3] = np.asarray(resized)
        canvas[:height, :width, 3] = 255
        return torch.from_numpy(canvas)

    def normalise(self, pixels: Tensor) -> Tensor:
        """(B, 256, 256, 4) uint8 → (B, 3, 256, 256) float32 in [0, 1]; −2 outside the picture."""
        x = pixels[..., :3].permute(0, 3, 1, 2).to(torch.float32).div_(255)
        return x.masked_fill_((pixels[..., 3] == 0)[:, None], OUTSIDE)


class AttributesBackbone(Backbone):
    """Colourfulness, contrast, edges, … of a picture as a feature vector, without weights."""

    reentrant = True

    def __init__(self, *, names: Sequence[str] | None) -> None:
        """Choose the attributes.

        Args:
            names: of ``stats.attributes.catalogue``, in the order of the features; None takes all
                but the slow ones.

        Raises:
            ConfigError: for an unknown name.
        """
        from interestingness.stats.attributes.catalogue import attributes_named

        self.attributes: tuple[Attribute, ...] = attributes_named(names)
        parts = [f"{a.name}:{a.version}" for a in self.attributes]
        library = version("scikit-image")
        contract = EmbeddingContract(
            family="attributes",
            architecture=f"scikit-image-{library}",
            architecture_hash=hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16],
            weights_sha256="none",
            dim=len(self.attributes),
            image_size=SIZE,
            resize="none",
            interpolation="bicubic",
            dtype="float64",
        )
        super().__init__(
            nn.Identity(),
            contract,
            licence="Apache-2.0",
            origin=f"none: measured with scikit-image {library}",
            domain=ANY,
            transform=WholePicture(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Attributes, float32, shape (B, dim), each in its own unit.

        Args:
            images: sRGB in [0, 1] from the upper left corner, −2 outside the picture, shape
                (B, 3, H, W).
        """
        rows = [self._measured(image) for image in images.detach().cpu().double().numpy()]
        return torch.from_numpy(np.stack(rows)).to(images.device, torch.float32)

    def describe(self) -> str:
        """One line for a run's print-out."""
        return (
            f"{self.dim} measured attributes of pictures of at most {SIZE} px "
            f"({self.contract.architecture}; no weights)"
        )

    def _measured(self, image: np.ndarray) -> np.ndarray:
        from interestingness.stats.attributes.catalogue import measured  # scikit-image

        inside = image[0] != OUTSIDE
        height, width = int(inside[:, 0].sum()), int(inside[0].sum())
        rgb = image[:, :height, :width].transpose(1, 2, 0)
        return measured(np.clip(rgb, 0, 1), self.attributes)
