"""Stream pair shards in exact epochs: batches for one process and its workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from interestingness.data.augmentation import Augmentation, random_of
from interestingness.data.batch import PairBatch, SkippedPair
from interestingness.data.images import MAX_PIXELS, Skips, decode_image
from interestingness.data.plan import EpochPlan, Order, PoolOrder, shuffled
from interestingness.data.shards.local import RawPairs
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.streaming import StreamedEpoch
from interestingness.data.shards.targets import JoinedTargets, PairTargets
from interestingness.errors import ConfigError, DataError, ImageError, InterestingnessError

POOL = 16
"""Shards whose pairs are mixed with each other: what is read at random, and held in caches."""


class PairShardStream(IterableDataset[PairBatch]):
    """One process's batches of an epoch, for ``PairLoader`` (or a DataLoader with
    ``batch_size=None``).

    The epoch's length depends on the selected pairs, not on shards: every pair occurs exactly
    once, and all processes take ``len(stream)`` steps. The content of a global batch depends on
    the number of processes and workers only where shards are streamed from a URL (see
    ``streaming``). A process without a pair in the last batch gets a placeholder of weight 0.

    ``set_epoch`` takes effect when an iterator is made: DataLoader then copies the stream to its
    workers. With ``persistent_workers`` the copies would stay at their first epoch; ``PairLoader``
    therefore starts new workers in each epoch.
    """

    def __init__(
        self,
        shards: PairShards,
        *,
        batch_size: int,
        transform: Callable[[Image.Image], Tensor],
        targets: PairTargets | None = None,
        rank: int = 0,
        ranks: int = 1,
        seed: int | None = None,
        pool: int = POOL,
        max_pixels: int = MAX_PIXELS,
        augment: Augmentation | None = None,
        enough: int | None = None,
    ) -> None:
        """Plan which pairs are used.

        Args:
            shards: opened shards.
            batch_size: pairs of a global batch, over all processes.
            transform: RGB image of any size to a tensor of one shape.
            targets: labels of the selected pairs, after split and label filter. None streams
                every pair with preference 0.5 and weight 1, and ``row`` is the row of
                ``shards.pairs``.
            rank: this process, in [0, ranks).
            ranks: number of processes that train or evaluate together.
            seed: shuffles, differently in every epoch; None keeps the order of the shards.
            pool: shards whose pairs are mixed with each other when shuffling.
            max_pixels: larger images are skipped.
            augment: makes a view of each image that differs from epoch to epoch; images stay as
                they are without a seed, that is outside training.
            enough: pixels of the shorter side that suffice for such a view, see
                ``decode_image``; images that stay as they are are always decoded in full.

        Raises:
            DataError: if no pair is left.
            ShardError: if shards and labels do not belong together.
            ConfigError: for an impossible rank or batch size.
        """
        if not 0 <= rank < ranks or min(batch_size, pool) < 1:
            raise ConfigError(
                f"rank {rank} of {ranks}, batches of {batch_size} pairs from {pool} shards",
                expected="0 ≤ rank < ranks, and at least 1 pair and 1 shard",
                todo="correct them",
            )
        self.shards, self.batch_size, self.transform = shards, batch_size, transform
        self.rank, self.ranks, self.seed, self.pool = rank, ranks, seed, pool
        self.max_pixels = max_pixels
        self.augment = augment if seed is not None else None
        self.enough = None if self.augment is None else enough
        self.epoch = self.start_batch = 0
        self.carry_errors = False
        """Yield an error instead of raising it, for ``PairLoader`` to raise unaltered."""
        self._joined: JoinedTargets | None = None if targets is None else shards.join(targets)
        self._kept = None if self._joined is None else self._joined.kept
        self._weight = float(len(shards) if self._joined is None else self._joined.weight.sum())
        self.workers = 1
        """DataLoader workers that share the stream; what streamed batches hold depends on it."""
        shards.index.hold(pool + 2)
        if self.pairs_kept == 0:
            raise DataError(
                f"{shards.root}: none of {len(shards)} pairs is left after split and label filter",
                expected="at least one pair",
                todo="choose another split or label source",
            )

    def set_epoch(self, epoch: int, start_batch: int = 0) -> None:
        """Choose the epoch of the next iterator.

        Args:
            epoch: 0 or more; another shuffle each.
            start_batch: global batches of it to leave out, when a run resumes in the middle.
        """
        self.epoch, self.start_batch = epoch, start_batch

    def __len__(self) -> int:
        """Return the remaining steps of the epoch, the same in every process."""
        return max(0, self._plan().steps - self.start_batch)

    @property
    def pairs_kept(self) -> int:
        """Return the pairs of an epoch over all processes."""
        return len(self.shards) if self._kept is None else int(self._kept.sum())

    @property
    def pairs_of_rank(self) -> int:
        """Return the pairs of an epoch in this process."""
        plan = self._plan()
        return plan.pairs if isinstance(plan, StreamedEpoch) else plan.share(self.rank)

    def __iter__(self) -> Iterator[PairBatch]:
        """Yield this process's batches for the calling DataLoader worker."""
        try:
            yield from self._batches()
        except InterestingnessError as error:
            if not self.carry_errors:
                raise
            yield error  # type: ignore[misc]

    def _batches(self) -> Iterator[PairBatch]:
        info = get_worker_info()
        worker, self.workers = (0, 1) if info is None else (info.id, info.num_workers)
        plan = self._plan()
        if isinstance(plan, StreamedEpoch):
            weight = self._weight / plan.steps
            for rows, raw in plan.batches(worker, self.start_batch):
                yield self._batch(rows, raw, weight)
            return
        assert self.shards.local is not None  # otherwise the shards are streamed
        for batch in plan.batches(worker, self.workers, start_batch=self.start_batch):
            own = plan.rows(batch, self.rank)
            weight = self._labels(plan.global_rows(batch))[2].sum()
            yield self._batch(own, self.shards.local.fetch(own.tolist()), float(weight))

    def _plan(self) -> EpochPlan | StreamedEpoch:
        if self.shards.local is None:
            return StreamedEpoch(
                self.shards,
                self._kept,
                batch_size=self.batch_size,
                rank=self.rank,
                ranks=self.ranks,
                workers=self.workers,
                seed=self.seed,
                epoch=self.epoch,
                pool=self.pool,
            )
        bounds = self.shards.index.bounds
        order: Order
        if self.seed is not None and self._joined is not None and len(bounds) - 1 <= self.pool:
            # All shards are mixed: take the order of cached features (``data.features``).
            rows = self._joined.in_order()
            order = rows[shuffled(len(rows), seed=self.seed, epoch=self.epoch)]
        else:
            order = PoolOrder(bounds, self._kept, seed=self.seed, epoch=self.epoch, pool=self.pool)
        return EpochPlan(order, self.batch_size, self.ranks)

    def _batch(self, rows: NDArray[np.integer], raw: RawPairs, global_weight: float) -> PairBatch:
        tensors, reasons = self._decode(raw)
        slot = {image: at for at, image in enumerate(tensors)}
        row, preference, weight = self._labels(rows)
        good = np.array([a in slot and b in slot for a, b in raw.ids], dtype=bool)
        skipped = tuple(
            SkippedPair(int(row[at]), image, reasons[image])
            for at, images in enumerate(raw.ids)
            for image in images
            if image in reasons
        )
        normalizer = global_weight / self.ranks or 1.0
        if not good.any():
            return self._placeholder(normalizer, skipped)
        ids = [images for images, use in zip(raw.ids, good, strict=True) if use]
        used = sorted({slot[image] for images in ids for image in images})
        place = {old: new for new, old in enumerate(used)}
        stack = list(tensors.values())
        return PairBatch(
            images=torch.stack([stack[at] for at in used]),
            left=torch.tensor([place[slot[left]] for left, _ in ids]),
            right=torch.tensor([place[slot[right]] for _, right in ids]),
            preference=torch.from_numpy(preference[good]),
            weight=torch.from_numpy(weight[good]),
            row=torch.from_numpy(row[good]),
            normalizer=torch.tensor(normalizer),
            skipped=skipped,
        )

    def _decode(self, raw: RawPairs) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Decode each distinct image of a batch once."""
        tensors: dict[str, Tensor] = {}
        reasons: dict[str, str] = {}
        for image, data in raw.images.items():
            try:
                picture = decode_image(
                    data, where=image, max_pixels=self.max_pixels, enough=self.enough
                )
            except ImageError as error:
                reasons[image] = error.found
            else:
                if self.augment is not None and self.seed is not None:
                    random = random_of(self.seed, self.epoch, image)
                    picture = self.augment.view(picture, random)
                tensors[image] = self.transform(picture)
        return tensors, reasons

    def _labels(
        self, rows: NDArray[np.integer]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        if self._joined is None:
            half = np.full(len(rows), 0.5, dtype=np.float32)
            return rows.astype(np.int64), half, np.ones(len(rows), dtype=np.float32)
        at = self._joined.at[rows]
        labels = self._joined
        return labels.row[at].astype(np.int64), labels.preference[at], labels.weight[at]

    def _placeholder(self, normalizer: float, skipped: tuple[SkippedPair, ...]) -> PairBatch:
        """Make a batch without a pair: the other processes wait for this one in every step."""
        nothing = self.transform(Image.new("RGB", (64, 64)))
        slot = torch.zeros(1, dtype=torch.int64)
        return PairBatch(
            images=nothing[None],
            left=slot,
            right=slot.clone(),
            preference=torch.full((1,), 0.5),
            weight=torch.zeros(1),
            row=torch.full((1,), -1),
            normalizer=torch.tensor(normalizer),
            skipped=skipped,
        )


class PairLoader(DataLoader[PairBatch]):
    """DataLoader over a stream of pairs that counts unreadable images and lost pairs.

    Attributes:
        skips: unreadable images of the epoch so far, by image id.
        pairs_lost: pairs of the epoch that were left out because of them, in this process.
    """

    def __init__(
        self,
        stream: PairShardStream,
        *,
        workers: int = 0,
        pin_memory: bool = False,
        skips: Skips | None = None,
        **options: Any,
    ) -> None:
        """Wrap a stream.

        Args:
            stream: this process's batches.
            workers: processes that read and decode; 0 does it in this one.
            pin_memory: copy batches to page-locked memory.
            skips: the share of this process's pairs of an epoch that may be lost to unreadable
                images; one image may be unreadable unless it is 0.
            options: further options of DataLoader (``prefetch_factor``, ``timeout``, …).

        Raises:
            ConfigError: for ``persistent_workers``, which would stay at their first epoch.
        """
        if options.get("persistent_workers"):
            raise ConfigError(
                "persistent_workers=True for a stream of pair shards",
                expected="workers that start anew with each epoch, and so know it",
                todo="leave the option out",
            )
        stream.carry_errors, stream.workers = True, max(workers, 1)
        super().__init__(
            stream, batch_size=None, num_workers=workers, pin_memory=pin_memory, **options
        )
        self.stream = stream
        self.skips = Skips() if skips is None else skips
        self.pairs_lost = 0

    def __iter__(self) -> Iterator[PairBatch]:  # type: ignore[override]
        """Yield the batches of one epoch in order.

        Raises:
            DataError: once more pairs are lost than ``skips`` allows.
            ShardError: if a shard is damaged.
        """
        self.skips, self.pairs_lost = replace(self.skips, reasons={}), 0
        for batch in super().__iter__():
            if isinstance(batch, InterestingnessError):
                raise batch
            self._note(batch.skipped)
            yield batch

    def _note(self, skipped: tuple[SkippedPair, ...]) -> None:
        if not skipped:
            return
        self.pairs_lost += len({pair.row for pair in skipped})
        self.skips.update((pair.image_id, pair.reason) for pair in skipped)
        total = self.stream.pairs_of_rank
        allowed = self.skips.allowed(total)
        if self.pairs_lost > allowed and len(self.skips) > self.skips.allowed(0):
            raise DataError(
                f"{self.stream.shards.root}: {self.pairs_lost} of {total} pairs are lost to "
                f"{len(self.skips)} unreadable images:\n{self.skips.listing(5)}",
                expected=f"at most {allowed} of the pairs, or one image "
                f"({self.skips.group}max_bad_share={self.skips.max_share:g})",
                todo=f"run `interestingness shards verify {self.stream.shards.root}`, or allow a "
                f"larger share ({self.skips.group}max_bad_share)",
            )
