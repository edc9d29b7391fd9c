"""A scorer in memory: images or vectors in, records out. Nothing is written, nothing is cached."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from torch import Tensor

from interestingness.assembly.scorers import NamedScorer
from interestingness.data.encoding import lanes
from interestingness.data.images import MAX_PIXELS
from interestingness.data.workers import worker_count
from interestingness.errors import ConfigError, ImageError, WeightsError
from interestingness.library.pictures import each, is_one, is_stream, name_of, picture_of
from interestingness.library.records import ImageScore, Scores
from interestingness.library.vectors import numbers_of
from interestingness.models.backbone import Backbone
from interestingness.models.exchange import save_scorer
from interestingness.models.scorer import Scorer
from interestingness.scoring.image_scorer import ExactHead
from interestingness.stats.standing import percentile

BATCH = 32
"""Images of a forward pass."""
AHEAD = 4 * BATCH
"""Images that are decoded before the network needs them: the bound on memory."""
WAITING = BATCH + 4
"""Images that wait to be decoded or resized: those of a program are held as large as they are."""
Item = TypeVar("Item")


class Prepared(NamedTuple):
    """One image ready for the network; ``pixels`` is None where it cannot be read."""

    name: str
    pixels: Tensor | None
    problem: str


class Encoded(NamedTuple):
    """A batch: names, features (images, dim) with NaN for what cannot be read, and problems."""

    names: list[str]
    features: NDArray[np.float32]
    problems: list[str]


class LoadedScorer:
    """Scores images and vectors; see ``interestingness.load``.

    Many images may be a list, an array or tensor with one more dimension, or any iterable. A list
    gives all results at once. An iterator gives them one by one, in order, while later images are
    read; memory stays bounded.

    Attributes:
        card: name, question, unit and licence.
        max_pixels: larger pictures are refused before they are decoded.
    """

    def __init__(
        self,
        named: NamedScorer,
        *,
        reference: ArrayLike = (),
        device: str = "cpu",
        workers: int | str = "auto",
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Take the parts.

        Args:
            named: scorer with its card.
            reference: scores of other images, among which percentiles are taken.
            device: where the backbone computes.
            workers: threads that decode; "auto" takes one per core.
            max_pixels: see the class.
        """
        self.card, self.max_pixels = named.card, max_pixels
        self._named, self._head = named, ExactHead(named.scorer)
        self._reference = numbers_of(reference, "reference scores", "numbers").ravel()
        self._device, self._workers = device, worker_count(workers)
        if named.scorer.backbone is not None:
            to_device(named.scorer.backbone, device)

    def __repr__(self) -> str:
        """Name the scorer, its unit and what it learnt from."""
        card = self.card
        return f"<scorer {card.name}: {card.unit}, learnt from {card.learnt_from}>"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._named.scorer.dim

    @property
    def module(self) -> Scorer:
        """Backbone, scaling and head as a torch module."""
        return self._named.scorer

    @property
    def in_logits(self) -> bool:
        """Whether a difference of scores is the logit of a choice between two images."""
        return self._named.logits

    @property
    def backbone(self) -> Backbone:
        """The network that makes vectors of images.

        Raises:
            WeightsError: if the scorer has none.
        """
        if self._named.scorer.backbone is None:
            raise WeightsError(
                f"{self.card.name} has no backbone: it learnt from vectors",
                expected=f"vectors of {self.dim} numbers",
                todo="scorer.score_embeddings(vectors)",
            )
        return self._named.scorer.backbone

    @overload
    def score(self, images: Iterator[Any]) -> Iterator[ImageScore]: ...
    @overload
    def score(self, images: Any) -> Scores: ...
    def score(self, images: Any) -> Scores | Iterator[ImageScore]:
        """Score images: paths, bytes of files, PIL images, arrays, tensors, in any mixture.

        Arrays are uint8 or floats in [0, 1], (H, W, 3) or (H, W); tensors have channels first. An
        image that cannot be read is a record with its problem.

        Returns:
            A record an image; an iterator of records for an iterator of images.
        """
        found = (
            record
            for batch in self._batches(images)
            for record in self.records(batch.features, batch.names, batch.problems)
        )
        return found if is_stream(images) else Scores(list(found))

    def compare(self, a: Any, b: Any) -> Any:
        """Compute the probability that ``a`` is preferred to ``b``.

        Args:
            a, b: an image each, or as many images each.

        Returns:
            In [0, 1]: a float, or for many images an array of shape (images,), NaN where one of the
            two cannot be read.

        Raises:
            ConfigError: if differences of this scorer's scores are no logits.
            ImageError: if the images are not as many, or one of two single images cannot be read.
        """
        if not self.in_logits:
            raise ConfigError(
                f"{self.card.name}: scores in {self.card.unit}",
                expected="a scorer in logits, which learnt from pairs",
                todo="compare scores: scorer.score([a, b])",
            )
        left, right = (Scores(list(self.score(each(side)))) for side in (a, b))
        if len(left) != len(right):
            raise ImageError(
                f"{len(left)} images against {len(right)}",
                expected="as many on each side",
                todo="scorer.compare(a, b)",
            )
        probability = expit(np.asarray(left) - np.asarray(right))
        if not (is_one(a) and is_one(b)):
            return probability
        for problem in (left[0].problem, right[0].problem):
            if problem:
                raise ImageError(problem, expected="two readable images", todo="replace the image")
        return float(probability[0])

    @overload
    def embed(self, images: Iterator[Any]) -> Iterator[NDArray[np.float32]]: ...
    @overload
    def embed(self, images: Any) -> NDArray[np.float32]: ...
    def embed(self, images: Any) -> NDArray[np.float32] | Iterator[NDArray[np.float32]]:
        """Compute the vectors that the head reads, not normalised, for a database of your own.

        Returns:
            Shape (images, dim), a row of NaN for an image that cannot be read; an iterator of rows
            for an iterator of images.
        """
        rows = (row for batch in self._batches(images) for row in batch.features)
        if is_stream(images):
            return rows
        return np.array(list(rows), dtype=np.float32).reshape(-1, self.dim)

    def score_embeddings(self, vectors: ArrayLike) -> Scores:
        """Score vectors that ``embed`` made, or a database holds: nothing is decoded.

        Args:
            vectors: shape (images, dim), or (dim,) for one; rows that are not finite have no score.

        Raises:
            DataError: for what is no matrix of numbers.
            WeightsError: for another length.
        """
        shape = f"(images, {self.dim}), from {self._named.scorer.embedding.architecture}"
        rows = np.atleast_2d(numbers_of(vectors, "vectors", shape))
        if rows.ndim != 2 or (rows.size and rows.shape[1] != self.dim):
            raise WeightsError(
                f"vectors of shape {rows.shape}",
                expected=shape,
                todo="use the vectors of the same backbone: scorer.embed(images)",
            )
        rows = rows.reshape(-1, self.dim)
        problems = ["" if np.isfinite(row).all() else "a vector that is not finite" for row in rows]
        return Scores(self.records(rows, [f"vector {i}" for i in range(len(rows))], problems))

    def save(self, folder: str | Path) -> Path:
        """Write head, scaling and card; ``load`` reads the folder. A backbone's weights stay away.

        Returns:
            The folder.
        """
        return save_scorer(folder, self._named.scorer, self.card)

    def records(
        self, features: NDArray[np.floating], names: list[str], problems: list[str]
    ) -> list[ImageScore]:
        """Make the records of features (images, dim); an image with a problem has no score."""
        scores = self._head.scores(features)
        problems = [
            problem or ("" if np.isfinite(score) else "a vector whose score is not finite")
            for problem, score in zip(problems, scores, strict=True)
        ]
        places = percentile(scores, self._reference)
        return [
            ImageScore(
                None if problem else score,
                None if problem or np.isnan(place) else place,
                problem,
                name,
            )
            for score, place, problem, name in zip(
                scores.tolist(), places.tolist(), problems, names, strict=True
            )
        ]

    def pixels(self, image: Any, name: str = "image") -> Tensor:
        """Decode one image and resize it for the network.

        Raises:
            ImageError: if it cannot be read; ``ImageTooLargeError`` before it is decoded.
        """
        return self.backbone.transform.pixels(picture_of(image, name, self.max_pixels))

    def _prepare(self, image: Any, name: str) -> Prepared:
        try:
            return Prepared(name, self.pixels(image, name), "")
        except ImageError as error:
            return Prepared(name, None, error.found)

    def encoded(self, pixels: Tensor) -> NDArray[np.float32]:
        """Features of stacked ``pixels``, shape (images, dim)."""
        with self.forward(len(pixels)) as forward:
            return np.asarray(forward(pixels).numpy())

    def scaled(self, features: NDArray[np.floating]) -> NDArray[np.floating]:
        """Features as the head reads them."""
        return self._named.scorer.scaler.scaled(features)

    def scores(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores of features (images, dim), as plain numbers, shape (images,)."""
        return self._head.scores(features)

    def forward(self, batch: int = BATCH) -> AbstractContextManager[Callable[[Tensor], Tensor]]:
        """Open the network: stacked ``pixels`` of at most ``batch`` images → features."""
        return lanes(self.backbone, batch, self._device)

    def _encode(self, images: Iterable[Prepared]) -> Generator[Encoded]:
        """Encode prepared images batch by batch."""
        with self.forward() as forward:
            for batch in _in_batches(images):
                rows = np.full((len(batch), self.dim), np.nan, dtype=np.float32)
                pixels = {i: one.pixels for i, one in enumerate(batch) if one.pixels is not None}
                if pixels:
                    rows[list(pixels)] = forward(torch.stack(list(pixels.values()))).numpy()
                yield Encoded([one.name for one in batch], rows, [one.problem for one in batch])

    def _batches(self, images: Any) -> Generator[Encoded]:
        self.backbone  # noqa: B018 - its absence is an error before images are read
        return self._encode(self._decoded(each(images)))

    def _decoded(self, images: Iterator[Any]) -> Generator[Prepared]:
        """Prepare images in threads, in order, at most ``AHEAD`` before the consumer."""
        with ThreadPoolExecutor(max(self._workers, 1), thread_name_prefix="decode") as pool:
            queue: deque[Future[Prepared]] = deque()
            try:
                for place, image in enumerate(images):
                    queue.append(pool.submit(self._prepare, image, name_of(image, place)))
                    while len(queue) >= AHEAD or _waiting(queue) > WAITING:
                        yield queue.popleft().result()
                while queue:
                    yield queue.popleft().result()
            finally:
                for future in queue:
                    future.cancel()


def _waiting(queue: Iterable[Future[Prepared]]) -> int:
    return sum(not future.done() for future in queue)


def to_device(backbone: Backbone, device: str) -> None:
    """Move a network.

    Raises:
        ConfigError: if there is no such device here.
    """
    try:
        backbone.to(device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise ConfigError(
            f"device={device!r} cannot be used ({str(error).splitlines()[0]})",
            expected="cpu, or cuda where torch finds a GPU",
            todo="leave it out: a GPU is taken where there is one",
        ) from None


def _in_batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch
