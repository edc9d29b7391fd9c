"""Make epochs of streamed shards; one worker reads each whole shard.

A stream has no random access. Shards are therefore dealt to processes and then to their workers, as
WebDataset's ``split_by_node`` and ``split_by_worker`` deal them, so that an epoch reads each byte
once. The content of a batch then depends on the number of processes and workers; each pair still
occurs once, and all processes still take the same number of steps.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interestingness.data.plan import shuffled_shards
from interestingness.data.shards.layout import Member
from interestingness.data.shards.local import RawPairs
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.remote import stream_members, without_password
from interestingness.errors import ShardError

_SIDE = {"left": 0, "right": 1}


class _Pair(NamedTuple):
    """One undecoded pair: image ids and stored bytes of left and right."""

    row: int
    left: tuple[str, bytes]
    right: tuple[str, bytes]


class StreamedEpoch:
    """One process's batches of one epoch.

    Batches come from the process's workers in turn, as a DataLoader takes them; a worker without
    further pairs is skipped. A process with fewer batches than another ends with empty ones.

    Attributes:
        steps: batches of the epoch, the same in every process.
        pairs: pairs of the epoch in this process.
    """

    def __init__(
        self,
        shards: PairShards,
        kept: NDArray[np.bool_] | None,
        *,
        batch_size: int,
        rank: int,
        ranks: int,
        workers: int,
        seed: int | None,
        epoch: int,
        pool: int,
    ) -> None:
        """Deal the shards.

        Args:
            shards: those of a URL.
            kept: which rows are used, shape (pairs,); None takes all.
            batch_size: pairs of a global batch; a process's batches hold its share of them.
            rank: this process, in [0, ranks).
            ranks: number of processes.
            workers: DataLoader workers of each process, at least 1.
            seed: shuffles shards, and pairs within a buffer; None keeps their order.
            epoch: the same seed gives another order in every epoch.
            pool: shards whose pairs are mixed with each other, over all processes and workers.
        """
        self._shards, self._kept, self._seed = shards, kept, seed
        self._key = f"{seed} {epoch} {rank}"
        bounds = shards.index.bounds
        rows = np.arange(len(shards)) if kept is None else np.flatnonzero(kept)
        counts = np.bincount(
            np.searchsorted(bounds, rows, side="right") - 1, minlength=len(bounds) - 1
        )
        order = shuffled_shards(len(counts), seed=seed, epoch=epoch)
        order = order[counts[order] > 0]
        self._share = max(1, batch_size // ranks)
        dealt = [
            [list(islice(islice(order.tolist(), r, None, ranks), w, None, workers))
             for w in range(workers)]
            for r in range(ranks)
        ]  # fmt: skip
        number = np.array([[-(-counts[s].sum() // self._share) for s in of] for of in dealt])
        number = number.astype(np.int64)
        self.steps = int(number.sum(axis=1).max())
        self.pairs = int(sum(counts[s].sum() for s in dealt[rank]))
        self._own, self._number = dealt[rank], number[rank]
        self._number[0] += self.steps - self._number.sum()  # empty batches
        per_shard = len(shards) // max(len(counts), 1)
        self._buffer = max(self._share, pool * per_shard // (ranks * workers))

    def batches(self, worker: int, start: int = 0) -> Iterator[tuple[NDArray[np.int64], RawPairs]]:
        """Yield rows and undecoded pairs of the batches that one worker makes.

        Args:
            worker: DataLoader worker id; worker 0 makes the first batch.
            start: batches of the epoch that are left out because a run resumes after them.
        """
        turns = [(turn, slot) for slot, n in enumerate(self._number) for turn in range(n)]
        turns.sort()
        if start >= len(turns):
            return
        slot = (turns[start][1] + worker) % len(self._own)
        done = sum(made == slot for _, made in turns[:start])
        for batch in islice(self._batches(slot), done, None):
            raw = RawPairs()
            for pair in batch:
                raw.ids.append((pair.left[0], pair.right[0]))
                raw.images.update((pair.left, pair.right))
            yield np.array([pair.row for pair in batch], dtype=np.int64), raw

    def _batches(self, slot: int) -> Iterator[list[_Pair]]:
        pairs = (pair for shard in self._own[slot] for pair in self._pairs(shard))
        if self._seed is not None:
            from webdataset.filters import shuffle

            chance = random.Random(f"{self._key} {slot}")
            pairs = iter(shuffle(self._buffer, initial=self._buffer, rng=chance)(pairs))
        for _ in range(int(self._number[slot])):
            yield list(islice(pairs, self._share))

    def _pairs(self, shard: int) -> Iterator[_Pair]:
        block, url = self._shards.index.block(shard), self._shards.url(shard)
        first, end = self._shards.index.bounds[shard : shard + 2].tolist()
        kept = np.ones(end - first, dtype=bool) if self._kept is None else self._kept[first:end]
        place = {block.pair_id(at): at for at in np.flatnonzero(kept).tolist()}
        half: dict[str, bytes] = {}
        found = 0
        for member, data in stream_members(url, self._shards.manifest.shards[shard]):
            at = place.get(member.pair_id)
            if at is None or member.role == "json":
                continue
            _check(url, member, len(data), int(block.spans[at, _SIDE[member.role], 1]))
            if member.role == "left":
                half[member.pair_id] = data
            elif member.pair_id in half:
                left, right = block.images(at)
                found += 1
                yield _Pair(first + at, (left, half.pop(member.pair_id)), (right, data))
        if found != len(place):
            raise ShardError(
                f"{without_password(url)}: lacks {len(place) - found} pairs that the index has",
                expected="a shard and an index that were written together",
                todo="upload the folder again",
            )


def _check(url: str, member: Member, found: int, expected: int) -> None:
    if found != expected:
        raise ShardError(
            f"{without_password(url)}: {member.role} of pair {member.pair_id} has {found} bytes",
            expected=f"{expected} bytes, as the index says",
            todo="upload the folder again",
        )
