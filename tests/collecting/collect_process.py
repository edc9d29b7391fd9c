"""``interestingness collect`` as a process of its own, and what is in its store."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Server:
    """``interestingness collect`` as a process."""

    def __init__(self, photos: Path, folder: Path, *options: str) -> None:
        self.port, self.store = free_port(), folder / "votes.sqlite"
        self.command = [
            sys.executable, "-m", "interestingness", "collect", str(photos), "--store",
            str(self.store), "--port", str(self.port), "--cache", str(folder / "cache"), *options,
        ]  # fmt: skip
        self.log = folder / "server.txt"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        for _ in range(2400):
            try:
                httpx.get(f"{self.address}/api/state", timeout=60)
                return
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=120)


def read(store: Path, query: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()
