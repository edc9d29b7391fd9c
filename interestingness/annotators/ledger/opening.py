"""Open a ledger for one writer at a time; refuse other files and damaged ledgers.

SQLite writes ahead (WAL) and calls ``fsync`` at every commit (``synchronous=FULL``): readers work
beside the writer, and what was committed is on the disk. At rest the ledger is one file; while it
is open, or after a kill, ``-wal`` and ``-shm`` beside it belong to it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from interestingness.annotators.ledger.errors import (
    LedgerBusyError,
    LedgerError,
    LedgerStorageError,
)
from interestingness.annotators.ledger.making import upgrade
from interestingness.annotators.ledger.writer import unwritable

APPLICATION, VERSION = 1229870418, 2
MAGIC = b"SQLite format 3\0"
_WANTED = {
    "expected": "a file that `interestingness annotate` made",
    "todo": "check the name; if it was a ledger, its beginning is lost: put a copy back",
}
BUSY_S = 60.0
WAL_PAGES = 256
"""The write-ahead log is moved into the file at every megabyte."""


class Lock:
    """Holds ``<ledger>.lock`` until it is released or the process ends, however that ends.

    The file stays and means nothing.
    """

    def __init__(self, ledger: Path) -> None:
        """Take the lock.

        Raises:
            LedgerBusyError: another process has it.
        """
        path = ledger.with_name(ledger.name + ".lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._file, 100, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise LedgerBusyError(
                f"{ledger}: another process writes to it{f' (process {owner})' * bool(owner)}",
                expected="one process at a time",
                todo="wait until it ends; `interestingness ledger status` works meanwhile",
            ) from None
        with suppress(OSError):  # the name is for messages only, and the disk may be full
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Release the lock."""
        os.close(self._file)


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open an existing ledger and check that it is sound.

    Reading needs no lock, works beside a writer and takes version 1 as it is; for writing that is
    brought to the present version.

    Raises:
        LedgerError: no ledger, or of a later version.
        LedgerStorageError: damaged, or the disk is full or failing.
    """
    if not path.is_file():
        raise LedgerError(f"{path}: there is no ledger", **_WANTED)
    _check_header(path)
    mode = "mode=rw"
    if read_only and not os.access(path, os.W_OK):
        # SQLite needs a file beside a ledger that others may write; at rest nobody does
        at_rest = not path.with_name(path.name + "-wal").exists()
        mode = f"mode=ro&immutable={int(at_rest)}"
    db = sqlite3.connect(
        f"{path.resolve().as_uri()}?{mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_S,
    )
    db.row_factory = sqlite3.Row
    try:
        _check(db, path)
        db.execute("PRAGMA foreign_keys = ON")
        if read_only:
            db.execute("PRAGMA query_only = ON")
        else:
            if db.execute("PRAGMA user_version").fetchone()[0] < VERSION:
                db.close()
                upgrade(path)
                return connect(path, read_only=False)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    except sqlite3.DatabaseError as error:
        db.close()
        # an operational error is the disk's, any other is the file's
        broken = unwritable if isinstance(error, sqlite3.OperationalError) else damaged
        raise broken(path, str(error)) from None
    except BaseException:
        db.close()
        raise
    return db


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        begins = file.read(len(MAGIC))
    if not begins:
        raise damaged(path, "it is empty")
    if begins != MAGIC:
        raise LedgerError(f"{path}: not a ledger (it does not begin like one)", **_WANTED)


def _check(db: sqlite3.Connection, path: Path) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise LedgerError(f"{path}: a database of another program, not a ledger", **_WANTED)
    if not 1 <= version <= VERSION:
        raise LedgerError(
            f"{path}: a ledger of version {version}",
            expected=f"version {VERSION}, or 1, which is brought to {VERSION}",
            todo="use the program that wrote it, or export it there and start a new ledger here",
        )
    found = [row[0] for row in db.execute("PRAGMA quick_check(3)")]
    if found != ["ok"]:
        raise damaged(path, "; ".join(found))


def damaged(path: Path, what: str) -> LedgerStorageError:
    """Make the error for a file that SQLite cannot read."""
    return LedgerStorageError(
        f"{path}: the ledger is damaged: {what}",
        expected="a file that SQLite can read whole",
        todo="put a copy back, or save the rest with SQLite: see docs/ledger.md; nothing was sent",
    )
