"""Tiny photographs and a short way to prepare them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from interestingness.datasets.folder import prepare_folder
from interestingness.labels.tables import Tables

OPTIONS: dict[str, Any] = {
    "question": "interesting",
    "pairs_per_image": 2,
    "votes_per_rater": None,
    "on_missing": "error",
    "seed": 0,
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six images, two of them in a subfolder, and things that are no images."""
    folder = tmp_path / "photos"
    names = ["a.jpg", "b.JPG", "c.png", "Zürich 1.jpg", "trip/d.jpg", "trip/e.webp"]
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8 + i, 6), (40 * i, 10, 200)).save(path)
    (folder / "notes.txt").write_text("not an image")
    (folder / "._a.jpg").write_bytes(b"what a Mac leaves behind")
    hidden = folder / ".thumbnails"
    hidden.mkdir()
    Image.new("RGB", (4, 4)).save(hidden / "a.jpg")
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file and give its path."""

    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return make


@pytest.fixture
def prepare(tmp_path: Path, photos: Path) -> Callable[..., Tables]:
    """``prepare_folder`` on ``photos`` with the usual options."""

    def make(**options: Any) -> Tables:
        return prepare_folder(tmp_path / "cache", **{"images": photos, **OPTIONS, **options})

    return make
