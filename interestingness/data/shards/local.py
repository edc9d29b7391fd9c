"""Read members of local shards by offset, so that a worker reads its own bytes only."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from interestingness.data.shards.index import ROLES, ShardIndex
from interestingness.data.shards.layout import VERIFY, ShardFile, ShardManifest
from interestingness.errors import ShardError

if TYPE_CHECKING:
    from interestingness.data.encoding import Picture

HEADER = 512
OPEN_FILES = 64


@dataclass
class RawPairs:
    """Undecoded pairs: their image ids, and each distinct image's bytes once.

    Attributes:
        ids: left and right image id of each pair, in the requested order.
        images: stored bytes by image id.
    """

    ids: list[tuple[str, str]] = field(default_factory=list)
    images: dict[str, bytes] = field(default_factory=dict)


class LocalShards:
    """Shards in a folder."""

    def __init__(self, root: Path, manifest: ShardManifest, index: ShardIndex) -> None:
        """Check that every shard exists and has its full length.

        Raises:
            ShardError: for one that is missing or truncated.
        """
        self.root, self._manifest, self._index = root, manifest, index
        self._open_files: OrderedDict[int, int] = OrderedDict()
        for shard in manifest.shards:
            check_size(root / shard.name, shard)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open_files": OrderedDict()}

    def __del__(self) -> None:
        for descriptor in getattr(self, "_open_files", {}).values():
            os.close(descriptor)

    def fetch(self, rows: Iterable[int]) -> RawPairs:
        """Read the pairs of some rows of the index.

        Raises:
            ShardError: if a member is not where the index says.
        """
        raw = RawPairs()
        for row in rows:
            shard = int(self._index.bounds.searchsorted(row, side="right")) - 1
            block = self._index.block(shard)
            at = row - int(self._index.bounds[shard])
            images = block.images(at)
            raw.ids.append(images)
            for side, image in enumerate(images):
                if image not in raw.images:
                    offset, length = block.spans[at, side].tolist()
                    name = f"{block.pair_id(at)}.{ROLES[side]}."
                    kept = self._descriptor(shard)
                    raw.images[image] = self._read(kept, shard, offset, length, name)
        return raw

    def pictures(self) -> dict[str, Picture]:
        """Return every distinct image, by its id; each can be read in any thread."""
        from interestingness.data.encoding import Picture  # torch, which readers do without

        found: dict[str, Picture] = {}
        for shard in range(len(self._manifest.shards)):
            block = self._index.block(shard)
            for at in range(len(block)):
                for side, image in enumerate(block.images(at)):
                    if image not in found:
                        offset, length = block.spans[at, side].tolist()
                        name = f"{block.pair_id(at)}.{ROLES[side]}."
                        read = partial(self._alone, shard, offset, length, name)
                        found[image] = Picture(image, read)
        return found

    def _alone(self, shard: int, offset: int, length: int, name: str) -> bytes:
        """Read a member by a descriptor of its own: the kept ones are closed at any time."""
        descriptor = os.open(self.root / self._manifest.shards[shard].name, os.O_RDONLY)
        try:
            return self._read(descriptor, shard, offset, length, name)
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, shard: int, offset: int, length: int, name: str) -> bytes:
        start = offset - HEADER
        data = os.pread(descriptor, length + HEADER, start) if start >= 0 else b""
        if len(data) != length + HEADER or not data.startswith(name.encode()):
            path = self.root / self._manifest.shards[shard].name
            raise ShardError(
                f"{path}: no member {name}* at byte {start}",
                expected="the members where the index says",
                todo=f"`{VERIFY} {self.root}` says what is damaged; copy or write it again",
            )
        return data[HEADER:]

    def _descriptor(self, shard: int) -> int:
        if shard in self._open_files:
            self._open_files.move_to_end(shard)
            return self._open_files[shard]
        path = self.root / self._manifest.shards[shard].name
        check_size(path, self._manifest.shards[shard])
        descriptor = os.open(path, os.O_RDONLY)
        self._open_files[shard] = descriptor
        if len(self._open_files) > OPEN_FILES:
            os.close(self._open_files.popitem(last=False)[1])
        return descriptor


def check_size(path: Path, shard: ShardFile) -> None:
    """Check that a shard exists and has its full length.

    Raises:
        ShardError: if it is missing, truncated, or longer than listed.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ShardError(
            f"{path}: {error.strerror or error}",
            expected=f"a shard of {shard.pairs} pairs",
            todo="copy the folder again, or write the shards again",
        ) from None
    if size != shard.bytes:
        raise ShardError(
            f"{path}: {size} bytes, " + ("cut short" if size < shard.bytes else "too long"),
            expected=f"{shard.bytes} bytes, as the manifest says",
            todo=f"`{VERIFY} {path.parent}` says what is damaged; copy or write it again",
        )
