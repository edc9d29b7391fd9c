"""Power loss: of what was written since the last ``fsync`` any part may be missing.

``strace`` records every write of a process that buys answers. The files are then put together as
they could be on the disk after any of these system calls: what was synced is there, and of the rest
a random part, some of it torn at a sector's end. Every such ledger must open, be sound, and hold
each reply that had been acknowledged by then.
"""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from interestingness.annotators.ledger import opening
from interestingness.annotators.ledger.verify import problems

SECTOR = 512
STORY = textwrap.dedent(
    """
    import asyncio, os, sys
    from interestingness.annotators.ledger.store import Ledger
    from interestingness.annotators.types import Answer, Reply, Task

    async def buy(ledger, number):
        task = Task.of("pair", {"i": number}, {})
        attempt = await ledger.reserve(task, reserve_uusd=10, price_id="p")
        await ledger.received(attempt.id, Reply(200, os.urandom(3000)))
        os.write(1, f"stored {attempt.id}\\n".encode())
        await ledger.judged(attempt.id, Answer("first"), parser_version="1", cost_uusd=5)

    async def story(ledger):
        for start in range(0, 60, 6):
            await asyncio.gather(*(buy(ledger, start + step) for step in range(6)))

    with Ledger.open(sys.argv[1], run={"prices": {"p": 1}}, cap_uusd=10_000,
                     ballast_bytes=1 << 16) as ledger:
        asyncio.run(story(ledger))
    """
)
CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")


@dataclass
class Disk:
    """One file: what is surely there, and what was changed since.

    A change is (offset, bytes), or (length, None) for a cut.
    """

    durable: bytes | None = None
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def now(self) -> bytes:
        return self._with(self.pending)

    def after_power_loss(self, chance: random.Random) -> bytes | None:
        if self.durable is None and chance.random() < 0.5:
            return None  # the name itself was not yet on the disk
        kept = []
        for place, data in self.pending:
            if chance.random() < 0.5:
                continue
            if data is not None and chance.random() < 0.2:
                data = data[: chance.randrange(len(data) // SECTOR + 1) * SECTOR]
            kept.append((place, data))
        return self._with(kept)

    def _with(self, changes: list[tuple[int, bytes | None]]) -> bytes:
        content = bytearray(self.durable or b"")
        for place, data in changes:
            if data is None:
                del content[place:]
                content.extend(bytes(place - len(content)))
            else:
                content.extend(bytes(max(0, place - len(content))))
                content[place : place + len(data)] = data
        return bytes(content)


def calls(log: Path) -> Iterator[tuple[str, str, int]]:
    """Name, arguments and result of each call; calls that another thread interrupted made whole."""
    begun: dict[str, str] = {}
    for line in log.read_text().splitlines():
        thread = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>")
            continue
        resumed = re.match(r"^\d+ +<\.\.\. \w+ resumed>(.*)", line)
        if resumed:
            line = begun.pop(thread) + resumed[1]
        match = CALL.match(line)
        if match:
            yield match[2], match[3], int(match[4])


def text(arguments: str) -> bytes:
    """The one string among the arguments; strace writes it as \\xNN\\xNN…"""
    return bytes.fromhex(arguments.split('"')[1].replace("\\x", ""))


def replay(log: Path, folder: Path, disks: dict[str, Disk]) -> Iterator[set[str]]:
    """Apply call after call to the disks; after each, the attempts acknowledged so far."""
    names: dict[int, str] = {}
    told: set[str] = set()
    for name, arguments, result in calls(log):
        first = arguments.split(",")[0].strip()
        handle = int(first) if first.isdigit() else -1
        file = names.get(handle)
        if name == "openat" and result >= 0:
            path = Path(text(arguments).decode())
            names.pop(result, None)
            if path.parent == folder and path.name in ("a.ledger", "a.ledger-journal"):
                names[result] = path.name
                disks.setdefault(path.name, Disk())
        elif name == "close":
            names.pop(handle, None)
        elif name == "write" and handle == 1:
            told |= set(text(arguments).decode().removeprefix("stored ").split())
        elif name == "unlink" and Path(text(arguments).decode()).parent == folder:
            disks.pop(Path(text(arguments).decode()).name, None)
        elif file is None or result < 0:
            continue
        elif name == "pwrite64":
            place = int(arguments.rsplit(",", 1)[1])
            disks[file].pending.append((place, text(arguments)[:result]))
        elif name == "ftruncate":
            disks[file].pending.append((int(arguments.rsplit(",", 1)[1]), None))
        elif name in ("fsync", "fdatasync"):
            disks[file] = Disk(disks[file].now())
        yield set(told)


def test_whatever_part_of_unsynced_writes_is_lost(kit: Any) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: writes cannot be recorded")
    with kit.open():
        pass
    log = kit.folder / "log"
    disks = {"a.ledger": Disk(kit.path.read_bytes())}
    traced = "trace=openat,close,pwrite64,write,ftruncate,fsync,fdatasync,unlink"
    strace = ["strace", "-f", "-qq", "-xx", "-s", "100000", "-e", "signal=none", "-e", traced]
    command = [*strace, "-o", str(log), sys.executable, "-c", STORY, str(kit.path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0 and "ptrace" in run.stderr:
        pytest.skip("strace is not allowed here")
    assert run.returncode == 0, run.stderr
    chance, checked, most = random.Random(0), 0, 0
    crashed = kit.folder / "crashed"
    for told in replay(log, kit.folder, disks):
        if chance.random() < 0.75:
            continue
        crashed.mkdir()
        for name, disk in disks.items():
            content = disk.after_power_loss(chance)
            if content is not None:
                (crashed / name).write_bytes(content)
        with closing(opening.connect(crashed / "a.ledger", read_only=False)) as db:
            assert list(problems(db)) == []
            stored = {row["attempt"] for row in db.execute("SELECT attempt FROM reply")}
        assert told <= stored
        checked, most = checked + 1, max(most, len(told))
        shutil.rmtree(crashed)
    # the replay saw what the process did
    with closing(sqlite3.connect(kit.path)) as db:
        assert db.execute("SELECT count(*) FROM reply").fetchone()[0] == 60
    assert disks["a.ledger"].now() == kit.path.read_bytes()
    assert most > 40
    assert checked > 100
