"""kill -9 at the points that matter, and at random ones; Ctrl-C leaves nothing half told."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from interestingness.annotators.ledger.verify import problems
from interestingness.annotators.types import Answer, Parsed, Task

PRELUDE = """
    import asyncio, os, signal, sys
    from interestingness.annotators.ledger import attempts, verdicts
    from interestingness.annotators.ledger.store import Ledger
    from interestingness.annotators.types import Answer, Parsed, Reply, Task

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def task(number):
        return Task.of("pair", {"i": number}, {"pair_id": f"{number:016x}", "first": "left"})

    def opened():
        return Ledger.open(sys.argv[1], run={"prices": {"p": 1}}, cap_uusd=10_000,
                           spare_bytes=1 << 16)

    async def reserve(ledger, number=0):
        return await ledger.reserve(task(number), reserve_uusd=100, price_id="p")
"""

POINTS = {
    "between reservation and sending": (
        """
        async def story(ledger):
            await reserve(ledger)
            die()
        """,
        "in_doubt",
        0,
    ),
    "between the bytes and storing them": (
        """
        async def story(ledger):
            attempt = await reserve(ledger)
            attempts.received = lambda *_: die()
            await ledger.received(attempt.id, Reply(200, b"{}"))
        """,
        "in_doubt",
        0,
    ),
    "while storing, reply written and attempt not": (
        """
        async def story(ledger):
            attempt = await reserve(ledger)
            attempts.change = lambda *_, **__: die()
            await ledger.received(attempt.id, Reply(200, b"{}"))
        """,
        "in_doubt",
        0,
    ),
    "between storing and parsing": (
        """
        async def story(ledger):
            attempt = await reserve(ledger)
            await ledger.received(attempt.id, Reply(200, b"{}"))
            die()
        """,
        "received",
        1,
    ),
    "while storing the label": (
        """
        async def story(ledger):
            attempt = await reserve(ledger)
            await ledger.received(attempt.id, Reply(200, b"{}"))
            verdicts.add_verdict = lambda *_: die()
            found = Parsed(Answer("first"))
            await ledger.parsed(attempt.id, found, parser_version="1", cost_uusd=1)
        """,
        "received",
        1,
    ),
    "after the label": (
        """
        async def story(ledger):
            attempt = await reserve(ledger)
            await ledger.received(attempt.id, Reply(200, b"{}"))
            found = Parsed(Answer("first"))
            await ledger.parsed(attempt.id, found, parser_version="1", cost_uusd=1)
            die()
        """,
        "judged",
        1,
    ),
}


def script(body: str) -> str:
    return "\n".join(
        [
            textwrap.dedent(PRELUDE),
            textwrap.dedent(body),
            "with opened() as ledger:",
            "    asyncio.run(story(ledger))",
        ]
    )


def problems_of(db: sqlite3.Connection) -> list[str]:
    return list(problems(db, lambda *_: Parsed(Answer("first")), "1"))


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point(kit: Any, point: str) -> None:
    body, state, replies = POINTS[point]
    killed = subprocess.run([sys.executable, "-c", script(body), kit.path], check=False)
    assert killed.returncode == -signal.SIGKILL
    with kit.open() as ledger:
        asked = Task.of("pair", {"i": 0}, {"pair_id": f"{0:016x}", "first": "left"})
        need = ledger.need([asked])
        assert (need.todo, need.total) == ([], 1)
        assert ledger.spent_uusd + ledger.reserved_uusd == (1 if state == "judged" else 100)
    with sqlite3.connect(kit.path) as db:
        db.row_factory = sqlite3.Row
        assert [row["state"] for row in db.execute("SELECT state FROM attempt")] == [state]
        assert db.execute("SELECT count(*) FROM reply").fetchone()[0] == replies
        assert problems_of(db) == []
    db.close()


def test_killed_while_it_is_made(kit: Any) -> None:
    """The name appears with the whole schema or not at all."""
    body = """
    os.fsync = lambda _: die()
    async def story(ledger):
        raise AssertionError("opened")
    """
    killed = subprocess.run([sys.executable, "-c", script(body), kit.path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not kit.path.exists()
    with kit.open() as ledger:
        assert ledger.need([kit.task(0)]).todo == [kit.task(0)]


def test_killed_at_random_against_a_server_with_its_own_journal(repository: Path) -> None:
    options = ["kills=12", "tasks=600", "concurrency=8", "longest_ms=150"]
    memory = Path("/dev/shm")
    if memory.is_dir():
        options.append(f"folder={memory}")
    run = subprocess.run(
        [sys.executable, repository / "benchmarks" / "ledger_torture.py", *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "paid and unknown   0" in run.stdout
    assert "second labels      0" in run.stdout
    assert "kills              12" in run.stdout


def test_only_one_of_many_that_start_at_once_writes(kit: Any) -> None:
    code = (
        textwrap.dedent(PRELUDE)
        + """
import time
from interestingness.annotators.ledger.errors import LedgerBusyError
while time.time() < float(sys.argv[2]):
    pass
try:
    with opened() as ledger:
        asyncio.run(reserve(ledger, int(sys.argv[3])))
        sys.stdin.read()  # until the others have ended
except LedgerBusyError as error:
    raise SystemExit(error.exit_code)
"""
    )
    together = str(time.time() + 1.0)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, kit.path, together, str(number)], stdin=subprocess.PIPE
        )
        for number in range(4)
    ]
    ends: list[int] = []
    while len(ends) < 3:
        ends = [process.poll() for process in started if process.poll() is not None]
        time.sleep(0.01)
    for process in started:
        process.communicate()
    assert sorted(process.returncode for process in started) == [0, 75, 75, 75]
    with sqlite3.connect(kit.path) as db:
        assert db.execute("SELECT count(*) FROM attempt").fetchone()[0] == 1
    db.close()


def test_a_stale_lock_file_stops_nobody(kit: Any) -> None:
    kit.path.with_name("a.ledger.lock").write_text("4711\n")
    with kit.open() as ledger:
        asyncio.run(kit.buy(ledger, kit.task(0)))
