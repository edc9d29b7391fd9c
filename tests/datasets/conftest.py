"""Tiny photographs and a short way to prepare them, raw files, a misbehaving host."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from interestingness.datasets.download import run as download_run
from interestingness.datasets.download.settings import DownloadSettings
from interestingness.datasets.folder import prepare_folder
from interestingness.tables.tables import Tables

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


def load(path: Path) -> ModuleType:
    """A module of tests by its file: raw/…/data.py, a host."""
    name = "_".join(path.with_suffix("").parts[-3:])
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def misbehaving() -> ModuleType:
    return load(Path(__file__).with_name("misbehaving.py"))


@pytest.fixture
def host(misbehaving: ModuleType) -> Iterator[Any]:
    server = misbehaving.Misbehaving()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def from_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets may fetch images from this machine, and lose no time."""
    quick = partial(DownloadSettings, loopback=True, pause_s=0, backoff_s=0.01)
    monkeypatch.setattr(download_run, "DownloadSettings", quick)


@pytest.fixture(scope="session")
def raw() -> Callable[[str], ModuleType]:
    """The generator of a data set's raw files, by the data set's name."""
    return lambda name: load(Path(__file__).parents[1] / "raw" / name / "data.py")
