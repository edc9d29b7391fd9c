"""Unpack images of tar files, as img2dataset writes them, to files below the cache, once.

Votes, splits and pages name files; reading tar files directly would need a second way everywhere.
The unpacked files have the same bytes: the tar files can be deleted afterwards.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from filelock import FileLock

from interestingness.datasets.photographs import members
from interestingness.datasets.preparing import Progress, input_key
from interestingness.errors import DataError

log = logging.getLogger(__name__)

COPY = 1 << 20


def tar_files(images: str | Path | Iterable[str | Path]) -> list[Path]:
    """Find tar files: one, those in a folder, or those of a pattern; else none.

    Raises:
        DataError: for a folder of our own pair shards.
    """
    if not isinstance(images, str | Path):
        return []
    path = Path(os.path.expanduser(images))  # noqa: PTH111  leaves ~nobody as it is
    if (path / "manifest.json").is_file() and (path / "index.parquet").is_file():
        raise DataError(
            f"{path}: a folder of pair shards",
            expected="images, or tar files of images",
            todo="train on the shards with data=shards",
        )
    if path.is_dir():
        return sorted(path.glob("*.tar"))
    if path.is_file():
        return [path] if path.suffix == ".tar" else []
    found = glob.glob(str(path)) if str(path).endswith(".tar") else []
    return [Path(name) for name in sorted(found)]


def unpacked(tars: Sequence[Path], root: Path, progress: Progress | None = None) -> Path:
    """Return a folder with the images of tar files: ``00000/000000012.jpg``.

    Args:
        tars: whole, not compressed.
        root: parent folder; the folder's name is a hash of the files' names, sizes and dates.
        progress: called with the number of tar files done.

    Raises:
        DataError: a damaged tar file, two of one name, no image, or a name outside the folder.
    """
    stems = [tar.stem for tar in tars]
    if len(set(stems)) < len(stems):
        raise DataError(
            f"two tar files are called {max(stems, key=stems.count)!r}",
            expected="distinct names",
            todo="rename one of them",
        )
    stats = [tar.stat() for tar in tars]
    files = [[str(t.resolve()), s.st_size, s.st_mtime_ns] for t, s in zip(tars, stats, strict=True)]
    name = f"images-{input_key({'tars': files})}"
    final = root / name
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{name}.lock"):
        if final.is_dir():
            return final
        unfinished = root / f".{name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            found = sum(_unpack(tar, unfinished / tar.stem) for tar in _told(tars, progress))
            if not found:
                raise DataError(
                    f"{tars[0]}: no image in {len(tars)} tar files",
                    expected="members ending in .jpg, .png, .webp, …, as img2dataset writes them",
                    todo="name other tar files",
                )
            unfinished.rename(final)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    log.info("%d images of %d tar files are in %s%s", found, len(tars), final, _losses(tars))
    return final


def _told(tars: Sequence[Path], progress: Progress | None) -> Iterable[Path]:
    for done, tar in enumerate(tars, start=1):
        yield tar
        if progress is not None:
            progress(done, len(tars))


def _unpack(tar: Path, folder: Path) -> int:
    count = 0
    with tar.open("rb") as stream:
        for name, offset, size in members(tar):
            inside = PurePosixPath(name)
            if inside.is_absolute() or ".." in inside.parts:
                raise DataError(
                    f"{tar}: a member is called {name!r}",
                    expected="names that stay in the folder",
                    todo="do not trust this file",
                )
            path = folder / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            stream.seek(offset)
            with path.open("wb") as sink:
                while size and (data := stream.read(min(COPY, size))):
                    sink.write(data)
                    size -= len(data)
            if size:
                raise DataError(
                    f"{tar}: cut short within {name}",
                    expected="a whole tar file",
                    todo="obtain it again",
                )
            count += 1
    return count


def _losses(tars: Sequence[Path]) -> str:
    """Read from the files beside the tar files which images img2dataset could not obtain."""
    tried = got = 0
    for tar in tars:
        try:
            stats = json.loads(tar.with_name(f"{tar.stem}_stats.json").read_text())
            tried, got = tried + int(stats["count"]), got + int(stats["successes"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return f"; img2dataset obtained {got} of {tried}" if tried else ""
