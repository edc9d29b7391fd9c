"""Identify images by content: a hash of the file or of its pixels, cached while it is unchanged."""

from __future__ import annotations

import hashlib
import logging
import os
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from interestingness.disk import appearing

log = logging.getLogger(__name__)

Key = bytes
"""The 32 bytes of a BLAKE2b hash."""

FileState = tuple[int, int, int, int]
"""Size, time of change of the content and of the entry in nanoseconds, and identity on its disk:
what tells that a file has not been touched."""

KEY = np.dtype("S32")
"""Content keys in numpy: compared and sorted as bytes, trailing zeros included, because all have
the same length."""

YOUNG_NS = 2_000_000_000
"""A file that was changed less than this before it was read may change again within the same tick
of a coarse clock, unseen; nothing is remembered of it (git calls such an entry racy)."""

PIECE = 1 << 16
"""Bytes that are read at each of three places of long pixel data."""

_NAME = np.dtype("S16")


def content_key(data: bytes) -> Key:
    """Return BLAKE2b of a file's bytes: as strong as SHA-256, and twice as fast on processors
    without instructions for SHA-256."""
    return hashlib.blake2b(data, digest_size=32).digest()


def picture_key(path: Path) -> Key | None:
    """Return a hash of an image file's compressed pixels, which edited metadata do not change.

    Of long pixel data the beginning, the middle, the end and the length are read: two pictures
    never agree in all of them. Of formats other than JPEG, PNG and WebP everything counts.

    Returns:
        None if there is no such file, or it is empty or cannot be read.
    """
    try:
        with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
            spans = list(_pixel_spans(data)) or [(0, len(data))]
            digest = hashlib.blake2b(digest_size=32)
            for start, end in spans:
                digest.update((end - start).to_bytes(8, "little"))
                last = end - PIECE
                long = end - start > 4 * PIECE
                for at in (start, (start + end) // 2, last) if long else (start,):
                    digest.update(data[at : at + PIECE] if long else data[start:end])
            return digest.digest()
    except (OSError, ValueError):  # ValueError: mmap of an empty file
        return None


def picture_keys(paths: Sequence[Path], memo: Path) -> list[Key | None]:
    """Return ``picture_key`` of some files, read in threads; unchanged files are not read again.

    Args:
        paths: of image files.
        memo: where the keys are kept, as for ``HashMemo``.
    """
    kept = HashMemo(memo)
    keys = kept.keys(paths)
    new = [i for i, key in enumerate(keys) if key is None]
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(file_state, (paths[i] for i in new)))
        read_ns = time.time_ns()
        found = list(pool.map(picture_key, (paths[i] for i in new)))
    for i, state, key in zip(new, states, found, strict=True):
        keys[i] = key
        if state is not None and key is not None:
            kept.note(paths[i], state, key, read_ns=read_ns)
    kept.save()
    return keys


def _pixel_spans(data: mmap) -> Iterator[tuple[int, int]]:
    """Yield the parts of a file that decide about its pixels; nothing for other formats."""
    if data[:2] == b"\xff\xd8":
        yield from _jpeg_spans(data)
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _chunk_spans(data, 8, "big", kept=(b"IHDR", b"PLTE", b"tRNS", b"IDAT"))
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        yield from _chunk_spans(data, 12, "little", kept=(b"VP8 ", b"VP8L", b"ALPH", b"ANMF"))


def _jpeg_spans(data: mmap) -> Iterator[tuple[int, int]]:
    """Yield tables and scans; applications' segments and comments are metadata."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xDA:  # the scans, up to the end
            yield at, len(data)
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            yield at, min(end, len(data))
        at = end


def _chunk_spans(
    data: mmap, at: int, order: Literal["big", "little"], *, kept: tuple[bytes, ...]
) -> Iterator[tuple[int, int]]:
    """Yield the contents of kept chunks: PNG's have size, name, content and checksum, RIFF's name,
    size and content of even length."""
    png = order == "big"
    while at + 8 <= len(data):
        one, other = data[at : at + 4], data[at + 4 : at + 8]
        size, name = (one, other) if png else (other, one)
        length = int.from_bytes(size, order)
        if name in kept:
            yield at + 8, min(at + 8 + length, len(data))
        at += 8 + length + (4 if png else length % 2)


def file_state(path: Path) -> FileState | None:
    """Return the state of a file, None if there is no such file."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & (2**63 - 1)


def unpack(keys: NDArray[np.bytes_]) -> list[bytes]:
    """Convert numpy byte strings to bytes of full length: numpy strips an item's trailing zeros."""
    raw, width = keys.tobytes(), keys.dtype.itemsize
    return [raw[i : i + width] for i in range(0, len(raw), width)]


class HashMemo:
    """Caches the content keys of files between runs, in one file that is replaced atomically.

    Names, states and keys are arrays (100 bytes a file), so that a million images fit easily.
    """

    def __init__(self, path: Path) -> None:
        """Read the cached keys; a damaged file is ignored.

        Args:
            path: an .npz file; it may be absent.
        """
        self.path = path
        self._names, self._states, self._keys = self._read()
        self._new: dict[bytes, tuple[FileState, Key]] = {}

    def keys(self, paths: Sequence[Path]) -> list[Key | None]:
        """Return the content keys of unchanged files, None for the others."""
        if not len(self._names) or not len(paths):
            return [None] * len(paths)
        states = [file_state(path) for path in paths]
        wanted = np.array([_name(path) for path in paths], dtype=_NAME)
        at = np.minimum(np.searchsorted(self._names, wanted), len(self._names) - 1)
        current = np.array([s or (-1, -1, -1, -1) for s in states], dtype=np.int64)
        same = (self._names[at] == wanted) & (self._states[at] == current).all(axis=1)
        keys = unpack(self._keys[at])
        return [key if ok else None for key, ok in zip(keys, same.tolist(), strict=True)]

    def note(self, path: Path, state: FileState, key: Key, *, read_ns: int | None = None) -> None:
        """Add a key, unless the file is too new for its modification time to be reliable.

        Args:
            path: of the file.
            state: its state both before and after its bytes were read.
            key: of these bytes.
            read_ns: when reading began, nanoseconds since 1970; None is now.
        """
        read = time.time_ns() if read_ns is None else read_ns
        if max(state[1], state[2]) + YOUNG_NS < read:
            self._new[_name(path)] = (state, key)

    def save(self) -> None:
        """Merge the new keys with those that other processes have saved, and write the file."""
        if not self._new:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            # The last key wins: np.unique keeps first occurrences, so new keys go in front.
            names, states, keys = self._read()
            new = list(self._new.values())
            names = np.concatenate([np.array(list(self._new), dtype=_NAME), names])
            states = np.concatenate([np.array([s for s, _ in new], dtype=np.int64), states])
            keys = np.concatenate([np.array([k for _, k in new], dtype=KEY), keys])
            self._names, first = np.unique(names, return_index=True)
            self._states, self._keys = states[first], keys[first]
            self._new = {}
            with appearing(self.path) as part, part.open("wb") as stream:
                np.savez(stream, names=self._names, states=self._states, keys=self._keys)

    def _read(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64], NDArray[np.bytes_]]:
        nothing = np.empty(0, dtype=_NAME), np.empty((0, 4), np.int64), np.empty(0, dtype=KEY)
        if not self.path.is_file():
            return nothing
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                names, states, keys = archive["names"], archive["states"], archive["keys"]
            if (names.dtype, keys.dtype) != (_NAME, KEY) or states.shape != (len(names), 4):
                raise ValueError("other columns")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.warning("%s is damaged (%s); images are hashed again", self.path, error)
            return nothing
        return names, states, keys


def _name(path: Path) -> bytes:
    # 16 bytes instead of a path of about a hundred
    return hashlib.blake2b(os.fsencode(os.path.abspath(path)), digest_size=16).digest()


def pack(keys: Iterable[Key]) -> NDArray[np.bytes_]:
    """Convert content keys to a numpy array, dtype S32."""
    return np.array(list(keys), dtype=KEY)
