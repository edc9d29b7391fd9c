"""The only thread that writes to the database; queued work is committed in groups.

Each piece of work runs inside its own savepoint, so that one that fails takes nothing with it, and
its future is resolved only after the commit, that is after ``fsync``. If a group cannot be
committed, because the disk is full or broken, its pieces are tried one by one, as a small one may
still fit; `Writer.stopped` then says why nothing new may be started.
"""

from __future__ import annotations

import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from interestingness.annotators.ledger.errors import LedgerStorageError

T = TypeVar("T")
Work: TypeAlias = tuple[Callable[[sqlite3.Connection], Any], Future[Any]]
GROUP = 256

STORAGE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
"""SQLite's primary result codes for errors of the disk or the file."""


class Writer:
    """Owns a connection; work is handed in from any thread and done in that order."""

    def __init__(self, db: sqlite3.Connection, path: Path, spare_bytes: int | None) -> None:
        """Start the thread.

        Args:
            db: made with ``isolation_level=None`` and ``check_same_thread=False``.
            path: the file, for messages and to see how much space is left.
            spare_bytes: nothing new is started with less free space; None: nothing is written.
        """
        self._db, self._path, self._spare = db, path, spare_bytes
        self._begin = "BEGIN" if spare_bytes is None else "BEGIN IMMEDIATE"
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self.stopped = ""
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def submit(self, do: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Queue work; its future holds the result once it is committed.

        The future raises `LedgerStorageError` if the disk takes it no more.
        """
        future: Future[T] = Future()
        # from here on nobody can cancel it: what was told is committed
        future.set_running_or_notify_cancel()
        with self._closing:
            if self._closed:
                raise RuntimeError("the ledger is closed")
            self._queue.put((do, future))
        return future

    def close(self) -> None:
        """Do what is queued, then end the thread; the connection stays open."""
        with self._closing:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        end = False
        while not end:
            group = [self._queue.get()]
            while len(group) < GROUP and not self._queue.empty():
                group.append(self._queue.get())
            works = [work for work in group if work is not None]
            end = len(works) < len(group)
            if works:
                self._commit(works)

    def _commit(self, group: list[Work]) -> None:
        try:
            if not self.stopped and self._scarce():
                self.stopped = "the disk is nearly full"
            outcomes = self._transaction(group)
        except Exception as error:
            with suppress(sqlite3.Error):
                self._db.rollback()
            full = _code(error) == sqlite3.SQLITE_FULL
            self.stopped = "the disk is full" if full else f"the ledger failed: {error}"
            if len(group) > 1:
                for work in group:
                    self._commit([work])
            else:
                group[0][1].set_exception(unwritable(self._path, self.stopped))
            return
        for (_, future), (result, problem) in zip(group, outcomes, strict=True):
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(problem)

    def _scarce(self) -> bool:
        if self._spare is None:
            return False
        return shutil.disk_usage(self._path.parent).free < self._spare

    def _transaction(self, group: list[Work]) -> list[tuple[Any, Exception | None]]:
        outcomes: list[tuple[Any, Exception | None]] = []
        self._db.execute(self._begin)
        for do, _ in group:
            self._db.execute("SAVEPOINT work")
            try:
                outcomes.append((do(self._db), None))
            except Exception as error:
                if _code(error) in STORAGE:
                    raise
                outcomes.append((None, error))
                self._db.execute("ROLLBACK TO work")
            self._db.execute("RELEASE work")
        self._db.execute("COMMIT")
        return outcomes


def _code(error: Exception) -> int | None:
    """Return SQLite's primary result code."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def unwritable(path: Path, why: str) -> LedgerStorageError:
    """Make the error for a full or failing disk."""
    return LedgerStorageError(
        f"{path}: {why}",
        expected="a disk with free space that can be written and read",
        todo="see to the disk and run the same command again; it goes on where it stopped",
    )
