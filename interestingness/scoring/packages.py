"""Aesthetics and memorability by other packages.

Several of them may not be used commercially. So each is an extra and none a default, and its
licence is printed whenever it scores.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interestingness.errors import ConfigError, WeightsError
from interestingness.scoring.picture_scorer import PictureScorer, package, to_bytes


class Pyiqa(PictureScorer):
    """A no-reference metric of IQA-PyTorch on the picture, reduced in size if it is large."""

    licence = "PolyForm Noncommercial 1.0.0 (package); each metric's weights have their own"
    batch_size = 1  # pictures keep their shape

    def __init__(self, *, metric: str, column: str, max_side: int) -> None:
        """Build the metric; its weights are downloaded by the package.

        Args:
            metric: a name of ``pyiqa.list_models()``: nima, laion_aes, topiq_iaa, …
            column: name of the score.
            max_side: longer side in pixels to which larger pictures are reduced.

        Raises:
            WeightsError: if the package is missing.
            ConfigError: for a metric that needs a reference picture.
        """
        self._package, self.metric = package("pyiqa", extra="pyiqa"), metric
        self.column, self.max_side = column, max_side
        self._network = self._package.create_metric(metric, device=torch.device("cpu"))
        if getattr(self._network, "metric_mode", "NR") != "NR":
            raise ConfigError(
                f"scorer.metric={metric} compares with a reference picture",
                expected="a metric without a reference",
                todo="scorer.metric=nima",
            )
        # Higher must be better, so metrics of distortion are negated.
        self._sign = -1.0 if getattr(self._network, "lower_better", False) else 1.0

    def describe(self) -> str:
        """Package and metric."""
        return f"pyiqa {_version('pyiqa')}, {self.metric}{' (negated)' if self._sign < 0 else ''}"

    def identity(self) -> str:
        """Version, metric and size."""
        return f"pyiqa {_version('pyiqa')} {self.metric} {self.max_side}"

    def to(self, device: Any) -> Self:
        """Build the metric again on the device, which the package stores in several places."""
        self._network = self._package.create_metric(self.metric, device=torch.device(device))
        return self

    def pixels(self, image: Image.Image) -> Tensor:
        """No larger than ``max_side``."""
        image = image.copy()
        image.thumbnail((self.max_side, self.max_side), Image.Resampling.BICUBIC)
        return to_bytes(image)

    @torch.inference_mode()
    def numbers(self, pixels: Tensor) -> Tensor:
        """The metric, so that higher is better."""
        found: Tensor = self._network(pixels.float() / 255)
        return self._sign * found.reshape(-1)


class ResMem(PictureScorer):
    """Memorability by ResMem, as in the ICCV paper."""

    licence = "ResMem Non-commercial License, University of Chicago"

    def __init__(self, *, column: str) -> None:
        """Build the network; its weights are downloaded by the package.

        Raises:
            WeightsError: if the package is missing.
        """
        module = package("resmem", extra="resmem")
        self.column = column
        self._transform, self._network = module.transformer, module.ResMem(pretrained=True).eval()

    def describe(self) -> str:
        """Package."""
        return f"resmem {_version('resmem')}: probability to be remembered"

    def identity(self) -> str:
        """Version."""
        return f"resmem {_version('resmem')}"

    def to(self, device: Any) -> Self:
        """Move the network."""
        self._network.to(device)
        return self

    def pixels(self, image: Image.Image) -> Tensor:
        """By the package's own transform."""
        found: Tensor = self._transform(image)
        return found

    @torch.inference_mode()
    def numbers(self, pixels: Tensor) -> Tensor:
        """In [0, 1]."""
        found: Tensor = self._network(pixels)
        return found.reshape(-1)


class VitMem(PictureScorer):
    """Memorability by ViTMem, which is newer than ResMem."""

    licence = "MIT (package); of its weights none stated"
    batch_size = 1  # the package takes one picture at a time

    def __init__(self, *, column: str) -> None:
        """Build the network; its weights are downloaded by the package.

        Raises:
            WeightsError: if the package is missing.
        """
        self.column, self._network = column, package("vitmem", extra="vitmem").ViTMem()

    def describe(self) -> str:
        """Package."""
        return f"vitmem {_version('vitmem')}: probability to be remembered"

    def identity(self) -> str:
        """Version."""
        return f"vitmem {_version('vitmem')}"

    def pixels(self, image: Image.Image) -> Tensor:
        """The unchanged picture: the package resizes it."""
        return to_bytes(image)

    def numbers(self, pixels: Tensor) -> Tensor:
        """In [0, 1]."""
        image = Image.fromarray(pixels[0].permute(1, 2, 0).cpu().numpy())
        return torch.tensor([float(self._network(image))])


class Vila(PictureScorer):
    """Aesthetics by VILA-R with TensorFlow, as in both papers."""

    licence = "Apache-2.0"
    batch_size = 1

    def __init__(self, *, column: str, model: str) -> None:
        """Load the model.

        Args:
            column: name of the score.
            model: handle for TensorFlow Hub, or a folder with the model.

        Raises:
            WeightsError: if the package is missing, or the model has no such signature.
        """
        loaded = package("tensorflow_hub", extra="vila").load(model)
        if "serving_default" not in getattr(loaded, "signatures", {}):
            raise WeightsError(
                f"{model}: no signature serving_default",
                expected="VILA-R from TensorFlow Hub",
                todo="scorer.model=https://tfhub.dev/google/vila/image/1",
            )
        self.column, self.model, self._loaded = column, model, loaded

    def describe(self) -> str:
        """Model."""
        return f"VILA-R {self.model}: mean opinion, 0 to 1"

    def identity(self) -> str:
        """Model."""
        return f"vila {self.model}"

    def pixels(self, image: Image.Image) -> Tensor:
        """As it is."""
        return to_bytes(image)

    def numbers(self, pixels: Tensor) -> Tensor:
        """In [0, 1]; the model reads the bytes of a picture file."""
        tensorflow = package("tensorflow", extra="vila")
        file = BytesIO()
        Image.fromarray(pixels[0].permute(1, 2, 0).cpu().numpy()).save(file, "PNG")
        found = self._loaded.signatures["serving_default"](tensorflow.constant(file.getvalue()))
        return torch.tensor(np.asarray(found["predictions"], dtype=np.float32).reshape(-1)[:1])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of unknown version"
