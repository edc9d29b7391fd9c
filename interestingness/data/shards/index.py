"""The index of pair shards: the place of each pair's members, one row group per shard.

A million pairs are an index of some forty megabytes on disk; in memory there are only the row
groups in use.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interestingness.data.shards.layout import SHARD_FORMAT_VERSION, ShardManifest
from interestingness.errors import ShardError

ROLES = ("left", "right", "json")
SCHEMA = pa.schema(
    [
        ("pair_id", pa.string()),
        ("left", pa.string()),
        ("right", pa.string()),
        ("shard", pa.int32()),
        *((f"{role}_{what}", pa.int64()) for role in ROLES for what in ("offset", "bytes")),
    ],
    metadata={
        "interestingness.format_version": str(SHARD_FORMAT_VERSION),
        "interestingness.table": "shard_index",
    },
)


@dataclass
class IndexRows:
    """Rows of one shard while it is written, in the order of the tar file."""

    shard: int
    pair_id: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)
    spans: list[tuple[int, ...]] = field(default_factory=list)

    def add(self, pair_id: str, left: str, right: str, spans: Sequence[tuple[int, int]]) -> None:
        """Add a pair; ``spans`` are (offset, bytes) of its left, right and json members' data."""
        self.pair_id.append(pair_id)
        self.left.append(left)
        self.right.append(right)
        self.spans.append(tuple(value for span in spans for value in span))

    def table(self) -> pa.Table:
        """Return the rows as Arrow columns."""
        columns = np.asarray(self.spans, dtype=np.int64).reshape(-1, 2 * len(ROLES)).T
        shard = np.full(len(self.pair_id), self.shard, dtype=np.int32)
        return pa.table([self.pair_id, self.left, self.right, shard, *columns], schema=SCHEMA)


class IndexWriter:
    """Writes row group after row group."""

    def __init__(self, path: Path) -> None:
        # Statistics are never read, and those of a thousand row groups take much memory.
        self._file = pq.ParquetWriter(path, SCHEMA, compression="zstd", write_statistics=False)

    def add(self, rows: IndexRows) -> None:
        """Write the rows of one shard."""
        self._file.write_table(rows.table(), row_group_size=max(1, len(rows.pair_id)))

    def close(self) -> None:
        """Write the footer."""
        self._file.close()


@dataclass(frozen=True, eq=False)
class IndexBlock:
    """The rows of one shard.

    Attributes:
        shard: number of the shard.
        ids: Arrow columns pair_id, left and right.
        spans: (offset, bytes) of left, right and json, shape (pairs, 3, 2), int64.
    """

    shard: int
    ids: pa.Table
    spans: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.spans)

    def pair_id(self, row: int) -> str:
        """Return the pair's id."""
        return str(self.ids["pair_id"][row].as_py())

    def images(self, row: int) -> tuple[str, str]:
        """Return the ids of the left and the right image."""
        return str(self.ids["left"][row].as_py()), str(self.ids["right"][row].as_py())


class ShardIndex:
    """Reads the index of a folder of shards, one shard's rows at a time.

    Row ``r`` of the index is a pair; shard ``s`` has the rows from ``bounds[s]`` to
    ``bounds[s + 1]``.
    """

    def __init__(self, path: Path, manifest: ShardManifest, *, held: int = 32) -> None:
        """Open an index.

        Args:
            path: a local Parquet file.
            manifest: of the same folder; they must agree.
            held: blocks to keep in memory.

        Raises:
            ShardError: damaged, or another number of shards or pairs than the manifest's.
        """
        self.path, self._manifest, self._held = path, manifest, held
        counts = [shard.pairs for shard in manifest.shards]
        self.bounds = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
        self._blocks: OrderedDict[int, IndexBlock] = OrderedDict()
        self._file: tuple[int, pq.ParquetFile] | None = None
        self._footer: pq.FileMetaData | None = None
        self._open()

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_file": None, "_footer": None, "_blocks": OrderedDict()}

    def locate(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the shard of each row, and the row within it."""
        shards = np.searchsorted(self.bounds, rows, side="right") - 1
        return shards.astype(np.int64), (rows - self.bounds[shards]).astype(np.int64)

    def block(self, shard: int) -> IndexBlock:
        """Return the rows of one shard; the last ones used are cached."""
        if shard in self._blocks:
            self._blocks.move_to_end(shard)
            return self._blocks[shard]
        table = self._read(shard, SCHEMA.names)
        names = [f"{role}_{what}" for role in ROLES for what in ("offset", "bytes")]
        columns = [table[name].to_numpy() for name in names]
        spans = np.stack(columns, axis=1).reshape(-1, len(ROLES), 2)
        block = IndexBlock(shard, table.select(["pair_id", "left", "right"]), spans)
        if (table["shard"].to_numpy() != shard).any() or (spans < 0).any():
            raise self._damaged(f"the rows of shard {shard} point elsewhere")
        self._blocks[shard] = block
        if len(self._blocks) > self._held:
            self._blocks.popitem(last=False)
        return block

    def hold(self, blocks: int) -> None:
        """Cache at least this many blocks in memory."""
        self._held = max(self._held, blocks)

    def keys(self) -> Iterator[NDArray[np.uint64]]:
        """Yield pair identities shard by shard, each of shape (pairs of the shard,)."""
        for shard in range(len(self._manifest.shards)):
            yield hex_keys(self._read(shard, ["pair_id"])["pair_id"], str(self.path))

    def image_columns(self) -> Iterator[tuple[pa.ChunkedArray, pa.ChunkedArray]]:
        """Yield ids of the left and right images shard by shard."""
        for shard in range(len(self._manifest.shards)):
            table = self._read(shard, ["left", "right"])
            yield table["left"], table["right"]

    def _read(self, shard: int, columns: list[str]) -> pa.Table:
        try:
            # Arrow's own threads do not survive a fork into DataLoader workers.
            table = self._open().read_row_group(shard, columns=columns, use_threads=False)
        except (pa.ArrowException, OSError, KeyError) as error:
            raise self._damaged(str(error)) from None
        if table.num_rows != self._manifest.shards[shard].pairs:
            raise self._damaged(
                f"{table.num_rows} rows for shard {shard}, whose manifest says "
                f"{self._manifest.shards[shard].pairs}"
            )
        return table

    def _open(self) -> pq.ParquetFile:
        """Return the file, opened in this process: forked processes must not share a file position.

        They share the parsed footer: a thousand row groups take several megabytes.
        """
        if self._file is not None and self._file[0] == os.getpid():
            return self._file[1]
        try:
            file = pq.ParquetFile(self.path, metadata=self._footer, pre_buffer=False)
            schema = file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(str(error)) from None
        if not schema.equals(SCHEMA):
            raise self._damaged(f"columns {', '.join(schema.names)}")
        found = (file.num_row_groups, file.metadata.num_rows)
        if found != (len(self._manifest.shards), self._manifest.pairs):
            raise self._damaged(f"{found[0]} row groups and {found[1]} rows")
        self._file, self._footer = (os.getpid(), file), file.metadata
        return file

    def _damaged(self, what: str) -> ShardError:
        shards, pairs = len(self._manifest.shards), self._manifest.pairs
        return ShardError(
            f"{self.path}: damaged index ({what})",
            expected=f"{pairs} rows in {shards} row groups, as the manifest says",
            todo="copy the folder again, or write the shards again",
        )


def hex_keys(pair_ids: pa.ChunkedArray, where: str) -> NDArray[np.uint64]:
    """Convert pair ids of 16 hexadecimal digits to numbers, shape (pairs,).

    Raises:
        ShardError: for an id of another shape.
    """
    text = "".join(pair_ids.to_pylist())
    try:
        if len(text) != 16 * len(pair_ids):
            raise ValueError("not 16 digits each")
        return np.frombuffer(bytes.fromhex(text), dtype=">u8").astype(np.uint64)
    except ValueError as error:
        raise ShardError(
            f"{where}: a pair_id is not 16 hexadecimal digits ({error})",
            expected="ids as made by interestingness.schema.pair_id",
            todo="write the shards again",
        ) from None
