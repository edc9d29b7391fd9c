"""The disk fills up while answers are on their way, with the engine and a server."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from bench import Bench, pairs
from disks import fill
from servers.scripted import Answer, ScriptedServer, Seen, completion

from interestingness.annotators.engine.run_state import Exit, Stop
from interestingness.annotators.ledger.errors import LedgerStorageError


def large(seen: Seen) -> Answer:
    """An answer of 100 kB that does not compress to nothing, after a while."""
    content = json.dumps({"choice": "first", "reason": os.urandom(50_000).hex()})
    return Answer(body=completion(content), delay_s=0.3)


def small(seen: Seen) -> Answer:
    return Answer(body=completion(json.dumps({"choice": "first", "reason": "x"})), delay_s=0.3)


def test_a_nearly_full_disk_stores_what_was_answered(
    small_disk: Path, server: ScriptedServer
) -> None:
    bench = Bench(small_disk / "judge.sqlite")

    async def fill_up(stop: Stop) -> None:
        while len(server.journal) < 8:
            await asyncio.sleep(0.005)
        (small_disk / "filler").write_bytes(b"f" * (2 << 20))
        await asyncio.Event().wait()

    server.script = small
    ended = bench.run(
        server.base_url, pairs(60), concurrency=8, meanwhile=fill_up, spare_bytes=2 << 20
    )
    assert ended.exit_code == Exit.IO
    paid = len(server.answered)
    assert 8 <= paid < 60
    assert bench.rows("SELECT count(*) FROM label") == [(paid,)]
    (small_disk / "filler").unlink()
    again = bench.run(server.base_url, pairs(40), concurrency=8)
    assert again.exit_code == Exit.DONE
    assert len(server.answered) == paid + again.tally.sent
    assert set(bench.states()) <= {"judged", "failed_free"}
    bench.check(server)


def test_a_full_disk_is_one_error_and_the_next_run_buys_nothing_twice(
    small_disk: Path, server: ScriptedServer
) -> None:
    bench = Bench(small_disk / "judge.sqlite")

    async def fill_up(stop: Stop) -> None:
        while len(server.journal) < 8:
            await asyncio.sleep(0.005)
        await asyncio.to_thread(fill, small_disk)
        await asyncio.Event().wait()

    server.script = large
    with pytest.raises(LedgerStorageError) as error:
        bench.run(server.base_url, pairs(60), concurrency=8, meanwhile=fill_up)
    assert error.value.exit_code == Exit.IO
    paid = {seen.attempt_id for seen in server.answered}
    assert 8 <= len(paid) < 60
    (small_disk / "filler").unlink()
    server.script = small
    again = bench.run(server.base_url, pairs(40), concurrency=8)
    assert again.exit_code == Exit.DONE
    # what was answered and did not fit on the disk is in doubt, and so it is not asked again
    states = dict(bench.rows("SELECT id, state FROM attempt"))
    assert {states[attempt_id] for attempt_id in paid} <= {"judged", "in_doubt"}
    assert len(server.answered) == len(paid) + again.tally.sent
    bench.check(server)
