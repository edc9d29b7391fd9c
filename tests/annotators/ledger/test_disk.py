"""A full or failing disk is one error, what was stored stays, and the next run goes on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from disks import fill

from interestingness.annotators.ledger.errors import LedgerBusyError, LedgerStorageError
from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Attempt, Denied, Reply


async def reserved(ledger: Ledger, kit: Any, numbers: range) -> list[str]:
    outcomes = [
        await ledger.reserve(kit.task(number), reserve_uusd=10, price_id="p") for number in numbers
    ]
    return [outcome.id for outcome in outcomes if isinstance(outcome, Attempt)]


def test_a_nearly_full_disk_stops_new_requests_and_stores_what_arrives(
    make_kit: Any, small_disk: Path
) -> None:
    kit = make_kit(small_disk)

    async def story(ledger: Ledger) -> None:
        names = await reserved(ledger, kit, range(16))
        (small_disk / "other").write_bytes(b"o" * (2 << 20))
        replies = [kit.reply(salt=number) for number in range(16)]
        told = map(ledger.received, names, replies)
        assert all(await asyncio.gather(*told))
        denied = await ledger.reserve(kit.task(99), reserve_uusd=1, price_id="p")
        assert isinstance(denied, Denied)
        assert denied.reason == "stopped"
        assert len(list(ledger.unparsed())) == 16

    with kit.open(spare_bytes=2 << 20) as ledger:
        asyncio.run(story(ledger))
        assert ledger.stopped
    with pytest.raises(LedgerStorageError) as error:
        kit.open(spare_bytes=2 << 20)
    assert error.value.exit_code == 74


def test_a_full_disk_is_one_error_and_the_ledger_opens_again(
    make_kit: Any, small_disk: Path
) -> None:
    """An answer that does not fit any more leaves its attempt in doubt: it is not bought again."""
    kit = make_kit(small_disk)
    large = Reply(200, os.urandom(50_000))

    async def story(ledger: Ledger) -> Path:
        await kit.buy(ledger, kit.task(0))
        (name,) = await reserved(ledger, kit, range(1, 2))
        filler = fill(small_disk)
        with pytest.raises(LedgerStorageError) as error:
            await ledger.received(name, large)
        assert error.value.exit_code == 74
        assert await reserved(ledger, kit, range(2, 3)) == []
        assert ledger.stopped
        return filler

    with kit.open() as ledger:
        filler = asyncio.run(story(ledger))
    filler.unlink()
    with kit.open() as ledger:
        need = ledger.need([kit.task(number) for number in range(3)])
        assert (need.labelled, need.held, need.todo) == (1, 1, [kit.task(2)])
        assert ledger.spent_uusd == 60 + 10


def test_a_disk_that_refuses_to_write_stops_before_sending(kit: Any) -> None:
    """The kernel refuses every write beyond a size: a real I/O error."""
    code = textwrap.dedent(
        """
        import asyncio, os, resource, signal, sys
        from interestingness.annotators.ledger.errors import LedgerStorageError
        from interestingness.annotators.ledger.store import Ledger
        from interestingness.annotators.types import Denied, Reply, Task

        def task(number):
            return Task.of("pair", {"i": number}, {})

        async def story(ledger):
            attempt = await ledger.reserve(task(0), reserve_uusd=10, price_id="p")
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            limit = os.path.getsize(sys.argv[1] + "-wal") + 4096
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            try:
                await ledger.received(attempt.id, Reply(200, os.urandom(50_000)))
            except LedgerStorageError as error:
                denied = await ledger.reserve(task(1), reserve_uusd=10, price_id="p")
                assert isinstance(denied, Denied) and denied.reason == "stopped", denied
                raise SystemExit(error.exit_code)

        with Ledger.open(sys.argv[1], run={"prices": {"p": 1}}, cap_uusd=100,
                         spare_bytes=0) as ledger:
            asyncio.run(story(ledger))
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", code, kit.path], capture_output=True, text=True, check=False
    )
    assert run.returncode == 74, run.stderr
    with kit.open() as ledger:
        assert list(ledger.unparsed()) == []
        assert ledger.spent_uusd == 10


def test_a_place_that_cannot_be_written_is_one_error(kit: Any) -> None:
    (kit.folder / "file").write_text("")
    with pytest.raises(LedgerStorageError):
        kit.open(kit.folder / "file" / "a.ledger")


def test_a_second_writer_is_refused_at_once(kit: Any) -> None:
    with kit.open(), pytest.raises(LedgerBusyError) as error:
        kit.open()
    assert error.value.exit_code == 75
    with kit.open():
        pass
