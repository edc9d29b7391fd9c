"""Open a folder or URL of pair shards."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import weakref
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from interestingness.data.shards.index import ShardIndex
from interestingness.data.shards.layout import INDEX, MANIFEST, ShardManifest, read_manifest
from interestingness.data.shards.local import LocalShards, check_size
from interestingness.data.shards.remote import is_url, join_url, read_url, without_password
from interestingness.data.shards.targets import JoinedTargets, PairTargets, join
from interestingness.errors import ShardError
from interestingness.schema import Pairs


class PairShards:
    """Pair shards with their manifest and index.

    A folder is read by offset: a process reads the bytes of its own pairs only. Any URL
    that ``remote`` opens (``https://host/shards``, ``s3://bucket/shards``, ``file:/mnt/shards``,
    ``pipe:aws s3 cp s3://bucket/{name} -``) is streamed in whole shards.

    Attributes:
        root: folder or URL.
        manifest: counts, names and hashes.
        index: where every pair lies.
        local: reader by offset; None for a URL.
    """

    def __init__(self, root: str | Path) -> None:
        """Read the manifest and check that index and shards exist.

        Raises:
            ShardError: missing, damaged, truncated, or of another format version.
        """
        self.root = str(root)
        self.local: LocalShards | None = None
        if is_url(self.root):
            url = join_url(self.root, MANIFEST)
            self.manifest = ShardManifest.from_json(read_url(url), where=without_password(url))
            path = _fetch_index(join_url(self.root, INDEX), self.manifest)
            weakref.finalize(self, _remove, path, os.getpid())
            self.index = ShardIndex(path, self.manifest)
        else:
            folder = Path(self.root)
            self.manifest = read_manifest(folder)
            check_size(folder / INDEX, self.manifest.index)
            self.index = ShardIndex(folder / INDEX, self.manifest)
            self.local = LocalShards(folder, self.manifest, self.index)

    def __len__(self) -> int:
        return self.manifest.pairs

    def url(self, shard: int) -> str:
        """Return the URL of a shard, which plain ``webdataset.WebDataset`` reads too."""
        name = self.manifest.shards[shard].name
        return join_url(self.root, name) if self.local is None else str(Path(self.root) / name)

    @cached_property
    def pairs(self) -> Pairs:
        """Return all pairs in the order of the shards; image ids in order of first appearance."""
        left, right = zip(*self.index.image_columns(), strict=True)
        chunks = [chunk for column in (*left, *right) for chunk in column.chunks]
        coded = pa.chunked_array(chunks).combine_chunks().dictionary_encode()
        codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        names = np.empty(len(coded.dictionary), dtype=object)
        names[:] = coded.dictionary.to_pylist()
        keys = np.empty(len(self), dtype=np.uint64)
        for shard, some in enumerate(self.index.keys()):
            keys[self.index.bounds[shard] : self.index.bounds[shard + 1]] = some
        del left, right, chunks, coded
        pa.default_memory_pool().release_unused()  # strings of a million pairs, needed only here
        return Pairs(names, codes[: len(keys)], codes[len(keys) :], keys)

    def join(self, targets: PairTargets) -> JoinedTargets:
        """Join labels to rows of the index; see ``targets.join``."""
        return join(self.index, self.manifest, targets)


def _fetch_index(url: str, manifest: ShardManifest) -> Path:
    """Copy the index to a local file: it is read in pieces, which a stream does not allow."""
    data = read_url(url)
    if hashlib.sha256(data).hexdigest() != manifest.index.sha256:
        raise ShardError(
            f"{without_password(url)}: does not match its manifest ({len(data)} bytes)",
            expected=f"{manifest.index.bytes} bytes with hash {manifest.index.sha256[:16]}…",
            todo="upload the folder again",
        )
    descriptor, name = tempfile.mkstemp(prefix="interestingness-", suffix=f"-{INDEX}")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return Path(name)


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked worker ends before its parent process
        with contextlib.suppress(OSError):
            path.unlink()
