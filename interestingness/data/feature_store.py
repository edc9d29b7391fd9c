"""Segments: immutable folders of features by content key, which appear whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.data.content import KEY, Key, pack, unpack

log = logging.getLogger(__name__)

PREFIX, UNFINISHED = "segment-", ".unfinished-"


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

    Reading needs no lock: segments never change. Writing and cleaning are for whoever holds the
    lock of the cache.
    """

    def __init__(self, root: Path, dim: int) -> None:
        """Open the store of a contract.

        Args:
            root: folder of this contract's segments; need not exist.
            dim: length of a feature vector.
        """
        self.root, self.dim = root, dim
        self._open: dict[str, Segment | None] = {}
        self._index()

    def refresh(self) -> None:
        """Take in segments that others have finished, forget those that are gone."""
        names = sorted(p.name for p in self.root.glob(f"{PREFIX}*")) if self.root.is_dir() else []
        self._open = {
            name: self._open[name] if name in self._open else self._read(self.root / name)
            for name in names
        }
        self._index()

    @property
    def segments(self) -> list[Segment]:
        """Whole segments, oldest first."""
        return [s for s in self._open.values() if s is not None]

    @property
    def damaged(self) -> list[Path]:
        """Folders whose content is not what was written."""
        return [self.root / name for name, s in self._open.items() if s is None]

    def keys(self) -> set[Key]:
        """All content keys."""
        return {key for segment in self.segments for key in unpack(segment.keys)}

    def find(self, keys: Sequence[Key]) -> NDArray[np.int64]:
        """Place of each key over all segments, -1 where it is unknown, shape (keys,)."""
        wanted = pack(keys)
        if not len(self._sorted) or not len(wanted):
            return np.full(len(wanted), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        return np.where(self._sorted[at] == wanted, self._order[at], -1)

    def gather(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features at places from ``find``; zeros for -1, shape (places, dim).

        One unbroken run of a segment is returned as it lies on disk, memory-mapped and read-only;
        anything else is copied.
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

    def write(
        self, keys: Sequence[Key], features: NDArray[np.float32], about: Mapping[str, Any]
    ) -> None:
        """Add a segment.

        Args:
            keys: content keys, shape (rows,).
            features: shape (rows, dim).
            about: plain values kept beside it (contract, versions).
        """
        matrix = np.ascontiguousarray(features, dtype=np.float32)
        names = pack(keys)
        folder = self.root / f"{UNFINISHED}{os.getpid()}-{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        np.save(folder / "features.npy", matrix)
        np.save(folder / "keys.npy", names)
        facts = {
            **about,
            "rows": len(names),
            "dim": self.dim,
            "checksum": zlib.crc32(matrix.data, zlib.crc32(names.data)),
        }
        (folder / "segment.json").write_text(json.dumps(facts, indent=1) + "\n")
        number = 1 + max((int(n[len(PREFIX) :].split("-")[0]) for n in self._open), default=0)
        folder.rename(self.root / f"{PREFIX}{number:08d}-{uuid.uuid4().hex[:8]}")
        self.refresh()

    def clean(self) -> int:
        """Remove what killed writers left and damaged segments; returns how many of the latter."""
        for leftover in self.root.glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        damaged = self.damaged
        for folder in damaged:
            shutil.rmtree(folder, ignore_errors=True)
        self.refresh()
        return len(damaged)

    def merge(self, *, at_most: int, about: Mapping[str, Any]) -> None:
        """Put segments of few rows together, so that a finished extraction is one run on disk."""
        small = [s for s in self.segments if len(s.keys) <= at_most]
        if len(small) < 2:
            return
        keys = [key for s in small for key in unpack(s.keys)]
        self.write(keys, np.concatenate([s.features for s in small]), about)
        for segment in small:
            shutil.rmtree(segment.path, ignore_errors=True)
        self.refresh()

    def _index(self) -> None:
        keys = [s.keys for s in self.segments]
        every = np.concatenate(keys) if keys else np.empty(0, dtype=KEY)
        self._order = np.argsort(every, kind="stable")
        self._sorted = every[self._order]

    def _read(self, folder: Path) -> Segment | None:
        """The segment, or None if it is not what its writer wrote."""
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
        except FileNotFoundError:
            return None  # merged or removed by the process that holds the lock
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            log.warning("%s cannot be read (%s)", folder, error)
            return None
        if not whole:
            log.warning("%s is damaged: its checksum or shape is not what was written", folder)
            return None
        # Mapped anew: the pages that the checksum touched do not count as this process's memory.
        return Segment(folder, keys, np.load(folder / "features.npy", mmap_mode="r"))
