"""How fast is the ledger, and how fast are SQLite's ways of being durable?

    python benchmarks/ledger_commits.py [folder=DIR] [rounds=5]     # half a minute

First the journal modes by themselves, one row a commit and sixteen. Then whole calls through the
ledger, three commits each (reserve, store, judge), for several numbers at the same time and no
waiting for a server: the rate above which the ledger would be what one waits for. Rounds are
interleaved and the medians printed, because disks have moods. Figures are of the disk under the
folder, which must be a real one: in memory ``fsync`` costs nothing.

tiny: rounds=1
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from interestingness.annotators.ledger.store import Ledger
from interestingness.annotators.types import Answer, Denied, Parsed, Reply, Task, Usage

MODES = (("TRUNCATE", "EXTRA"), ("DELETE", "EXTRA"), ("PERSIST", "EXTRA"), ("WAL", "FULL"))
SECONDS = 0.6
ROUNDS = 5
BODY = 800


def rows_per_second(path: Path, journal: str, synchronous: str, group: int) -> float:
    """Rows of a reply's size that are durable after a second."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA journal_mode = {journal}")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute("CREATE TABLE reply (body BLOB)")
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        db.execute("BEGIN IMMEDIATE")
        for _ in range(group):
            db.execute("INSERT INTO reply VALUES (?)", (os.urandom(BODY),))
        db.execute("COMMIT")
        done += group
    elapsed = time.perf_counter() - began
    db.close()
    return done / elapsed


async def calls_per_second(path: Path, concurrency: int) -> float:
    """Calls from reservation to label, from so many tasks at a time."""
    done = 0
    with Ledger.open(path, run={"prices": {"p": "made up"}}, cap_uusd=None) as ledger:
        began = time.perf_counter()

        async def buyer(name: int) -> None:
            nonlocal done
            number = 0
            while time.perf_counter() - began < SECONDS:
                task = Task.of("pair", {"buyer": name, "number": number}, {"pair_id": "x"})
                attempt = await ledger.reserve(task, reserve_uusd=100, price_id="p")
                if isinstance(attempt, Denied):
                    raise AssertionError(attempt)
                await ledger.received(attempt.id, Reply(200, os.urandom(BODY)))
                found = Parsed(Answer("first"), Usage(1, 1))
                await ledger.parsed(attempt.id, found, parser_version="1", cost_uusd=1)
                number += 1
                done += 1

        await asyncio.gather(*(buyer(name) for name in range(concurrency)))
        return done / (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    folder, rounds = options.get("folder"), int(options.get("rounds", ROUNDS))
    rows: dict[tuple[str, str, int], list[float]] = {}
    calls: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        for turn in range(rounds):
            for journal, synchronous in MODES:
                for group in (1, 16):
                    path = Path(temporary) / f"{journal}{group}-{turn}"
                    rate = rows_per_second(path, journal, synchronous, group)
                    rows.setdefault((journal, synchronous, group), []).append(rate)
            for concurrency in (1, 8, 64):
                path = Path(temporary) / f"{concurrency}-{turn}.ledger"
                rate = asyncio.run(calls_per_second(path, concurrency))
                calls.setdefault(concurrency, []).append(rate)
    print(f"SQLite {sqlite3.sqlite_version}; durable rows a second, 1 and 16 a commit")
    for journal, synchronous in MODES:
        one, many = (median(rows[journal, synchronous, group]) for group in (1, 16))
        print(f"  {journal:<9}{synchronous:<6}{one:>8,.0f}{many:>8,.0f}")
    print("calls a second through the ledger, three commits each")
    for concurrency, rates in calls.items():
        print(f"  {concurrency:>3} at a time{median(rates):>10,.0f}")


if __name__ == "__main__":
    main()
