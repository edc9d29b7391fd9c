"""Fixtures of whole runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import Bench
from servers.scripted import ScriptedServer

from interestingness import http_waits


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """In memory where that is possible, and with short waits: neither is what is tested here."""
    monkeypatch.setattr(http_waits, "FIRST_S", 0.02)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Bench(Path(folder) / "judge.sqlite")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running
