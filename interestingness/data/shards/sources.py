"""Where a stream of batches takes undecoded pairs from: by offset, or out of whole shards."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from interestingness.data.plan import EpochPlan, PoolOrder
from interestingness.data.shards.layout import Member
from interestingness.data.shards.local import LocalShards, RawPairs
from interestingness.data.shards.opening import shown
from interestingness.data.shards.reader import PairShards
from interestingness.data.shards.remote import stream_members
from interestingness.errors import ShardError


class ShardSource(Protocol):
    """Gives the undecoded pairs of batches, asked for in ascending order."""

    def fetch(self, batch: int) -> RawPairs:
        """Pairs of one rank's part of a global batch."""
        ...


class OffsetSource:
    """Reads each batch where it lies."""

    def __init__(self, shards: LocalShards, plan: EpochPlan, rank: int) -> None:
        self._shards, self._plan, self._rank = shards, plan, rank

    def fetch(self, batch: int) -> RawPairs:
        """Pairs of one rank's part of a global batch."""
        return self._shards.fetch(self._plan.rows(batch, self._rank).tolist())


class PooledSource:
    """Streams the shards of a pool one after the other and holds the own pairs until their turn.

    Held are the bytes of one pool's own pairs: those of the pool divided by ranks × workers.
    """

    def __init__(
        self, shards: PairShards, order: PoolOrder, plan: EpochPlan, rank: int, batches: range
    ) -> None:
        self._shards, self._order, self._plan = shards, order, plan
        self._rank, self._batches = rank, batches
        self._next_pool = order.pool_at(batches.start * plan.batch_size) if batches else 0
        self._held: dict[int, tuple[tuple[str, bytes], tuple[str, bytes]]] = {}

    def fetch(self, batch: int) -> RawPairs:
        """Pairs of one rank's part of a global batch."""
        raw = RawPairs()
        for row in self._plan.rows(batch, self._rank).tolist():
            while row not in self._held:
                self._load(self._next_pool)
                self._next_pool += 1
            sides = self._held.pop(row)
            raw.ids.append((sides[0][0], sides[1][0]))
            raw.images.update(sides)
        return raw

    @property
    def held(self) -> int:
        """Pairs in memory that wait for their turn."""
        return len(self._held)

    def _load(self, pool: int) -> None:
        positions = self._order.pool_positions(pool)
        size = self._plan.batch_size
        overlapping = range(positions.start // size, -(-positions.stop // size))
        mine = [
            self._plan.rows(batch, self._rank) for batch in overlapping if batch in self._batches
        ]
        wanted = np.concatenate([np.empty(0, np.int64), *mine])
        shards, within = self._shards.index.locate(wanted)
        for shard in self._order.pool_shards(pool).tolist():
            here = {self._name(shard, at): at for at in within[shards == shard].tolist()}
            if here:
                self._stream(shard, here)

    def _name(self, shard: int, at: int) -> str:
        return self._shards.index.block(shard).pair_id(at)

    def _stream(self, shard: int, wanted: dict[str, int]) -> None:
        block, url = self._shards.index.block(shard), self._shards.url(shard)
        first = int(self._shards.index.bounds[shard])
        half: dict[str, bytes] = {}
        found = 0
        for member, data in stream_members(url, self._shards.manifest.shards[shard]):
            at = wanted.get(member.pair_id)
            if at is None or member.role == "json":
                continue
            self._check(url, member, len(data), int(block.spans[at, _SIDE[member.role], 1]))
            if member.role == "left":
                half[member.pair_id] = data
            elif member.pair_id in half:
                left, right = block.images(at)
                self._held[first + at] = ((left, half.pop(member.pair_id)), (right, data))
                found += 1
        if found != len(wanted):
            raise ShardError(
                f"{shown(url)}: lacks {len(wanted) - found} pairs that the index has",
                expected="a shard and an index that were written together",
                todo="upload the folder again",
            )

    @staticmethod
    def _check(url: str, member: Member, found: int, expected: int) -> None:
        if found != expected:
            raise ShardError(
                f"{shown(url)}: {member.role} of pair {member.pair_id} has {found} bytes",
                expected=f"{expected} bytes, as the index says",
                todo="upload the folder again",
            )


_SIDE = {"left": 0, "right": 1}
