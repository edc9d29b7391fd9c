"""Tell folders that machines fill with copies of photographs from folders of people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

NAMES = frozenset(
    [
        # thumbnails, indexes, snapshots and recycle bins of network storage
        "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@sharebin",
        "@__thumb", "network trash folder", "temporary items",
        # of operating systems
        "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found",
        "found.000", "__macosx",
        # of photo managers and galleries
        "captureone", "thumbnails", "thumbs", "_thumbs", "zbthumbnails",
    ]
)  # fmt: skip
"""Names of such folders, in lower case. Hidden folders (.thumbnails, .Trash, …) count too."""

SUFFIXES = frozenset((".lrdata", ".lrcat-data", ".previews"))
"""What folders of previews end with: Lightroom's."""

LIBRARIES = frozenset(
    (".photoslibrary", ".photolibrary", ".migratedphotolibrary", ".aplibrary", ".cocatalog")
)
"""Folders of a photo manager's library: what is not in one of ``ORIGINALS`` was made by it."""

ORIGINALS = frozenset(("originals", "masters", "original"))


def machine_folder(name: str, parent: str) -> bool:
    """Check whether a machine fills a folder of this name, inside one of the parent's name."""
    name = name.casefold()
    if name.startswith(".") or name in NAMES or PurePath(name).suffix in SUFFIXES:
        return True
    library = PurePath(parent.casefold()).suffix in LIBRARIES
    return library and name not in ORIGINALS


def machine_part(folders: tuple[str, ...], above: str = "") -> str | None:
    """Return the first folder of a path that a machine fills; None if there is none.

    Args:
        folders: names below the folder that a person named, the outermost first.
        above: name of that folder.
    """
    parents: Iterator[str] = iter((above, *folders))
    return next((f for f, p in zip(folders, parents, strict=False) if machine_folder(f, p)), None)
