"""Write pair shards once: under a lock, atomically, and reproducibly byte by byte."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from interestingness.data.images import Skips
from interestingness.data.shards.index import IndexRows, IndexWriter
from interestingness.data.shards.layout import (
    INDEX,
    MANIFEST,
    SHARD_FORMAT_VERSION,
    Progress,
    ShardFile,
    ShardManifest,
    describe,
    pair_json,
    read_manifest,
    shard_name,
)
from interestingness.data.shards.members import StoredImage, prepare_image
from interestingness.disk import naming
from interestingness.errors import ConfigError, DataError, ImageError, ShardError
from interestingness.schema import Pair
from interestingness.tables.tables import Tables


def write_shards(
    tables: Tables,
    root: str | Path,
    *,
    pairs_per_shard: int,
    max_side: int | None = None,
    progress: Progress | None = None,
    skips: Skips | None = None,
) -> ShardManifest:
    """Write every pair of a data set into tar shards, with an index and a manifest.

    One process writes; others, such as the other processes of a run, wait and then read the shards.
    The folder is written atomically, by a rename. Another call with the same tables and options
    only reads the manifest.

    Args:
        tables: the prepared data set; its images are read, labels are not.
        root: folder to create; it must not hold anything else.
        pairs_per_shard: pairs of a tar file; the last one may have fewer.
        max_side: longest side in pixels beyond which images are made smaller; None keeps them.
        progress: called with pairs done and pairs in all.
        skips: how many images may be unreadable before nothing is written, and what one may cost to
            decode; it collects those that are.

    Returns:
        The manifest. Unreadable images and the pairs left out because of them are listed in it.

    Raises:
        ShardError: if the folder holds something else.
        DataError: if there are no pairs, or too many images cannot be read.
        ConfigError: for an invalid ``pairs_per_shard`` or ``max_side``.
    """
    if pairs_per_shard < 1 or (max_side is not None and max_side < 1):
        raise ConfigError(
            f"pairs_per_shard={pairs_per_shard}, max_side={max_side}",
            expected="at least 1 of each, or max_side=null",
            todo="correct the option",
        )
    root = Path(root).absolute()
    source = source_of(tables, pairs_per_shard, max_side)
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(root.parent / f".{root.name}.lock"):
        if root.exists() and any(root.iterdir()):
            return _already_there(root, source)
        partial = root.parent / f".{root.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)  # left by a killed writer
        partial.mkdir()
        try:
            skips = Skips() if skips is None else skips
            job = _Job(tables, partial, pairs_per_shard, max_side, skips, progress)
            with naming(root):
                manifest = job.run(source)
                partial.replace(root)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return manifest


@dataclass
class _Job:
    tables: Tables
    folder: Path
    pairs_per_shard: int
    max_side: int | None
    skips: Skips
    progress: Progress | None
    stored: dict[int, StoredImage] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    images: set[int] = field(default_factory=set)

    def run(self, source: str) -> ShardManifest:
        spool = self.folder / "spool"
        spool.mkdir()
        index = IndexWriter(self.folder / INDEX)
        shards: list[ShardFile] = []
        samples = self._samples()
        first = next(samples, None)
        while first is not None:
            path = self.folder / shard_name(len(shards))
            rows = IndexRows(len(shards))
            with new_shard(path) as tar:
                while first is not None and len(rows.pair_id) < self.pairs_per_shard:
                    add_pair(tar, rows, *first)
                    first = next(samples, None)
            index.add(rows)
            shards.append(describe(path, len(rows.pair_id)))
        index.close()
        shutil.rmtree(spool)
        self._check(shards)
        facts = self.tables.manifest
        used = [self.stored[row] for row in sorted(self.images)]
        pairs = sum(shard.pairs for shard in shards)
        manifest = ShardManifest(
            name=facts.name,
            domain=facts.domain,
            simulated=facts.simulated,
            source=source,
            pairs=pairs,
            images=len(used),
            index=describe(self.folder / INDEX, pairs),
            shards=tuple(shards),
            max_side=self.max_side,
            reencoded=sum(image.reencoded for image in used),
            resized=sum(image.resized for image in used),
            unreadable=dict(self.skips.reasons),
            skipped=tuple(self.skipped),
        )
        (self.folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        return manifest

    def _samples(self) -> Iterator[tuple[Pair, list[StoredImage], list[bytes]]]:
        pairs = self.tables.pairs
        total = len(pairs.images_used())
        for row in range(len(pairs)):
            pair = pairs.pair(row)
            sides = [int(pairs.left[row]), int(pairs.right[row])]
            found = [self._image(side) for side in sides]
            images = [image for image in found if image is not None]
            if len(images) == len(sides):
                self.images.update(sides)
                yield pair, [stored for stored, _ in images], [data for _, data in images]
            else:
                self.skips.check(total)
                self.skipped.append(pair.pair_id)
            if self.progress is not None:
                self.progress(row + 1, len(pairs))

    def _image(self, row: int) -> tuple[StoredImage, bytes] | None:
        image_id = str(self.tables.image_ids[row])
        if image_id in self.skips:
            return None
        if row in self.stored:
            return self.stored[row], self.stored[row].read()
        try:
            spool = self.folder / "spool" / f"{row}.jpg"
            path = self.tables.image_path(row)
            self.stored[row], data = prepare_image(
                path, max_side=self.max_side, spool=spool, max_pixels=self.skips.max_pixels
            )
        except ImageError as error:
            self.skips.add(image_id, error)
            return None
        return self.stored[row], data

    def _check(self, shards: list[ShardFile]) -> None:
        if not shards:
            listing = self.skips.listing(5)
            raise DataError(
                f"{self.tables.root}: no pair to write" + (f"\n{listing}" if listing else ""),
                expected="at least one pair whose images can be read",
                todo="prepare the data set with pairs, or repair its images",
            )


def new_shard(path: Path) -> tarfile.TarFile:
    """Open an empty tar file, to be closed by the caller."""
    return tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)


def add_pair(
    tar: tarfile.TarFile, rows: IndexRows, pair: Pair, images: list[StoredImage], data: list[bytes]
) -> None:
    """Append a pair's three members and add their places to the index rows.

    Args:
        tar: an open shard.
        rows: index rows of the shard; the pair is added.
        pair: which pair.
        images: how its left and right image are stored.
        data: their bytes.
    """
    record = pair_json(pair.pair_id, pair.left, pair.right, images[0].sha256, images[1].sha256)
    members = [
        (f"{pair.pair_id}.left.{images[0].extension}", data[0]),
        (f"{pair.pair_id}.right.{images[1].extension}", data[1]),
        (f"{pair.pair_id}.json", json.dumps(record, ensure_ascii=False).encode()),
    ]
    spans = []
    for name, content in members:
        info = tarfile.TarInfo(name)  # no owner, no date: the same pairs give the same bytes
        info.size, info.mode = len(content), 0o644
        tar.addfile(info, io.BytesIO(content))
        tar.getmembers().clear()  # otherwise all headers of a long tar file would stay in memory
        end = -(-len(content) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        spans.append((tar.offset - end, len(content)))
    rows.add(pair.pair_id, pair.left, pair.right, spans)


def source_of(tables: Tables, pairs_per_shard: int, max_side: int | None) -> str:
    """Hash the inputs: tables, options, and the sizes of the image files."""
    digest = hashlib.sha256(tables.fingerprint("images", "pairs").encode())
    digest.update(f"{SHARD_FORMAT_VERSION} {pairs_per_shard} {max_side}".encode())
    for row in tables.pairs.images_used().tolist():
        try:
            size = tables.image_path(row).stat().st_size
        except OSError:
            size = -1
        digest.update(f" {size}".encode())
    return digest.hexdigest()[:16]


def _already_there(root: Path, source: str) -> ShardManifest:
    if not (root / MANIFEST).exists():
        raise ShardError(
            f"{root}: holds files that are no pair shards",
            expected="a folder that does not exist yet, an empty one, or finished shards",
            todo="name another folder",
        )
    manifest = read_manifest(root)
    if manifest.source != source:
        raise ShardError(
            f"{root}: holds shards of other pairs, images or options",
            expected=f"shards of source {source}, found {manifest.source}",
            todo="name another folder, or remove this one and write again",
        )
    return manifest
