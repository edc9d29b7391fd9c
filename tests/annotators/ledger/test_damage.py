"""Flipped bits, lost journals, other versions: noticed before anything is sent, then mended."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from interestingness.annotators.ledger import opening, spill
from interestingness.annotators.ledger import recover as recover_module
from interestingness.annotators.ledger.errors import LedgerError, LedgerStorageError
from interestingness.annotators.ledger.recover import recover
from interestingness.annotators.ledger.verify import problems
from interestingness.annotators.types import Reply
from interestingness.commands import ledger as commands

TABLES = ("task", "subject", "attempt", "reply", "label", "reject", "stimulus")


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, read by a connection of our own."""
    with closing(sqlite3.connect(path)) as db:
        return {
            table: sorted(map(repr, db.execute(f"SELECT * FROM {table}")))  # type: ignore[misc]
            for table in TABLES
        }


def found(kit: Any, path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return list(problems(db, kit.parse, kit.parser_version))


@pytest.fixture
def bought(kit: Any) -> Any:
    """A closed ledger with labels, rejects, one attempt in doubt and two images."""

    async def story(ledger: Any) -> None:
        for number in range(30):
            what = ("first", "second", "refused", "invalid_json")[number % 4]
            await kit.buy(ledger, kit.task(number), what)
        lost = await ledger.reserve(kit.task(99), reserve_uusd=100, price_id="p")
        await ledger.doubt(lost.id, "reset")
        for name in ("a", "b"):
            ledger.stimulus(name, "jpeg-1", lambda: random.Random(0).randbytes(3000))

    with kit.open() as ledger:
        asyncio.run(story(ledger))
    return kit


def test_a_sound_ledger_has_no_problems(bought: Any) -> None:
    assert found(bought, bought.path) == []


def test_any_flipped_bit_is_noticed_or_changes_nothing(bought: Any) -> None:
    """What it costs and where attempts stand: when it is opened. All else: by verify."""
    whole, before = bought.path.read_bytes(), contents(bought.path)
    chance = random.Random(0)
    path = bought.folder / "flipped.ledger"
    outcomes = {"opening": 0, "verify": 0, "unused": 0}
    for _ in range(250):
        place = chance.randrange(len(whole) * 8)
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            opening.connect(path, read_only=True).close()
        except LedgerError:
            outcomes["opening"] += 1
            continue
        try:
            bad = found(bought, path)
            after = contents(path)
        except sqlite3.Error as error:
            bad = [str(error)]
        if bad:
            assert after["attempt"] == before["attempt"]
            outcomes["verify"] += 1
        else:
            assert after == before, place
            outcomes["unused"] += 1
    assert min(outcomes.values()) > 0, outcomes


@pytest.mark.parametrize("content", [b"", b"no database at all, but some text" * 200])
def test_what_is_no_ledger_is_refused_and_left_alone(kit: Any, content: bytes) -> None:
    kit.path.write_bytes(content)
    with pytest.raises(LedgerStorageError, match="damaged"):
        kit.open()
    assert kit.path.read_bytes() == content


def test_another_version_is_refused(bought: Any) -> None:
    with closing(sqlite3.connect(bought.path)) as db:
        db.execute("PRAGMA user_version = 0")
    with pytest.raises(LedgerError, match="version 0"):
        bought.open()


def test_a_hand_edited_charge_is_noticed(bought: Any) -> None:
    with closing(sqlite3.connect(bought.path)) as db:
        db.execute("UPDATE attempt SET charge_uusd = 0")
        db.commit()
    with pytest.raises(LedgerStorageError, match="not as they were written"):
        bought.open()


def test_a_lost_journal_is_noticed(bought: Any) -> None:
    """Killed in the middle of a large change whose pages were already written, journal deleted."""
    code = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode = TRUNCATE")
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN")
db.execute("UPDATE attempt SET charge_uusd = charge_uusd + 1, seal = 'written by hand'")
os.kill(os.getpid(), signal.SIGKILL)
"""
    before = contents(bought.path)
    run = subprocess.run([sys.executable, "-c", code, bought.path], check=False)
    assert run.returncode == -signal.SIGKILL
    journal = bought.path.with_name("a.ledger-journal")
    assert journal.stat().st_size > 0
    copy = bought.folder / "copy.ledger"
    shutil.copy(bought.path, copy)
    with pytest.raises(LedgerStorageError, match="damaged"):
        bought.open(copy)
    # with its journal it is what it was
    with bought.open():
        pass
    assert contents(bought.path) == before


def mend(kit: Any, *copies: Path) -> Any:
    return recover(kit.path, copies, parse=kit.parse, parser_version=kit.parser_version)


def test_recovering_a_sound_ledger_changes_nothing(bought: Any) -> None:
    before = contents(bought.path)
    outcome = mend(bought)
    assert (outcome.broken, outcome.doubtful, outcome.lost_uusd) == (0, 0, 0)
    assert contents(bought.path) == before
    assert outcome.damaged.exists()
    assert found(bought, bought.path) == []


def test_a_lost_reply_leaves_its_attempt_in_doubt(bought: Any) -> None:
    task = bought.task(0)
    with closing(sqlite3.connect(bought.path)) as db:
        db.execute("DROP TRIGGER reply_final")
        db.execute("UPDATE reply SET body = x'00' WHERE attempt LIKE ?", (task.key[:32] + "%",))
        db.commit()
    assert any("reply" in problem for problem in found(bought, bought.path))
    outcome = mend(bought)
    assert (outcome.broken, outcome.doubtful) == (1, 1)
    assert found(bought, bought.path) == []
    with bought.open() as ledger:
        assert ledger.need([task]).held == 1
        # the true cost was 60; while it is in doubt the reserve counts
        assert ledger.spent_uusd == 30 * 60 + 100 + 40


def test_an_older_copy_gives_back_what_is_lost(bought: Any) -> None:
    copy = bought.folder / "copy.ledger"
    shutil.copy(bought.path, copy)
    before = contents(bought.path)
    with bought.open() as ledger:
        asyncio.run(bought.buy(ledger, bought.task(50)))
    broken = bytearray(bought.path.read_bytes())
    broken[:100] = bytes(100)  # the header: nothing can be read
    bought.path.write_bytes(broken)
    with pytest.raises(LedgerStorageError):
        bought.open()
    outcome = mend(bought, copy)
    assert outcome.damaged.read_bytes() == broken
    assert contents(bought.path) == before
    assert found(bought, bought.path) == []


def test_spoiled_pages_lose_no_money(bought: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole pages overwritten: whatever is lost, the sum of charges does not shrink."""
    monkeypatch.setattr(recover_module, "END_OF_TABLE", 300)
    whole = bought.path.read_bytes()
    with bought.open(read_only=True) as ledger:
        spent = ledger.spent_uusd
    for page in range(1, len(whole) // 4096):
        spoiled = bytearray(whole)
        spoiled[page * 4096 : (page + 1) * 4096] = random.Random(page).randbytes(4096)
        bought.path.write_bytes(spoiled)
        outcome = mend(bought)
        assert found(bought, bought.path) == [], page
        with bought.open() as ledger:
            # the purse itself may be on the lost page; then nobody knows of lost attempts
            if outcome.found["attempt"] == 31 or outcome.lost_uusd:
                assert ledger.spent_uusd >= spent, page
        outcome.damaged.unlink()


def test_spilled_answers_survive_recovery(bought: Any) -> None:
    with bought.open() as ledger:
        attempt = asyncio.run(ledger.reserve(bought.task(60), reserve_uusd=100, price_id="p"))
        reply = Reply(200, bought.reply().body)
        assert spill.write(bought.path, attempt.id, reply) is not None
    mend(bought)
    with bought.open() as ledger:
        assert [name for name, _, _ in ledger.unjudged()] == [attempt.id]


@pytest.mark.parametrize("pages", [1, 2, 5, 8, 10])
def test_a_file_cut_short_gives_back_the_rest_and_forgets_no_spending(
    bought: Any, capsys: pytest.CaptureFixture[str], pages: int
) -> None:
    """SQLite refuses the whole file; what is left of it is read nevertheless, and loss is said."""
    with bought.open(read_only=True) as ledger:
        spent = ledger.spent_uusd
    whole = bought.path.read_bytes()
    bought.path.write_bytes(whole[: -pages * 4096])
    with pytest.raises(LedgerStorageError, match="damaged"):
        bought.open()
    assert commands.run(["recover", str(bought.path)]) == 1
    told = capsys.readouterr().out
    assert f"its last {pages * 4096:,} bytes are lost" in told
    assert "NOT EVERYTHING COULD BE SAVED" in told
    assert "ROWS ARE LOST" not in told or "  0 rows could not be read" not in told
    assert "rows taken: run 1, task 31" in told
    with bought.open() as ledger:
        assert ledger.spent_uusd >= spent
    (damaged,) = bought.folder.glob("a.ledger.damaged-*[0-9Z]")
    assert damaged.read_bytes() == whole[: -pages * 4096]
    assert not list(bought.folder.glob(".a.ledger.*/")), "no copy is left behind"


@pytest.mark.parametrize("content", [b"", b"no database at all, but some text" * 200])
def test_where_nothing_can_be_read_it_is_said_loudly(
    kit: Any, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    kit.path.write_bytes(content)
    assert commands.run(["recover", str(kit.path)]) == 1
    told = capsys.readouterr().out
    assert "rows taken: none" in told
    assert "ROWS ARE LOST" in told and "WHAT WAS SPENT IS LOST" in told
    assert "0 rows could not be read" not in told
