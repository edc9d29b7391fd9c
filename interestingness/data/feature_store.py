"""Segments: immutable folders of features by content key, written atomically."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import uuid
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from interestingness.data.content import KEY, Key, pack, unpack
from interestingness.data.part import ALL
from interestingness.disk import naming

log = logging.getLogger(__name__)

PREFIX, UNFINISHED = "segment-", ".unfinished-"
WHOLE = ALL.name
"""The writer who takes all images; each part of them has a writer and a lock of its own."""


@dataclass(frozen=True, eq=False)
class Segment:
    """One finished folder.

    Attributes:
        path: the folder.
        keys: content keys in order of rows, shape (rows,), dtype S32.
        features: memory-mapped, read-only, shape (rows, dim), float32.
    """

    path: Path
    keys: NDArray[np.bytes_]
    features: NDArray[np.float32]


class FeatureStore:
    """The segments of one embedding contract.

    Reading needs no lock: segments never change. Writing and cleaning need a writer's lock;
    writers of different names may write at the same time.
    """

    def __init__(self, root: Path, dim: int) -> None:
        """Open the store of a contract.

        Args:
            root: folder of this contract's segments; it may be absent.
            dim: length of a feature vector.
        """
        self.root, self.dim = root, dim
        self._open: dict[str, Segment | None] = {}
        self._index = _Index.of([])

    def refresh(self) -> None:
        """Add segments that others have finished, drop those that were removed."""
        names = sorted(p.name for p in self.root.glob(f"{PREFIX}*")) if self.root.is_dir() else []
        self._open = {
            name: self._open[name] if name in self._open else self._read(self.root / name)
            for name in names
        }
        self._index = _Index.of([s.keys for s in self.segments])

    @property
    def segments(self) -> list[Segment]:
        """Return complete segments, oldest first."""
        return [s for s in self._open.values() if s is not None]

    @property
    def damaged(self) -> list[Path]:
        """Return the damaged folders."""
        return [self.root / name for name, s in self._open.items() if s is None]

    def keys(self) -> set[Key]:
        """Return all content keys."""
        return {key for segment in self.segments for key in unpack(segment.keys)}

    def find(self, keys: Sequence[Key]) -> NDArray[np.int64]:
        """Return the place of each key over all segments, -1 where unknown, shape (keys,)."""
        return self._index.find(pack(keys))

    def gather(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return features at places from ``find``; zeros for -1, shape (places, dim).

        Consecutive rows of one segment are returned memory-mapped and read-only; anything else is
        copied.
        """
        bounds = np.cumsum([0, *(len(s.keys) for s in self.segments)])
        owner = np.searchsorted(bounds, places, side="right") - 1
        if (
            len(places)
            and places[0] >= 0
            and (np.diff(places) == 1).all()
            and owner[0] == owner[-1]
        ):
            start = int(places[0] - bounds[owner[0]])
            return self.segments[owner[0]].features[start : start + len(places)]
        out = np.zeros((len(places), self.dim), dtype=np.float32)
        for i, segment in enumerate(self.segments):
            mine = (owner == i) & (places >= 0)
            out[mine] = segment.features[places[mine] - bounds[i]]
        return out

    def lock(self, writer: str = WHOLE) -> FileLock:
        """Return a writer's lock, not yet acquired."""
        return FileLock(self.root / (".lock" if writer == WHOLE else f".lock-{writer}"))

    def write(
        self,
        keys: Sequence[Key],
        features: NDArray[np.float32],
        about: Mapping[str, Any],
        *,
        writer: str = WHOLE,
    ) -> str:
        """Add a segment.

        Args:
            keys: content keys, shape (rows,).
            features: shape (rows, dim).
            about: plain values stored with it (contract, versions).
            writer: the writer whose lock is held.

        Returns:
            Name of the segment.
        """
        matrix = np.ascontiguousarray(features, dtype=np.float32)
        names = pack(keys)
        folder = self.root / f"{UNFINISHED}{writer}.{uuid.uuid4().hex}"
        facts = {
            **about,
            "rows": len(names),
            "dim": self.dim,
            "checksum": zlib.crc32(matrix.data, zlib.crc32(names.data)),
        }
        try:
            with naming(self.root):
                folder.mkdir(parents=True)
                np.save(folder / "features.npy", matrix)
                np.save(folder / "keys.npy", names)
                (folder / "segment.json").write_text(json.dumps(facts, indent=1) + "\n")
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)  # frees the space on a full disk
            raise
        number = 1 + max((int(n[len(PREFIX) :].split("-")[0]) for n in self._open), default=0)
        name = f"{PREFIX}{number:08d}-{uuid.uuid4().hex[:8]}"
        folder.rename(self.root / name)
        self._append(name)
        return name

    def clean(self, writer: str = WHOLE) -> int:
        """Remove killed writers' files and damaged segments; return the number of the latter.

        Args:
            writer: the writer whose lock is held. Files of writers that have ended are removed.
        """
        for leftover in self.root.glob(f"{UNFINISHED}*"):
            owner = leftover.name.removeprefix(UNFINISHED).rpartition(".")[0] or WHOLE
            if owner == writer:
                shutil.rmtree(leftover, ignore_errors=True)
                continue
            with contextlib.suppress(Timeout), self.lock(owner).acquire(timeout=0):
                shutil.rmtree(leftover, ignore_errors=True)
        damaged = self.damaged
        for folder in damaged:
            shutil.rmtree(folder, ignore_errors=True)
        self.refresh()
        return len(damaged)

    def merge(
        self,
        *,
        at_most: int,
        about: Mapping[str, Any],
        names: Collection[str] | None = None,
        writer: str = WHOLE,
    ) -> None:
        """Merge small segments, so that the rows of a finished extraction are consecutive on disk.

        Args:
            at_most: largest number of rows of a small segment.
            about: plain values stored with the new one.
            names: merge only these segments, while other writers use theirs; None takes all.
            writer: whose lock is held.
        """
        small = [
            s
            for s in self.segments
            if len(s.keys) <= at_most and (names is None or s.path.name in names)
        ]
        if len(small) < 2:
            return
        keys = [key for s in small for key in unpack(s.keys)]
        self.write(keys, np.concatenate([s.features for s in small]), about, writer=writer)
        for segment in small:
            shutil.rmtree(segment.path, ignore_errors=True)
        self.refresh()

    def _append(self, name: str) -> None:
        """Add one of our segments."""
        first = sum(len(s.keys) for s in self.segments)
        segment = self._open[name] = self._read(self.root / name)
        if segment is not None:
            self._index = self._index.with_more(segment.keys, first)

    def _read(self, folder: Path) -> Segment | None:
        """Read the segment; None if it is damaged."""
        try:
            facts = json.loads((folder / "segment.json").read_text())
            keys = np.load(folder / "keys.npy", allow_pickle=False)
            features = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
            whole = (
                keys.shape == (facts["rows"],)
                and keys.dtype == KEY
                and features.shape == (facts["rows"], self.dim)
                and features.dtype == np.float32
                and zlib.crc32(features.data, zlib.crc32(keys.data)) == facts["checksum"]
            )
            # Mapped again, so that pages read for the checksum do not count as this process's.
            features = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            return None  # merged or removed by the process that holds the lock
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            log.warning("%s cannot be read (%s)", folder, error)
            return None
        if not whole:
            log.warning("%s is damaged: its checksum or shape is not what was written", folder)
            return None
        return Segment(folder, keys, features)


@dataclass(frozen=True, eq=False)
class _Index:
    """Keys in ascending order with their places."""

    keys: NDArray[np.bytes_]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, keys: Sequence[NDArray[np.bytes_]]) -> _Index:
        every = np.concatenate(keys) if keys else np.empty(0, dtype=KEY)
        order = np.argsort(every, kind="stable")
        return cls(every[order], order)

    def with_more(self, keys: NDArray[np.bytes_], first: int) -> _Index:
        """Insert keys whose places count from ``first``; nothing known is sorted again."""
        order = np.argsort(keys, kind="stable")
        at = np.searchsorted(self.keys, keys[order], side="right")
        return _Index(
            np.insert(self.keys, at, keys[order]), np.insert(self.places, at, order + first)
        )

    def find(self, wanted: NDArray[np.bytes_]) -> NDArray[np.int64]:
        if not len(self.keys) or not len(wanted):
            return np.full(len(wanted), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, self.places[at], -1)
