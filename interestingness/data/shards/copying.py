"""Copies shards behind a URL to a disk, once: a copy is read by offset, a stream only in full.

Files appear whole, by a rename, after their hash has been compared; what is there already stays,
so that an interrupted copy goes on, and ranks and runs that share a cache share one copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from filelock import FileLock

from interestingness.data.part import ALL, Part
from interestingness.data.shards.layout import MANIFEST, Progress, ShardFile, ShardManifest
from interestingness.data.shards.remote import join_url, read_url, stream_bytes
from interestingness.errors import ShardError

_MB = 1 << 20


def copy_shards(
    url: str, cache: str | Path, part: Part = ALL, *, progress: Progress | None = None
) -> Path:
    """Copy the files of one part that are not there yet.

    Args:
        url: where the shards are; any URL that WebDataset opens.
        cache: folder that the copy's folder goes into, named by what the manifest says, so that
            shards that have changed are copied again.
        part: which of the files; all parts together make a folder of shards.
        progress: told megabytes there and megabytes in all, of this part.

    Returns:
        The folder.

    Raises:
        ShardError: for a URL that cannot be read, a file that is not what the manifest says, or
            a disk without room for all shards.
    """
    where = join_url(url, MANIFEST)
    text = read_url(where)
    manifest = ShardManifest.from_json(text, where=where)
    root = Path(cache) / f"copy-{hashlib.sha256(text).hexdigest()[:16]}"
    work = root.with_name(f".{root.name}")
    for folder in (root, work):
        folder.mkdir(parents=True, exist_ok=True)
    files = [manifest.index, *manifest.shards]
    _check_room(url, root, files)
    mine = [files[at] for at in part.of(len(files))]
    done, total = 0, sum(file.bytes for file in mine)
    for file in mine:
        with FileLock(work / f"{file.name}.lock"):
            if not _is_there(root, file):
                _copy(join_url(url, file.name), root, work / file.name, file)
        done += file.bytes
        if progress is not None:
            progress(done // _MB, total // _MB)
    with FileLock(work / f"{MANIFEST}.lock"):
        (work / MANIFEST).write_bytes(text)
        (work / MANIFEST).replace(root / MANIFEST)
    return root


def _is_there(root: Path, file: ShardFile) -> bool:
    path = root / file.name
    return path.is_file() and path.stat().st_size == file.bytes


def _copy(url: str, root: Path, partial: Path, file: ShardFile) -> None:
    digest = hashlib.sha256()
    try:
        with partial.open("wb") as out:
            for some in stream_bytes(url):
                digest.update(some)
                out.write(some)
            size = out.tell()
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != file.sha256:
            raise ShardError(
                f"{url}: does not match its manifest ({size} bytes)",
                expected=f"{file.bytes} bytes with hash {file.sha256[:16]}…",
                todo="run it again, which goes on here; upload the folder again if it stays so",
            )
        partial.replace(root / file.name)
    finally:
        partial.unlink(missing_ok=True)


def _check_room(url: str, root: Path, files: list[ShardFile]) -> None:
    wanted = sum(file.bytes for file in files if not _is_there(root, file))
    free = shutil.disk_usage(root).free
    if wanted > free:
        raise ShardError(
            f"{url}: {wanted / 1e9:.1f} GB are to be copied to {root}, where {free / 1e9:.1f} GB "
            "are free",
            expected="room for a copy, which every epoch reads",
            todo="name a larger disk (INTERESTINGNESS_CACHE), or data.copy=false streams the "
            "shards in every epoch",
        )
