"""The misbehaving host, as a fixture."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from interestingness.datasets.download.settings import Settings


def _load() -> ModuleType:
    path = Path(__file__).with_name("misbehaving.py")
    spec = importlib.util.spec_from_file_location("misbehaving", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["misbehaving"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def misbehaving() -> ModuleType:
    return _load()


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
def settings() -> Settings:
    """Impatient, and allowed to ask this machine."""
    return Settings(
        pause_s=0, attempts=2, backoff_s=0.05, idle_s=0.5, timeout_s=0.7, max_bytes=200_000,
        max_pixels=4_000_000, loopback=True,
    )  # fmt: skip
