"""Files that lost their end: SQLite reads nothing of a file shorter than its header says."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MAGIC = b"SQLite format 3\x00"
HEADER = 100
"""Bytes of the file header (https://www.sqlite.org/fileformat2.html, section 1.3)."""


def missing_bytes(path: Path) -> int:
    """How much shorter a file is than its header says; 0 where the header says nothing."""
    with open(path, "rb") as file:
        header = file.read(HEADER)
    if len(header) < HEADER or not header.startswith(MAGIC):
        return 0
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    return max(0, (65536 if page == 1 else page) * pages - path.stat().st_size)


@contextmanager
def at_full_length(path: Path, folder: Path) -> Iterator[Path]:
    """The file itself, or a copy filled up with zeros: its lost pages then read as damaged ones.

    Args:
        path: left as it is.
        folder: holds the copy meanwhile, with the journal, which may give back the lost end.
    """
    missing = missing_bytes(path)
    if not missing:
        yield path
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{path.name}.") as place:
        copy = Path(place) / path.name
        shutil.copyfile(path, copy)
        journal = path.with_name(path.name + "-journal")
        if journal.is_file():
            shutil.copyfile(journal, copy.with_name(journal.name))
        with open(copy, "r+b") as file, suppress(OSError):  # a header may state any size
            file.truncate(path.stat().st_size + missing)
        yield copy
