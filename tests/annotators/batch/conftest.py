"""A ledger, a provider in memory, and runs of batches over them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from batches import Batches
from bench import Bench
from servers.provider import Provider
from servers.scripted import ScriptedServer

from interestingness import http_waits


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def server(provider: Provider) -> Iterator[ScriptedServer]:
    with ScriptedServer(provider) as running:
        yield running


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(http_waits, "FIRST_S", 0.01)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Bench(Path(folder) / "judge.sqlite")


@pytest.fixture
def batches(bench: Bench, server: ScriptedServer) -> Batches:
    return Batches(bench, server.base_url)
