"""The one thread that talks to the database; what waits together is committed together.

Each piece of work runs inside its own savepoint, so that one that fails takes nothing with it, and
its future is resolved only after the commit, that is after ``fsync``. If the disk is full the
ballast is given up and the same group is committed again; if that fails too, or the disk is broken,
the writer stays down: replies are spilled, everything else is dropped, and `Writer.stopped` says
why.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from interestingness.annotators.ledger.ballast import Ballast

T = TypeVar("T")
GROUP = 256
BUSY_S = 600.0
"""Other processes may read for so long (a large export) before that counts as a broken disk."""

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
"""Primary result codes that speak of the disk and not of the work."""


def storage_code(error: sqlite3.Error) -> int | None:
    """The result code, if the disk or the file is at fault."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if code is not None and code & 0xFF in STORAGE else None


@dataclass
class Work:
    """Something to be done in a transaction.

    Attributes:
        do: takes the connection.
        salvage: what to do, and to answer, if the database can no longer be written.
    """

    do: Callable[[sqlite3.Connection], Any]
    salvage: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)


class Writer:
    """Owns a connection; work is handed in from any thread and done in that order."""

    def __init__(self, db: sqlite3.Connection, ballast: Ballast | None) -> None:
        """Start the thread.

        Args:
            db: made with ``isolation_level=None`` and ``check_same_thread=False``.
            ballast: room that is given up when the disk is full; None if nothing is written.
        """
        self._db, self._ballast = db, ballast
        self._begin = "BEGIN" if ballast is None else "BEGIN IMMEDIATE"
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self.stopped = ""
        self.broken = False
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def submit(self, do: Callable[[sqlite3.Connection], T], salvage: Callable[[], T]) -> Future[T]:
        """Queue work; its future holds the result once it is committed."""
        work = Work(do, salvage)
        # from here on nobody can cancel it: what was told is committed
        work.future.set_running_or_notify_cancel()
        with self._closing:
            if self._closed:
                raise RuntimeError("the ledger is closed")
            self._queue.put(work)
        return work.future

    def close(self) -> None:
        """Do what is queued, then end the thread; the connection stays open."""
        with self._closing:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            group = [self._queue.get()]
            while len(group) < GROUP and group[-1] is not None:
                try:
                    group.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            works = [work for work in group if work is not None]
            try:
                self._commit(works)
            except BaseException as error:  # nobody may wait for ever for a thread that died
                self.stopped, self.broken = f"the ledger failed: {error!r}", True
                for work in works:
                    if not work.future.done():
                        _salvage(work)
            if group[-1] is None:
                return

    def _commit(self, group: list[Work]) -> None:
        if not group:
            return
        if self._ballast is not None and not self.stopped and self._ballast.scarce():
            self.stopped = "the disk is nearly full"
        while not self.broken:
            try:
                outcomes = self._transaction(group)
            except sqlite3.Error as error:
                self._rollback()
                full = storage_code(error) == sqlite3.SQLITE_FULL
                self.stopped = "the disk is full" if full else f"the ledger failed: {error}"
                # the second time there is no ballast left, so this ends
                self.broken = not (full and self._ballast is not None and self._ballast.release())
                continue
            for work, (result, problem) in zip(group, outcomes, strict=True):
                if problem is None:
                    work.future.set_result(result)
                else:
                    work.future.set_exception(problem)
            return
        for work in group:
            _salvage(work)

    def _transaction(self, group: list[Work]) -> list[tuple[Any, BaseException | None]]:
        outcomes: list[tuple[Any, BaseException | None]] = []
        self._db.execute(self._begin)
        for work in group:
            self._db.execute("SAVEPOINT work")
            try:
                outcomes.append((work.do(self._db), None))
            except Exception as error:
                if isinstance(error, sqlite3.Error) and storage_code(error) is not None:
                    raise
                outcomes.append((None, error))
                self._db.execute("ROLLBACK TO work")
            self._db.execute("RELEASE work")
        self._db.execute("COMMIT")
        return outcomes

    def _rollback(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            # the journal stays on disk and the next opening rolls back
            pass


def _salvage(work: Work) -> None:
    try:
        work.future.set_result(work.salvage())
    except Exception as error:
        work.future.set_exception(error)
