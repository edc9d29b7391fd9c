"""Encode images to features: threads decode ahead of the network. Nothing is stored."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from interestingness.data.content import FileState, Key, content_key, file_state
from interestingness.data.images import MAX_PIXELS, decode_image, read_bytes
from interestingness.data.workers import worker_count
from interestingness.errors import DataError, ImageError

_LANE = 8
"""Images that a part of a batch has at least; fewer would read all weights for little work."""


class Transform(Protocol):
    """RGB picture → network input in two steps (``models.preprocessing.ImageTransform``)."""

    def pixels(self, image: Image.Image) -> Tensor:
        """Resize and crop one picture; the same shape for every picture."""

    def normalise(self, pixels: Tensor) -> Tensor:
        """Convert a stack of ``pixels`` to the network's input, shape (B, 3, H, W)."""


class Encoder(Protocol):
    """The part of a backbone that the cache uses (``models.backbone.Backbone``)."""

    @property
    def dim(self) -> int:
        """Return the length of a feature vector."""

    @property
    def frozen(self) -> bool:
        """Return whether its weights are frozen."""

    @property
    def reentrant(self) -> bool:
        """Return whether several threads may call it at once."""

    @property
    def transform(self) -> Any:
        """Return the ``Transform`` of its input."""

    def fingerprint(self) -> str:
        """Hash everything that the features depend on."""

    def describe(self) -> str:
        """Describe it in one line for people."""

    def to(self, device: Any) -> Any:
        """Move the network."""

    def __call__(self, images: Tensor) -> Tensor:
        """Return features (B, dim) of network inputs (B, 3, H, W)."""


@dataclass(frozen=True)
class Picture:
    """The source of one image.

    Attributes:
        name: for messages and the list of skipped images.
        read: returns the bytes; called in a thread.
        path: set if it is a file whose content key may be cached.
    """

    name: str
    read: Callable[[], bytes]
    path: Path | None = None

    @classmethod
    def file(cls, path: Path) -> Picture:
        """Make the picture of a file."""
        return cls(str(path), lambda: read_bytes(path), path)


@dataclass(eq=False)
class Decoded:
    """One decoded image.

    Attributes:
        place: position in the input.
        picture: what was read.
        key: of the bytes; None if they could not be read.
        pixels: None if the key was known already or the image cannot be decoded.
        error: why there is no key or no pixels.
        state: the file's state if it is the same before and after reading, else None.
        read_ns: when it was read.
    """

    place: int
    picture: Picture
    key: Key | None = None
    pixels: Tensor | None = None
    error: ImageError | None = None
    state: FileState | None = None
    read_ns: int = 0


def decode_all(
    pictures: Iterable[Picture],
    transform: Transform,
    *,
    known: Container[Key] = (),
    max_pixels: int = MAX_PIXELS,
    workers: int | str = "auto",
    ahead: int = 128,
) -> Generator[Decoded]:
    """Decode in threads, in order, at most ``ahead`` images before the consumer.

    Pillow decodes and resizes without Python's global lock, so that threads are as fast as
    processes, and nothing is copied between them.

    Args:
        pictures: what to read.
        transform: resizes and crops a picture.
        known: content keys that need no decoding.
        max_pixels: what a picture may cost to decode.
        workers: number of threads; "auto" takes one per usable core, 16 at most.
        ahead: largest number of images in flight; limits memory.
    """
    with ThreadPoolExecutor(max(worker_count(workers), 1), thread_name_prefix="decode") as pool:
        queue: deque[Future[Decoded]] = deque()
        try:
            for place, picture in enumerate(pictures):
                queue.append(pool.submit(_decode, place, picture, transform, known, max_pixels))
                if len(queue) >= ahead:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        finally:
            for future in queue:
                future.cancel()


def _decode(
    place: int, picture: Picture, transform: Transform, known: Container[Key], max_pixels: int
) -> Decoded:
    before = file_state(picture.path) if picture.path else None
    result = Decoded(place, picture, read_ns=time.time_ns())
    try:
        data = picture.read()
        result.key = content_key(data)
        if before is not None and file_state(picture.path) == before:  # type: ignore[arg-type]
            result.state = before
        if result.key not in known:
            image = decode_image(data, where=picture.name, max_pixels=max_pixels)
            result.pixels = transform.pixels(image)
    except ImageError as error:
        result.error = error
    return result


def encode_all(
    decoded: Iterable[Decoded],
    encoder: Encoder,
    *,
    batch_size: int,
    device: torch.device | str,
    note: Callable[[Decoded], None] = lambda _: None,
) -> Generator[tuple[list[Key], NDArray[np.float32]]]:
    """Encode decoded images batch by batch; each distinct image is encoded once.

    Args:
        decoded: from ``decode_all``.
        encoder: frozen, already on the device.
        batch_size: images per forward pass.
        device: where the network is.
        note: called with every decoded image, also unreadable and known ones.

    Yields:
        Content keys of a batch, and their features, shape (batch, dim).

    Raises:
        DataError: if a feature is not finite.
    """
    keys: list[Key] = []
    pixels: list[Tensor] = []
    seen: set[Key] = set()
    names: list[str] = []
    with lanes(encoder, batch_size, device) as forward:
        for image in decoded:
            note(image)
            if image.pixels is None or image.key is None or image.key in seen:
                continue
            seen.add(image.key)
            keys.append(image.key)
            names.append(image.picture.name)
            pixels.append(image.pixels)
            if len(keys) == batch_size:
                yield keys, _checked(forward(torch.stack(pixels)), names, encoder)
                keys, pixels, names = [], [], []
        if keys:
            yield keys, _checked(forward(torch.stack(pixels)), names, encoder)


@contextmanager
def lanes(
    encoder: Encoder, batch_size: int, device: torch.device | str
) -> Iterator[Callable[[Tensor], Tensor]]:
    """Make the forward pass: uint8 ``pixels`` of a batch → features on the CPU.

    On a CPU the batch is divided into parts that the network encodes in parallel, one per core:
    threads then synchronise once per batch instead of once per layer (1.2 times as many images in a
    second with ViT-B/32 on two cores; benchmarks/feature_extraction.py).

    Args:
        encoder: if it is not reentrant, it gets whole batches.
        batch_size: images of a whole batch.
        device: where the network is.
    """

    @torch.inference_mode()
    def whole(pixels: Tensor) -> Tensor:
        images = encoder.transform.normalise(pixels.to(device))
        return encoder(images).to("cpu", torch.float32)

    threads = torch.get_num_threads()
    count = min(threads, batch_size // _LANE) if encoder.reentrant else 1
    if torch.device(device).type != "cpu" or count < 2:
        with _full_precision():
            yield whole
        return

    def share() -> None:
        # The first read in a thread sets the process's number: read before setting its own.
        torch.get_num_threads()
        torch.set_num_threads(threads // count)

    try:
        with ThreadPoolExecutor(count, thread_name_prefix="lane", initializer=share) as pool:
            yield lambda pixels: torch.cat(list(pool.map(whole, pixels.chunk(count))))
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _full_precision() -> Iterator[None]:
    """Compute convolutions in float32 on GPUs too: GPU and CPU features share one cache."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _checked(features: Tensor, names: Sequence[str], encoder: Encoder) -> NDArray[np.float32]:
    matrix: NDArray[np.float32] = features.numpy()
    bad = ~np.isfinite(matrix).all(axis=1)
    if bad.any():
        raise DataError(
            f"{names[int(np.argmax(bad))]}: the features of {int(bad.sum())} images in a batch of "
            f"{len(names)} are not finite",
            expected=f"finite numbers from {encoder.describe()}",
            todo="check the weights; with half precision, use float32",
        )
    return matrix
