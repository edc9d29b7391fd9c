"""Connections: making a new ledger, opening an old one, refusing what is no sound ledger.

Journal: TRUNCATE with ``synchronous=EXTRA``: at rest one file, and an empty journal beside it. A
write-ahead log needs shared memory, and older SQLite has a race when it is reset; where commits are
grouped it would not be what one waits for (docs/decisions/0010).
"""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, suppress
from importlib.resources import files
from pathlib import Path

from interestingness.annotators.ledger import rows
from interestingness.annotators.ledger.errors import LedgerError, LedgerStorageError
from interestingness.annotators.ledger.writer import BUSY_S

APPLICATION, VERSION = 1229870418, 1
RECOVER = "run `interestingness ledger recover {path}`; nothing was sent and nothing was changed"


def create(path: Path) -> None:
    """Make an empty ledger; the name appears only once its schema is committed.

    A file of no bytes is therefore never a new ledger but a damaged one.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    db = sqlite3.connect(temporary, isolation_level=None)
    try:
        db.executescript(f"BEGIN; {schema()} COMMIT;")
    finally:
        db.close()
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def schema() -> str:
    """The text of ``schema.sql``."""
    return (files("interestingness.annotators.ledger") / "schema.sql").read_text()


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open an existing ledger and check that it is sound.

    Reading needs no lock and works beside a writer. A reader may still roll back what a killed
    writer left half done; only a file that may not be written at all is opened strictly read-only.

    Raises:
        LedgerError: no ledger, or of another version.
        LedgerStorageError: damaged.
    """
    if not path.is_file():
        raise LedgerError(
            f"{path}: there is no ledger",
            expected="a file that `interestingness annotate` made",
            todo="check the name",
        )
    mode = "rw" if not read_only or os.access(path, os.W_OK) else "ro"
    db = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_S,
    )
    db.row_factory = sqlite3.Row
    try:
        _identify(db, path)
        db.execute("PRAGMA foreign_keys = ON")
        if read_only:
            db.execute("PRAGMA query_only = ON")
        else:
            db.execute("PRAGMA journal_mode = TRUNCATE")
            db.execute("PRAGMA synchronous = EXTRA")
        _check(db, path)
    except sqlite3.Error as error:
        db.close()
        raise damaged(path, str(error)) from None
    except BaseException:
        db.close()
        raise
    return db


def _identify(db: sqlite3.Connection, path: Path) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        size = path.stat().st_size
        raise damaged(path, "no ledger of ours, or its first page is lost" if size else "empty")
    if version != VERSION:
        raise LedgerError(
            f"{path}: a ledger of version {version}",
            expected=f"version {VERSION}",
            todo="use the program that wrote it, or export it there and start a new ledger here",
        )


def _check(db: sqlite3.Connection, path: Path) -> None:
    found = [row[0] for row in db.execute("PRAGMA quick_check(3)")]
    if found != ["ok"]:
        raise damaged(path, "; ".join(found))
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(schema())
        if _shape(db) != _shape(fresh):
            raise damaged(path, "its tables are not those of schema.sql")
    broken = [f"{table} {place}" for table, place in rows.broken_seals(db, "attempt")]
    if broken:
        raise damaged(path, f"rows are not as they were written: {', '.join(broken[:3])}")
    total = db.execute("SELECT coalesce(sum(charge_uusd), 0) FROM attempt").fetchone()[0]
    with suppress(TypeError):
        if total == db.execute("SELECT charged_uusd FROM purse").fetchone()[0]:
            return
    raise damaged(path, "the purse does not hold what the attempts were charged")


def _shape(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Names and definitions of everything in a database, without comments and spacing."""
    found = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(name, " ".join(re.sub(r"--[^\n]*", "", sql).split())) for name, sql in found]


def damaged(path: Path, what: str) -> LedgerStorageError:
    """The error for a file that is not as it was written."""
    return LedgerStorageError(
        f"{path}: the ledger is damaged: {what}",
        expected="the file as it was written",
        todo=RECOVER.format(path=path),
    )
