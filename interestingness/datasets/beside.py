"""Files that lie beside a photograph, found by name whatever its case and form of Unicode."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path


def name_key(name: str) -> str:
    """Return what names have in common that programs and file systems change at will."""
    return unicodedata.normalize("NFC", name).casefold()


class FilesBeside:
    """The files of folders by a key of their name; a folder is listed once."""

    def __init__(self, key: Callable[[str], str | None]) -> None:
        """Start without folders.

        Args:
            key: of a file's name; None leaves the file out.
        """
        self._key = key
        self._folders: dict[Path, dict[str, list[Path]]] = {}

    def of(self, folder: Path, key: str) -> list[Path]:
        """Return the files of a folder that have this key, sorted by name."""
        if folder not in self._folders:
            self._folders[folder] = self._listed(folder)
        return self._folders[folder].get(key, [])

    def _listed(self, folder: Path) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError:
            names = []
        for name in names:
            if (key := self._key(name)) is not None:
                found.setdefault(key, []).append(folder / name)
        return found
