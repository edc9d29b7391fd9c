"""Copy shards from a URL to a disk, once: a copy is read by offset, a stream only in full.

A file is renamed to its final name after its hash has been compared; existing files stay, so that
an interrupted copy resumes, and processes and runs that share a cache share one copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from interestingness.data.part import ALL, Part
from interestingness.data.shards.layout import (
    MANIFEST,
    Progress,
    ShardFile,
    ShardManifest,
    read_manifest,
)
from interestingness.data.shards.remote import (
    Unreachable,
    join_url,
    read_url,
    stream_bytes,
    without_password,
)
from interestingness.disk import appearing, naming
from interestingness.errors import ShardError

T = TypeVar("T")

TRIES = 4
WAIT_S = 1.0
"""Times that a file is asked for where the next try may go better, and seconds before the second;
each later wait is four times as long."""
_MB = 1 << 20
Say = Callable[[str], None]


def copy_shards(
    url: str,
    cache: str | Path,
    part: Part = ALL,
    *,
    progress: Progress | None = None,
    say: Say = lambda _: None,
) -> Path:
    """Copy the missing files of one part.

    Args:
        url: where the shards are; any URL that WebDataset opens.
        cache: parent of the copy's folder, which is named after the manifest's content, so that
            changed shards are copied again.
        part: the files to copy; all parts together are a folder of shards.
        progress: called with copied and total megabytes of this part.
        say: called with a message on each retry, and when an earlier copy replaces the URL.

    Returns:
        The folder.

    Raises:
        ShardError: for a URL that cannot be read, a file that differs from the manifest, or
            a disk without room for all shards.
    """
    cache, where = Path(cache), join_url(url, MANIFEST)
    try:
        text = _patiently(lambda: read_url(where), say)
    except Unreachable as error:
        if (earlier := _copy_of(url, cache)) is None:
            raise
        say(f"{error.found}; the copy of before serves: {earlier}")
        return earlier
    manifest = ShardManifest.from_json(text, where=without_password(where))
    root = cache / f"copy-{hashlib.sha256(text).hexdigest()[:16]}"
    work = root.with_name(f".{root.name}")
    for folder in (root, work):
        folder.mkdir(parents=True, exist_ok=True)
    files = [manifest.index, *manifest.shards]
    _check_room(url, root, files)
    mine = [files[at] for at in part.of(len(files))]
    done, total = 0, sum(file.bytes for file in mine)

    def tell(more: int) -> None:
        if progress is not None:
            progress((done + more) // _MB, total // _MB)

    for file in mine:
        with FileLock(work / f"{file.name}.lock"):
            if not _is_there(root, file):
                fetch = partial(_fetch, join_url(url, file.name), work / file.name, file, tell)
                _patiently(fetch, say)
                (work / file.name).replace(root / file.name)
        done += file.bytes
        tell(0)
    with FileLock(work / f"{MANIFEST}.lock"), appearing(root / MANIFEST) as unfinished:
        unfinished.write_bytes(text)
    with appearing(_note(url, cache)) as unfinished:
        unfinished.write_text(root.name, encoding="utf-8")
    return root


def _patiently(fetch: Callable[[], T], say: Say) -> T:
    """Call a function and return its result; retry errors that may pass."""
    for left in reversed(range(TRIES)):
        try:
            return fetch()
        except Unreachable as error:
            if not left or not error.passing:
                raise
            wait = WAIT_S * 4 ** (TRIES - 1 - left)
            say(f"{error.found}; trying again in {wait:g} s")
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _fetch(url: str, path: Path, file: ShardFile, tell: Callable[[int], None]) -> None:
    digest = hashlib.sha256()
    try:
        with naming(path), path.open("wb") as out:
            for some in stream_bytes(url):
                digest.update(some)
                out.write(some)
                tell(out.tell())
            size = out.tell()
            out.flush()
            os.fsync(out.fileno())
        if size < file.bytes:
            raise Unreachable.of(url, ConnectionError(f"ends after {size} of {file.bytes} bytes"))
        if digest.hexdigest() != file.sha256:
            raise ShardError(
                f"{without_password(url)}: does not match its manifest ({size} bytes)",
                expected=f"{file.bytes} bytes with hash {file.sha256[:16]}…",
                todo="run it again, which goes on here; upload the folder again if it stays so",
            )
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _is_there(root: Path, file: ShardFile) -> bool:
    path = root / file.name
    return path.is_file() and path.stat().st_size == file.bytes


def _note(url: str, cache: Path) -> Path:
    """Return the file that names the copy of a URL."""
    return cache / f".copy-of-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def _copy_of(url: str, cache: Path) -> Path | None:
    """Return an earlier complete copy."""
    try:
        root = cache / _note(url, cache).read_text(encoding="utf-8")
        manifest = read_manifest(root)
    except (OSError, ValueError, ShardError):
        return None
    whole = all(_is_there(root, file) for file in (manifest.index, *manifest.shards))
    return root if whole else None


def _check_room(url: str, root: Path, files: list[ShardFile]) -> None:
    wanted = sum(file.bytes for file in files if not _is_there(root, file))
    free = shutil.disk_usage(root).free
    if wanted > free:
        raise ShardError(
            f"{without_password(url)}: {wanted / 1e6:,.1f} MB are to be copied to {root}, where "
            f"{free / 1e6:,.1f} MB are free",
            expected="room for a copy, which every epoch reads",
            todo="name a larger disk (INTERESTINGNESS_CACHE), or data.copy=false streams the "
            "shards in every epoch",
        )
