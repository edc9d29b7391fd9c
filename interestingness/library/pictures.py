"""Whatever a program holds an image as → one upright RGB picture."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interestingness.data.images import MAX_PIXELS, decode_image, read_bytes, upright
from interestingness.errors import ImageError

KINDS = "a path, the bytes of a file, a PIL image, an array (H, W, 3) or a tensor (3, H, W)"
_lazy = threading.Lock()
"""One PIL image may be given twice, and reads its file when it is first used."""


def is_one(images: Any) -> bool:
    """Check whether this is one image, and not several."""
    if isinstance(images, np.ndarray | Tensor):
        return images.ndim < 4 and images.dtype != object
    return isinstance(images, str | bytes | os.PathLike | Image.Image)


def each(images: Any) -> Iterator[Any]:
    """Iterate over images; one image alone is one.

    Raises:
        ImageError: for what holds no images.
    """
    if is_one(images):
        return iter([images])
    try:
        return iter(images)
    except TypeError:
        raise ImageError(
            f"images of type {type(images).__name__}",
            expected=f"{KINDS}, or many of them",
            todo="scorer.score([…])",
        ) from None


def name_of(image: Any, place: int) -> str:
    """Return the path of a file, else the image's place in the input."""
    return os.fspath(image) if isinstance(image, str | os.PathLike) else f"image {place}"


def picture_of(image: Any, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return one upright RGB picture.

    Args:
        image: one of ``KINDS``. Arrays are uint8, or floats in [0, 1]; grey and RGBA serve as well.
        name: for messages.
        max_pixels: larger pictures are refused before they are decoded.

    Raises:
        ImageError: for an unreadable image, or something else.
    """
    if isinstance(image, str | os.PathLike):
        return decode_image(read_bytes(Path(image)), where=name, max_pixels=max_pixels)
    if isinstance(image, bytes | bytearray | memoryview):
        return decode_image(bytes(image), where=name, max_pixels=max_pixels)
    if isinstance(image, Image.Image):
        with _lazy:
            return upright(image, where=name, max_pixels=max_pixels)
    if isinstance(image, Tensor):
        return _of_array(_channels_last(image.detach().cpu()), name)
    if isinstance(image, np.ndarray):
        return _of_array(image, name)
    raise ImageError(f"{name}: {type(image).__name__}", expected=KINDS, todo="convert it")


def _channels_last(image: Tensor) -> np.ndarray[Any, Any]:
    image = image.float() if image.dtype == torch.bfloat16 else image
    return (image.permute(1, 2, 0) if image.ndim == 3 else image).numpy()


def _of_array(values: np.ndarray[Any, Any], name: str) -> Image.Image:
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise ImageError(
            f"{name}: an array of shape {values.shape}",
            expected="(H, W, 3), (H, W, 4) or (H, W); a tensor has its channels first",
            todo="transpose it",
        )
    if 0 in values.shape:
        raise ImageError(f"{name}: an array without pixels", expected="pixels", todo="leave it out")
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ImageError(
                f"{name}: floats from {values.min():g} to {values.max():g}",
                expected="floats in [0, 1], or uint8",
                todo="undo the normalisation: preprocessing is the scorer's",
            )
        values = np.rint(values * 255).astype(np.uint8)
    elif values.dtype != np.uint8:
        raise ImageError(
            f"{name}: an array of {values.dtype}",
            expected="uint8, or floats in [0, 1]",
            todo="convert it",
        )
    return upright(Image.fromarray(np.ascontiguousarray(values)), where=name)
