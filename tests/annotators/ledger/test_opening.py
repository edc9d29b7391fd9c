"""What is no ledger is refused, and one of version 1 is brought to version 2."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from disks import fill

from interestingness.annotators.ledger.errors import LedgerError, LedgerStorageError
from interestingness.annotators.ledger.verify import problems

TABLES = ("run", "task", "subject", "batch", "attempt", "reply", "label", "reject", "event")


@pytest.fixture
def old(kit: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_STATE_HOME", str(kit.folder / "state"))
    with closing(sqlite3.connect(kit.path)) as db:
        db.executescript(Path(__file__).with_name("version_1.sql").read_text())
    return kit


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of every table but for what version 2 left out."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return {
            table: [
                {name: row[name] for name in row.keys() if name != "seal"}  # noqa: SIM118
                for row in db.execute(f"SELECT * FROM {table} ORDER BY rowid")
            ]
            for table in TABLES
        }


def check(kit: Any) -> None:
    with closing(sqlite3.connect(kit.path)) as db:
        db.row_factory = sqlite3.Row
        assert list(problems(db, kit.parse, kit.parser_version)) == []


@pytest.mark.parametrize(
    ("content", "exit_code"),
    [
        (b"", 74),  # a ledger whose bytes were lost
        (b"left,right,choice\na.jpg,b.jpg,left\n", 2),
        (b"PK\x03\x04" + bytes(200), 2),
        (b"SQLite format 3", 2),
        (b"SQLite format 3\0" + b"x" * 4096, 74),
    ],
)
def test_what_is_no_ledger_is_refused_and_left_alone(
    kit: Any, content: bytes, exit_code: int
) -> None:
    kit.path.write_bytes(content)
    with pytest.raises(LedgerError) as error:
        kit.open()
    assert error.value.exit_code == exit_code
    assert kit.path.read_bytes() == content


def test_a_database_of_another_program_is_no_ledger(kit: Any) -> None:
    with closing(sqlite3.connect(kit.path)) as db:
        db.execute("CREATE TABLE votes (left, right)")
    with pytest.raises(LedgerError) as error:
        kit.open(read_only=True)
    assert error.value.exit_code == 2


def test_a_damaged_page_is_noticed(kit: Any) -> None:
    with kit.open() as ledger:
        for number in range(20):
            asyncio.run(kit.buy(ledger, kit.task(number)))
    whole = kit.path.read_bytes()
    kit.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LedgerStorageError):
        kit.open()


def test_a_later_version_is_refused(kit: Any) -> None:
    kit.open().close()
    with closing(sqlite3.connect(kit.path)) as db:
        db.execute("PRAGMA user_version = 3")
    with pytest.raises(LedgerError):
        kit.open()


def test_a_ledger_of_version_1_is_read_as_it_is(old: Any) -> None:
    before = old.path.read_bytes()
    with old.open(read_only=True) as ledger:
        assert ledger.table("votes").num_rows == 4
        assert ledger.need([old.task(0), old.task(11)]).todo == [old.task(11)]
    check(old)
    assert old.path.read_bytes() == before


def test_a_ledger_of_version_1_goes_on_as_version_2(old: Any) -> None:
    before = contents(old.path)
    old.path.with_name("a.ledger.ballast").write_bytes(b"x")
    with old.open() as ledger:
        assert (ledger.spent_uusd, ledger.reserved_uusd) == (640, 300)
        need = ledger.need([old.task(number) for number in range(12)])
        assert need.todo == [old.task(5), old.task(11)]
        assert (need.labelled, need.refused, need.unparsed, need.waiting) == (3, 1, 1, 2)
        # those of the killed process are in doubt now
        assert need.held == 3
        (stored,) = ledger.unparsed()
        assert json.loads(stored[2].body) == {"what": "first", "salt": 6}
        assert ledger.stimulus("s", "jpeg-1", lambda: b"") == b"image bytes"
        (part,) = ledger.parts()
        assert (part.batch_id, part.facts, len(part.attempts)) == ("batch-1", {"lines": 2}, 2)
        asyncio.run(old.buy(ledger, old.task(5)))
    after = contents(old.path)
    for table in TABLES:
        assert len(after[table]) >= len(before[table])
    for table in ("task", "batch", "reply", "label", "reject", "event"):
        assert after[table][: len(before[table])] == before[table], table
    assert not old.path.with_name("a.ledger.ballast").exists()
    check(old)


def test_answers_that_version_1_saved_in_files_are_taken_in(old: Any) -> None:
    attempt = f"{old.task(10).key[:32]}-1"
    reply = old.reply("second", salt=10)
    for folder, name in (("a.ledger.spill", attempt), ("a.ledger.spill", "unknown-1")):
        (old.folder / folder).mkdir(exist_ok=True)
        facts = {"attempt": name, "status": 200, "headers": {}, "request_id": None, "seconds": 1}
        facts["body"] = b64encode(reply.body).decode()
        (old.folder / folder / f"{name}.json").write_text(json.dumps(facts))
    with old.open() as ledger:
        assert ledger.reply(attempt).body == reply.body  # type: ignore[union-attr]
    assert [file.name for file in (old.folder / "a.ledger.spill").iterdir()] == ["unknown-1.json"]
    check(old)


def test_a_saved_answer_that_cannot_be_read_is_not_passed_over(old: Any) -> None:
    before = old.path.read_bytes()
    (old.folder / "a.ledger.spill").mkdir()
    (old.folder / "a.ledger.spill" / "a.json").write_text("{")
    with pytest.raises(LedgerStorageError):
        old.open()
    assert old.path.read_bytes() == before


@pytest.mark.parametrize("where", ["os.fsync", "attempts.begin_run"])
def test_killed_while_it_is_brought_to_version_2(old: Any, where: str) -> None:
    code = f"""
import os, signal, sys
from interestingness.annotators.ledger import attempts
from interestingness.annotators.ledger.store import Ledger
{where} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Ledger.open(sys.argv[1], run={{}}, cap_uusd=None)
"""
    before = contents(old.path)
    run = subprocess.run([sys.executable, "-c", code, old.path], check=False)
    assert run.returncode == -signal.SIGKILL
    assert contents(old.path) == before
    with old.open() as ledger:
        assert ledger.need([old.task(0)]).labelled == 1
    check(old)


def test_a_full_disk_leaves_version_1_as_it_is(make_kit: Any, small_disk: Path, old: Any) -> None:
    kit = make_kit(small_disk)
    shutil.copy(old.path, kit.path)
    before = kit.path.read_bytes()
    filler = fill(small_disk)
    with pytest.raises(LedgerStorageError) as error:
        kit.open(spare_bytes=0)
    assert error.value.exit_code == 74
    assert kit.path.read_bytes() == before
    filler.unlink()
    with kit.open() as ledger:
        assert ledger.need([kit.task(0)]).labelled == 1


def test_a_ledger_that_may_not_be_written_is_read(kit: Any, tmp_path: Path) -> None:
    with kit.open() as ledger:
        asyncio.run(kit.buy(ledger, kit.task(0)))
    copy = tmp_path / "place" / "copy.ledger"
    copy.parent.mkdir()
    shutil.copy(kit.path, copy)
    copy.chmod(0o400)
    copy.parent.chmod(0o500)
    try:
        with kit.open(copy, read_only=True) as ledger:
            assert ledger.table("votes").num_rows == 1
    finally:
        copy.parent.chmod(0o700)
