"""Full disks, broken disks, network disks: what was received is kept, and nothing more is sent."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from disks import fill

from interestingness.annotators.ledger import lock, spill
from interestingness.annotators.ledger.errors import (
    LedgerBusyError,
    LedgerError,
    LedgerStorageError,
)
from interestingness.annotators.ledger.lock import filesystem_of
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Attempt, Denied, Reply

BALLAST = 1 << 19


async def reserved(ledger: Ledger, kit: Any, numbers: range) -> list[str]:
    outcomes = [
        await ledger.reserve(kit.task(number), reserve_uusd=10, price_id="p") for number in numbers
    ]
    return [outcome.id for outcome in outcomes if isinstance(outcome, Attempt)]


def replies(size: int, count: int) -> list[Reply]:
    return [Reply(200, os.urandom(size)) for _ in range(count)]


def test_a_full_disk_loses_nothing_that_was_received(
    make_kit: Any, small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kit = make_kit(small_disk)
    received = replies(20_000, 16)

    async def story(ledger: Ledger) -> Path:
        flying = await reserved(ledger, kit, range(16))
        filler = fill(small_disk)
        await asyncio.gather(
            *(ledger.received(name, reply) for name, reply in zip(flying, received, strict=True))
        )
        denied = await ledger.reserve(kit.task(99), reserve_uusd=10, price_id="p")
        assert isinstance(denied, Denied)
        assert denied.reason == "stopped"
        assert "full" in ledger.stopped
        return filler

    with kit.open(ballast_bytes=BALLAST) as ledger:
        filler = asyncio.run(story(ledger))
    assert list(spill.read(kit.path)) == []
    with pytest.raises(LedgerStorageError, match="bytes free") as error:
        kit.open(ballast_bytes=BALLAST)
    assert error.value.exit_code == 74
    filler.unlink()
    with kit.open(ballast_bytes=BALLAST) as ledger:
        assert {r.body for _, _, r in ledger.unjudged()} == {r.body for r in received}
    assert capfd.readouterr().err == ""


def test_beyond_the_ballast_answers_are_spilled_and_taken_in(
    make_kit: Any, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    kit = make_kit(small_disk)
    received = replies(100_000, 12)  # more than twice the ballast

    async def story(ledger: Ledger) -> Path:
        flying = await reserved(ledger, kit, range(12))
        filler = fill(small_disk)
        for name, reply in zip(flying, received, strict=True):
            assert await ledger.received(name, reply)
        return filler

    with kit.open(ballast_bytes=BALLAST) as ledger:
        filler = asyncio.run(story(ledger))
    assert list(spill.read(kit.path)) != []
    filler.unlink()
    with kit.open(ballast_bytes=BALLAST) as ledger:
        assert {r.body for _, _, r in ledger.unjudged()} == {r.body for r in received}
    assert list(spill.read(kit.path)) == []


def test_a_nearly_full_disk_stops_new_requests_only(make_kit: Any, small_disk: Path) -> None:
    kit = make_kit(small_disk)

    async def story(ledger: Ledger) -> None:
        (name,) = await reserved(ledger, kit, range(1))
        with open(small_disk / "other", "wb") as file:
            file.write(b"o" * (2 << 20))
        ledger.event("anything")
        assert isinstance(await ledger.reserve(kit.task(1), reserve_uusd=1, price_id="p"), Denied)
        assert "nearly full" in ledger.stopped
        await ledger.received(name, kit.reply())
        assert len(list(ledger.unjudged())) == 1

    with kit.open(ballast_bytes=BALLAST) as ledger:
        asyncio.run(story(ledger))


def test_a_disk_that_refuses_to_write_stops_before_sending(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses every write beyond the present size of the file: a real I/O error."""
    code = textwrap.dedent(
        """
        import asyncio, os, resource, signal, sys
        from interestingness.annotators.ledger.store import Ledger
        from interestingness.annotators.types import Denied, Reply, Task

        def task(number):
            return Task.of("pair", {"i": number}, {})

        async def story(ledger):
            attempt = await ledger.reserve(task(0), reserve_uusd=10, price_id="p")
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            limit = os.path.getsize(sys.argv[1])
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            await ledger.received(attempt.id, Reply(200, b"answer" + os.urandom(50_000)))
            denied = await ledger.reserve(task(1), reserve_uusd=10, price_id="p")
            assert isinstance(denied, Denied) and denied.reason == "stopped", denied
            await ledger.judged(attempt.id, None, parser_version="1")
            print(ledger.stopped)

        with Ledger.open(sys.argv[1], run={"prices": {"p": 1}}, cap_uusd=100,
                         ballast_bytes=1 << 16) as ledger:
            asyncio.run(story(ledger))
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", code, kit.path], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "disk I/O error" in run.stdout
    with kit.open() as ledger:
        (stored,) = ledger.unjudged()
        assert stored[2].body.startswith(b"answer")
        with sqlite3.connect(kit.path) as db:
            states = db.execute("SELECT state FROM attempt").fetchall()
        db.close()
        assert states == [("received",)]


def test_a_place_that_cannot_be_written_is_one_error(kit: Any) -> None:
    (kit.folder / "file").write_text("")
    with pytest.raises(LedgerStorageError, match="cannot be opened for writing"):
        kit.open(kit.folder / "file" / "a.ledger")


def test_the_last_resort_is_standard_error(
    kit: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    blocked = kit.folder / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    kit.path.with_name("a.ledger.spill").write_text("")
    assert spill.write(kit.path, "a-1", kit.reply()) is None
    assert '"attempt": "a-1"' in capfd.readouterr().err


def test_a_user_without_a_home_has_one_place_less(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert len(spill.folders(kit.path)) == 2
    monkeypatch.setattr(Path, "home", homeless)
    assert len(spill.folders(kit.path)) == 1
    with kit.open():
        pass


def test_a_second_writer_is_refused_at_once(kit: Any) -> None:
    with kit.open(), pytest.raises(LedgerBusyError, match="another process") as error:
        kit.open()
    assert error.value.exit_code == 75
    with kit.open():
        pass


MOUNTS = """\
20 1 254:0 / / rw - ext4 /dev/vda rw
21 20 0:30 / /net rw - nfs4 server:/x rw
22 20 0:31 / /net/local rw - ext4 /dev/vdb rw
23 20 0:32 / /my\\040disk rw - fuse.sshfs host: rw
24 20 0:33 / /ntfs rw - fuseblk /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("folder", "kind", "refused"),
    [
        ("/home/me", "ext4", False),
        ("/net/home", "nfs4", True),
        ("/network", "ext4", False),
        ("/net/local/x", "ext4", False),
        ("/my disk", "fuse.sshfs", True),
        ("/ntfs/a", "fuseblk", False),
    ],
)
def test_network_disks_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, kind: str, refused: bool
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    monkeypatch.setattr(lock, "MOUNTS", mounts)
    assert filesystem_of(Path(folder)) == kind
    if refused:
        with pytest.raises(LedgerError, match="local disk"):
            lock.refuse_network_disk(Path(folder))
    else:
        lock.refuse_network_disk(Path(folder))


def test_a_network_disk_stops_the_opening(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = kit.folder / "mountinfo"
    mounts.write_text("20 1 0:30 / / rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(lock, "MOUNTS", mounts)
    with pytest.raises(LedgerError, match="nfs4"):
        kit.open()
    assert not kit.path.exists()
