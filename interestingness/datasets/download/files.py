"""Name files, find existing ones, and write new ones atomically."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from interestingness.tables.spellings import SUFFIXES

_PLAIN = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9_\-.]{0,99}")


def stem_of(image_id: str) -> str:
    """Return a safe file name without suffix for any id (paths, hidden files, great length).

    Plain ids are their own names; others keep their plain characters and get a hash.
    """
    if _PLAIN.fullmatch(image_id) and not image_id.endswith("."):
        return image_id
    plain = re.sub(r"[^A-Za-z0-9_\-]+", "_", image_id).strip("_")[:60]
    return f"{plain}-{hashlib.sha256(image_id.encode()).hexdigest()[:16]}"


def present(folders: Iterable[Path]) -> dict[str, Path]:
    """Return image files by name without suffix; of several, one in an earlier folder.

    Only the name counts: a user's file is neither opened nor replaced. Empty files do not
    count.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            continue
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            stem, suffix = Path(entry.name).stem, Path(entry.name).suffix
            is_image = suffix.lower() in SUFFIXES and not entry.name.startswith(".")
            if is_image and entry.is_file() and entry.stat().st_size:
                found.setdefault(stem, Path(entry.path))
    return found


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove a killed run's unfinished files; call it while no other process writes."""
    for path in folder.glob(".*.part"):
        path.unlink()
