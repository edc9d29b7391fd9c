"""A disk that is full."""

from __future__ import annotations

from pathlib import Path


def fill(folder: Path) -> Path:
    """Take every byte that is left."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"f" * size)
            except OSError:
                pass
    return filler
