"""Cache features of a frozen backbone: each distinct image is encoded only once.

The key of a feature is the hash of its image file and the fingerprint of the backbone's contract
(weights, preprocessing, normalisation, number format), so that no wrong feature is returned. One
process at a time encodes all images; the others wait and then read them. Parts of the images
(``encode``) are encoded in parallel. Features encoded before a kill stay.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import Timeout
from numpy.typing import NDArray

from interestingness.data.content import HashMemo, Key
from interestingness.data.encoding import Decoded, Encoder, Picture, decode_all, encode_all
from interestingness.data.feature_store import WHOLE, FeatureStore
from interestingness.data.images import Skips
from interestingness.data.part import Part
from interestingness.errors import WeightsError

log = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""``progress(done, total, what)``."""

BATCH = 64
PART, PATIENCE = 1024, 60.0
"""Images, and seconds, after which what was encoded is written: what a kill can cost."""


class FeatureCache:
    """Features on disk, by image content and embedding contract.

    Attributes:
        encoded: distinct images that this object has encoded.
    """

    def __init__(self, root: str | Path, *, keep_open: bool = False) -> None:
        """Open a cache.

        Args:
            root: folder; created on first use.
            keep_open: check the files once, not at each call: for a million images that are read in
                parts.
        """
        self.root, self.keep_open = Path(root).expanduser(), keep_open
        self.encoded = 0
        self._stores: dict[str, FeatureStore] = {}
        self._memo: HashMemo | None = None

    def features(
        self,
        paths: Sequence[Path | Picture],
        encoder: Encoder,
        *,
        batch_size: int = BATCH,
        workers: int | str = "auto",
        device: torch.device | str = "cpu",
        progress: Progress | None = None,
        skips: Skips | None = None,
        writer: str = WHOLE,
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return features of image files; encode those that are missing.

        Args:
            paths: image files, or pictures from elsewhere (members of tar files), whose bytes are
                read again each time; equal content shares one feature.
            encoder: a frozen backbone.
            batch_size: images per forward pass.
            workers: threads that decode; "auto" takes one per core.
            device: where the network computes.
            progress: called with how many of the missing images are done.
            skips: collects unreadable images; more than its share stops the run. None allows
                none.
            writer: a name of its own for each process that encodes other images at the same time.

        Returns:
            Features, shape (paths, dim), zeros where there is none; memory-mapped and read-only
            where they lie on disk in this order. And which images have them, shape (paths,).

        Raises:
            DataError: if too many images are unreadable, or a feature is not finite.
            WeightsError: for a backbone whose weights may still change.
        """
        options = _Options(batch_size, workers, device, progress)
        skips = Skips(max_share=0.0) if skips is None else skips
        store = self._store(encoder)
        keys = self._ensure(paths, encoder, store, writer, skips, options)
        skips.check(len(paths))
        places = np.full(len(paths), -1, dtype=np.int64)
        have = np.array([key is not None for key in keys], dtype=bool)
        places[have] = store.find([key for key in keys if key is not None])
        return store.gather(places), places >= 0

    def encode(
        self,
        paths: Sequence[Path | Picture],
        encoder: Encoder,
        part: Part,
        *,
        batch_size: int = BATCH,
        workers: int | str = "auto",
        device: torch.device | str = "cpu",
        progress: Progress | None = None,
        skips: Skips | None = None,
    ) -> int:
        """Encode one part of the image files; other processes encode the other parts.

        Processes of different parts share one cache and need no connection: those of a run, or jobs
        of an array. ``features`` then reads all features, and encodes those still missing.

        Args:
            paths: all images, the same list for each part.
            encoder: a frozen backbone.
            part: the images of this process.
            batch_size, workers, device, progress: as for ``features``.
            skips: collects unreadable images; ``features`` decides how many are too many.

        Returns:
            Number of distinct images that were encoded.
        """
        before = self.encoded
        options = _Options(batch_size, workers, device, progress)
        mine = [paths[i] for i in part.of(len(paths))]
        skips = Skips(max_share=1.0) if skips is None else skips
        self._ensure(mine, encoder, self._store(encoder), part.name, skips, options)
        return self.encoded - before

    def _ensure(
        self,
        paths: Sequence[Path | Picture],
        encoder: Encoder,
        store: FeatureStore,
        writer: str,
        skips: Skips,
        options: _Options,
    ) -> list[Key | None]:
        """Encode what is missing; return the images' content keys, None for unreadable images."""
        if not encoder.frozen:
            raise WeightsError(
                "features of a backbone that is being trained cannot be cached",
                expected="a frozen backbone",
                todo="freeze it, or train on images (data=shards)",
            )
        store.refresh()
        if self._memo is None or not self.keep_open:
            self._memo = HashMemo(self.root / "hashes.npz")
        memo = self._memo
        keys = _remembered(memo, paths)
        if _missing(store, keys):
            store.root.mkdir(parents=True, exist_ok=True)
            lock = store.lock(writer)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                log.info("waiting for another process that encodes images into %s", store.root)
                lock.acquire()
            try:
                store.refresh()
                self._encode(paths, keys, encoder, store, memo, writer, skips, options)
            finally:
                lock.release()
                memo.save()
        return keys

    def _store(self, encoder: Encoder) -> FeatureStore:
        name = encoder.fingerprint()
        if name not in self._stores or not self.keep_open:
            self._stores[name] = FeatureStore(self.root / name, encoder.dim)
        return self._stores[name]

    def _encode(
        self,
        paths: Sequence[Path | Picture],
        keys: list[Key | None],
        encoder: Encoder,
        store: FeatureStore,
        memo: HashMemo,
        writer: str,
        skips: Skips,
        options: _Options,
    ) -> None:
        """Encode what is missing, under the lock, and fill in ``keys``."""
        batch_size, device, progress = options.batch_size, options.device, options.progress
        damaged = store.clean(writer)
        if damaged:
            log.warning("%d damaged parts of the feature cache are computed again", damaged)
        todo = _missing(store, keys)
        if not todo:
            return
        done = 0

        def note(image: Decoded) -> None:
            nonlocal done
            done += 1
            keys[todo[image.place]] = image.key if image.error is None else None
            if image.error is not None:
                skips.add(image.picture.name, image.error)
            elif image.state is not None and image.key is not None and image.picture.path:
                memo.note(image.picture.path, image.state, image.key, read_ns=image.read_ns)
            if progress is not None:
                progress(done, len(todo), "images encoded")

        images = decode_all(
            (_picture(paths[i]) for i in todo),
            encoder.transform,
            known=_Known(store),
            max_pixels=skips.max_pixels,
            workers=options.workers,
            ahead=2 * batch_size,
        )
        moved = torch.device(device).type != "cpu"
        if moved:
            encoder.to(device)
        piece = _Piece(store, writer, {"encoder": encoder.describe()})
        batches = encode_all(images, encoder, batch_size=batch_size, device=device, note=note)
        try:
            with closing(images), closing(batches):
                for batch, features in batches:
                    piece.add(batch, features)
                    self.encoded += len(batch)
        finally:
            # Encoded features are kept, whatever ends the loop.
            piece.write()
            if moved:
                encoder.to("cpu")
        names = None if writer == WHOLE else piece.names
        store.merge(at_most=PART + batch_size, about=piece.about, names=names, writer=writer)


@dataclass(frozen=True)
class _Options:
    """How images are encoded; see ``FeatureCache.features``."""

    batch_size: int
    workers: int | str
    device: torch.device | str
    progress: Progress | None


class _Known:
    """The keys of a store, without copying them: a million keys would take much memory."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and bool(self._store.find([key])[0] >= 0)


class _Piece:
    """Features to be written as a segment."""

    def __init__(self, store: FeatureStore, writer: str, about: dict[str, Any]) -> None:
        self.store, self.writer, self.about = store, writer, about
        self.names: list[str] = []
        self._keys: list[Key] = []
        self._features: list[NDArray[np.float32]] = []
        self._since = time.monotonic()

    def add(self, keys: list[Key], features: NDArray[np.float32]) -> None:
        self._keys += keys
        self._features.append(features)
        if len(self._keys) >= PART or time.monotonic() - self._since > PATIENCE:
            self.write()

    def write(self) -> None:
        if self._keys:
            rows = np.concatenate(self._features)
            name = self.store.write(self._keys, rows, self.about, writer=self.writer)
            self.names.append(name)
        self._keys, self._features, self._since = [], [], time.monotonic()


def _picture(source: Path | Picture) -> Picture:
    return source if isinstance(source, Picture) else Picture.file(Path(source))


def _remembered(memo: HashMemo, sources: Sequence[Path | Picture]) -> list[Key | None]:
    """Return the cached content keys of unchanged files, None for all other pictures."""
    files = [s.path if isinstance(s, Picture) else Path(s) for s in sources]
    rows = [i for i, file in enumerate(files) if file is not None]
    keys: list[Key | None] = [None] * len(files)
    for i, key in zip(rows, memo.keys([f for f in files if f is not None]), strict=True):
        keys[i] = key
    return keys


def _missing(store: FeatureStore, keys: Sequence[Key | None]) -> list[int]:
    """Return positions whose feature is not in the store, or whose content key is unknown."""
    known = [i for i, key in enumerate(keys) if key is not None]
    places = store.find([key for key in keys if key is not None])
    absent = {i for i, place in zip(known, places.tolist(), strict=True) if place < 0}
    return [i for i, key in enumerate(keys) if key is None or i in absent]
