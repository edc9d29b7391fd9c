"""Read lists of photographs: a path or an address a line, or paths that end in a NUL byte."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from interestingness.datasets.download.outcomes import Item
from interestingness.datasets.download.settings import DownloadSettings
from interestingness.datasets.preparing import Progress
from interestingness.errors import DataError, DiskError

STDIN = "-"
_SCHEMES = ("http://", "https://")


@dataclass(frozen=True)
class PhotoList:
    """What lists name, each once.

    Attributes:
        paths: as the file system has them.
        urls: addresses.
    """

    paths: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


def is_url(name: str) -> bool:
    """Check whether a name is an address; no path below a folder has two slashes in a row."""
    return name.lower().startswith(_SCHEMES)


def read_lists(files: Iterable[str], stdin: BinaryIO) -> PhotoList:
    """Read several lists.

    Args:
        files: of the lists; ``-`` is ``stdin``.
        stdin: bytes, read once.

    Raises:
        DataError: for a list that cannot be read, or names nothing.
    """
    found: dict[str, None] = {}
    for file in dict.fromkeys(files):
        entries = entries_of(stdin.read() if file == STDIN else _bytes(Path(file).expanduser()))
        if not entries:
            raise DataError(
                f"{'standard input' if file == STDIN else file}: an empty list",
                expected="a path or an address a line",
                todo="find ~/Pictures -name '*.jpg' | interestingness rank -",
            )
        found.update(dict.fromkeys(entries))
    paths = tuple(entry for entry in found if not is_url(entry))
    return PhotoList(paths, tuple(entry for entry in found if is_url(entry)))


def entries_of(data: bytes) -> list[str]:
    """Split a list into paths and addresses.

    Lines end in LF or CRLF. A list with a NUL byte (``find -print0``) is split at these instead, so
    that a name may hold a line break. UTF-16 is recognised by its mark. Bytes that are not UTF-8
    stay what they are, as in other paths.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        return [os.fsdecode(entry) for entry in data.split(b"\0") if entry]
    lines = (line.removesuffix(b"\r") for line in data.split(b"\n"))
    return [os.fsdecode(line) for line in lines if line.strip()]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"--list {path}: {error.strerror or error}",
            expected="a text file with a path or an address a line",
            todo=f"correct the path (current folder: {Path.cwd()})",
        ) from None


def fetch_photographs(
    urls: Iterable[str],
    folder: Path,
    *,
    settings: DownloadSettings,
    progress: Progress | None = None,
) -> Mapping[str, Path | str]:
    """Download pictures through the one door that refuses private addresses; resumes.

    Args:
        urls: distinct.
        folder: where files are kept; those that are there are not asked for again.
        settings: limits.
        progress: called with the progress.

    Returns:
        By URL the file, or why there is none.
    """
    # imported here: aiohttp is not needed where no list has an address
    from interestingness.datasets.download.run import download_images

    items = [Item(url, url) for url in urls]
    found: dict[str, Path | str] = {}
    try:
        outcomes = download_images(items, folder, settings=settings, progress=progress)
    except OSError as error:
        raise DiskError(f"{folder}: {error.strerror or error}", todo="--downloads FOLDER") from None
    for outcome in outcomes:
        file = (folder / outcome.file).resolve()
        why = f"{outcome.kind} ({outcome.detail})" if outcome.detail else outcome.kind
        found[outcome.image_id] = file if outcome.kept else why
    return found
