"""Names of files, those that are there already, and new ones that appear whole."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from interestingness.tables.image_names import SUFFIXES

_PLAIN = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9_\-.]{0,99}")


def stem_of(image_id: str) -> str:
    """A file name without its ending that no id can abuse (paths, hidden files, great length).

    Plain ids are their own names; others keep what is plain and get a hash.
    """
    if _PLAIN.fullmatch(image_id) and not image_id.endswith("."):
        return image_id
    plain = re.sub(r"[^A-Za-z0-9_\-]+", "_", image_id).strip("_")[:60]
    return f"{plain}-{hashlib.sha256(image_id.encode()).hexdigest()[:16]}"


def present(folders: Iterable[Path]) -> dict[str, Path]:
    """Image files by name without ending; of several, one in an earlier folder.

    A file counts by its name: what somebody put there is theirs, and is neither opened nor
    replaced. Empty files do not count.
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
    """Write a file that appears whole or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove what a run that was killed had begun to write; call while nobody else writes."""
    for path in folder.glob(".*.part"):
        path.unlink()
