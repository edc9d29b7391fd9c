"""Whatever a program holds an image as → one upright RGB picture."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interestingness.data.images import MAX_PIXELS, decode_image, read_bytes, upright
from interestingness.errors import ImageError

KINDS = (
    "a path, the bytes of a file, an open file, a PIL image, an array (H, W, 3) or a tensor "
    "(3, H, W)"
)
_lazy = threading.Lock()
"""One PIL image or file may be given twice, and is read when it is first used."""


def is_one(images: Any) -> bool:
    """Check whether this is one image, and not several."""
    if isinstance(images, np.ndarray):
        return images.ndim < 4 and images.dtype.kind not in "OU"  # arrays of paths
    if isinstance(images, Tensor):
        return images.ndim < 4
    one = str | bytes | bytearray | memoryview | os.PathLike | Image.Image
    return isinstance(images, one) or _is_file(images)


def is_stream(images: Any) -> bool:
    """Check whether images come one by one; an open file iterates too, over its lines."""
    return isinstance(images, Iterator) and not is_one(images)


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
    return str(os.fspath(image)) if isinstance(image, str | os.PathLike) else f"image {place}"


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
        return decode_image(read_bytes(image), where=name, max_pixels=max_pixels)
    if isinstance(image, bytes | bytearray | memoryview):
        return decode_image(bytes(image), where=name, max_pixels=max_pixels)
    if _is_file(image):
        return decode_image(_whole(image, name), where=name, max_pixels=max_pixels)
    if isinstance(image, Image.Image):
        with _lazy:
            return upright(image, where=name, max_pixels=max_pixels)
    if isinstance(image, Tensor):
        values = image.detach().cpu()
        values = values.float() if values.dtype == torch.bfloat16 else values
        shape = tuple(values.shape)
        if values.ndim == 3:
            values = values.permute(1, 2, 0)
        return _of_array(values.numpy(), name, f"a tensor of shape {shape}", max_pixels)
    if isinstance(image, np.ndarray):
        return _of_array(image, name, f"an array of shape {image.shape}", max_pixels)
    raise ImageError(
        f"{name}: a {type(image).__name__} is no image", expected=KINDS, todo="convert it"
    )


def _is_file(image: Any) -> bool:
    return hasattr(image, "read") and hasattr(image, "seek")


def _whole(file: Any, name: str) -> bytes:
    """Read an open file from its beginning.

    Raises:
        ImageError: for a closed file, one that cannot be read again, or a text file.
    """
    try:
        with _lazy:
            file.seek(0)
            return bytes(file.read())
    except Exception as error:  # files are of any class
        raise ImageError(
            f"{name}: an open file that cannot be read ({error or type(error).__name__})",
            expected="a file opened as binary",
            todo="give its path or its bytes",
        ) from None


def _of_array(
    values: np.ndarray[Any, Any], name: str, what: str, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise ImageError(
            f"{name}: {what} is no picture: arrays are (H, W, 3), (H, W, 4) or (H, W), and "
            "tensors have their channels first",
            expected=KINDS,
            todo="transpose it",
        )
    if 0 in values.shape:
        raise ImageError(f"{name}: {what} has no pixels", expected="pixels", todo="leave it out")
    if values.dtype.kind == "f":
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):  # also NaN
            raise ImageError(
                f"{name}: floats from {low:g} to {high:g} instead of 0 to 1",
                expected="floats in [0, 1], or uint8",
                todo="undo the normalisation: preprocessing is the scorer's",
            )
        values = np.rint(values.astype(np.float32, copy=False) * 255).astype(np.uint8)
    elif values.dtype != np.uint8:
        raise ImageError(
            f"{name}: numbers of type {values.dtype} instead of uint8 or floats in [0, 1]",
            expected="uint8, or floats in [0, 1]",
            todo="convert it",
        )
    picture = Image.fromarray(np.ascontiguousarray(values))
    return upright(picture, where=name, max_pixels=max_pixels)
