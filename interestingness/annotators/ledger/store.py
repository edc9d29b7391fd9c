"""The ledger's interface for the engine: open, reserve, record replies, close.

Coroutines return once what they were told is committed; anything that only reads is a plain
method. Coroutines of one `Ledger` belong to one event loop at a time; ``stimulus`` and the readers
may be called from any thread. Whatever the disk takes no more raises `LedgerStorageError`.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeVar

from interestingness.annotators.ledger import (
    attempts,
    batches,
    making,
    opening,
    queries,
    verdicts,
    verify,
)
from interestingness.annotators.ledger.errors import LedgerError, LedgerStorageError
from interestingness.annotators.ledger.writer import Writer, unwritable
from interestingness.annotators.types import (
    JSON,
    Attempt,
    Denied,
    Need,
    Parsed,
    Reply,
    Task,
)

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
SPARE = 24 << 20
PAUSES_S = (0.02, 0.05, 0.1, 0.25)
"""Seconds between checks whether the budget has room again; the last one is repeated."""
PATIENCE_S = 10.0


class Ledger:
    """One SQLite file of paid answers, with this process as its only writer; see ``schema.sql``."""

    def __init__(
        self,
        path: Path,
        db: sqlite3.Connection,
        rules: attempts.Rules,
        lock: opening.Lock | None,
        spare_bytes: int | None,
    ) -> None:
        """Use `Ledger.open`."""
        self.path, self.rules = path, rules
        self._db, self._lock = db, lock
        self._writer = Writer(db, path, spare_bytes)
        self._open = True

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        run: Mapping[str, JSON],
        cap_uusd: int | None,
        policy: Literal["hold", "rebuy"] = "hold",
        spare_bytes: int = SPARE,
        read_only: bool = False,
    ) -> Ledger:
        """Open, or make, a ledger. Attempts that a dead process left open become in doubt.

        Args:
            path: the file; ``.lock`` lies beside it.
            run: facts for the record: versions, options, and ``prices``, a mapping from each
                ``price_id`` in use to its table. Texts that look like keys are removed.
            cap_uusd: budget in micro-dollars over everything that this file ever spent; None: none.
            policy: ``hold`` never asks again what is in doubt; ``rebuy`` does so once for each
                attempt in doubt since an earlier run, and its reserve counts as spent.
            spare_bytes: nothing is reserved with less free space on the disk, so that answers on
                their way can still be stored: at least concurrency times 64 KiB.
            read_only: needs no lock and works while another process writes; `need` and the figures
                work, everything that writes raises.

        Raises:
            LedgerBusyError: another process writes (exit status 75).
            LedgerStorageError: the disk is too full, or the file damaged (exit status 74).
            LedgerError: a later version, or no file to read.
        """
        path = Path(path)
        prices = run.get("prices")
        known = frozenset(prices) if isinstance(prices, Mapping) else frozenset()
        if read_only:
            db = opening.connect(path, read_only=True)
            return cls(path, db, attempts.Rules(0, cap_uusd, policy, known), None, None)
        with ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                lock = opening.Lock(path)
                stack.callback(lock.release)
                free = shutil.disk_usage(path.parent).free
                if free < spare_bytes:
                    raise unwritable(path, f"{free:,} bytes are free, {spare_bytes:,} are needed")
                if not path.exists():
                    making.create(path)
                db = opening.connect(path, read_only=False)
                stack.callback(db.close)
                db.execute("BEGIN IMMEDIATE")
                number = attempts.begin_run(db, run, cap_uusd, policy)
                db.execute("COMMIT")
            except (OSError, sqlite3.Error) as error:
                raise unwritable(path, f"cannot be opened for writing: {error}") from None
            stack.pop_all()
        rules = attempts.Rules(number, cap_uusd, policy, known)
        return cls(path, db, rules, lock, spare_bytes)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Commit what is queued; open attempts become in doubt. Safe to call twice."""
        if not self._open:
            return
        self._open = False
        if self._lock is not None:
            # first what is queued: a reservation cancelled there is given back before the end
            with suppress(LedgerStorageError):
                self._writer.submit(lambda db: None).result()
            self._writer.submit(self._end)
        self._writer.close()
        self._db.close()
        if self._lock is not None:
            self._lock.release()

    def _end(self, db: sqlite3.Connection) -> None:
        attempts.doubt_open(db, "the run ended before the answer was told")
        db.execute("UPDATE run SET ended = ? WHERE id = ?", (attempts.now(), self.rules.run))

    # ---- what is there -------------------------------------------------------------------------

    def need(self, tasks: Iterable[Task]) -> Need:
        """Return what is answered and what would be bought; see `Need`.

        Tasks of one key are asked once, and the answer is exported for each of their subjects.
        """
        given = list(tasks)

        def do(db: sqlite3.Connection) -> Need:
            if self._lock is not None and not self._writer.stopped:
                for task in given:
                    attempts.add_subject(db, task)
            return queries.need(db, self.rules, given)

        return self._read(do)

    def table(self, kind: str, tasks: Iterable[Task] | None = None) -> pa.Table:
        """Return answers as a table; see `export.table`."""
        from interestingness.annotators.ledger import export

        given = None if tasks is None else list(tasks)
        return self._read(lambda db: export.table(db, kind, given))

    def unparsed(self) -> Iterator[tuple[str, Task, Reply]]:
        """Replies that were stored and not parsed, as after a crash."""
        for attempt_id, task in self._read(lambda db: queries.answered(db, "received")):
            reply = self.reply(attempt_id)
            assert reply is not None
            yield attempt_id, task, reply

    def renew(self, parse: verify.Parse, parser_version: str) -> int:
        """Make labels and rejects anew if any is of another version of the parser; how many.

        Costs nothing. Without it a stricter or kinder parser would leave old verdicts standing, and
        a task that it can read now would be bought again.
        """

        def do(db: sqlite3.Connection) -> int:
            if not verify.of_other_parsers(db, parser_version):
                return 0
            return verify.rebuild(db, parse, parser_version)

        return self._write(do).result()

    def reply(self, attempt_id: str) -> Reply | None:
        """Return the stored reply of an attempt, or None."""
        return self._read(lambda db: queries.reply(db, attempt_id))

    @property
    def spent_uusd(self) -> int:
        """What counts against the budget apart from what is on its way, in micro-dollars."""
        return self._read(lambda db: queries.charged(db) - queries.moving(db))

    @property
    def reserved_uusd(self) -> int:
        """Reserves of attempts that are on their way or not yet parsed, in micro-dollars."""
        return self._read(queries.moving)

    @property
    def stopped(self) -> str:
        """Why nothing is reserved any more (the disk is full or failing; exit 74), else empty."""
        return self._writer.stopped

    # ---- one attempt ---------------------------------------------------------------------------

    async def reserve(
        self, task: Task, *, reserve_uusd: int, price_id: str, wait: bool = True
    ) -> Attempt | Denied:
        """Commit an attempt; only then may its request go out.

        Args:
            task: what is asked.
            reserve_uusd: the most that it can cost, in micro-dollars.
            price_id: a key of ``run["prices"]``.
            wait: if the budget is taken by reservations that are open, wait for them to come back.

        Raises:
            LedgerError: an unknown price, or no whole number of micro-dollars.
        """

        def do(db: sqlite3.Connection) -> tuple[Attempt | Denied, bool]:
            if self._writer.stopped:
                return Denied("stopped", self._writer.stopped), False
            outcome = attempts.reserve(
                db, self.rules, task, reserve_uusd=reserve_uusd, price_id=price_id
            )
            return outcome, isinstance(outcome, attempts.Later) and self._any_open(db)

        def undo(future: Future[tuple[Attempt | Denied, bool]]) -> None:
            # cancelled while it was committed: the request was never sent
            if future.exception() is None and isinstance(future.result()[0], Attempt):
                attempt_id = future.result()[0].id  # type: ignore[union-attr]
                self._write(
                    lambda db: attempts.free(db, self.rules, attempt_id, "cancelled before sent")
                )

        waits, idle_s = 0, 0.0
        while True:
            future = self._write(do)
            try:
                outcome, open_ones = await asyncio.shield(asyncio.wrap_future(future))
            except asyncio.CancelledError:
                future.add_done_callback(undo)
                raise
            if not (wait and isinstance(outcome, attempts.Later)):
                return outcome
            # a reply that is stored and never parsed, because its parser failed, is not waited for
            pause = PAUSES_S[min(waits, len(PAUSES_S) - 1)]
            waits, idle_s = waits + 1, 0.0 if open_ones else idle_s + pause
            if idle_s > PATIENCE_S:
                return outcome
            await asyncio.sleep(pause)

    async def received(self, attempt_id: str, reply: Reply) -> bool:
        """Store what came back. False if an earlier reply stands; this one is kept as an event."""
        return await self._committed(
            lambda db: attempts.received(db, self.rules, attempt_id, reply)
        )

    async def parsed(
        self,
        attempt_id: str,
        found: Parsed,
        *,
        parser_version: str,
        cost_uusd: int | None = None,
    ) -> bool:
        """Store the label or reject and the true cost; the reserve stands where that is None."""
        return await self._committed(
            lambda db: verdicts.parsed(
                db,
                self.rules,
                attempt_id,
                found,
                parser_version=parser_version,
                cost_uusd=cost_uusd,
            )
        )

    async def free(self, attempt_id: str, detail: str) -> bool:
        """Mark as certainly not charged: the reserve is given back; it may be asked again."""
        return await self._committed(lambda db: attempts.free(db, self.rules, attempt_id, detail))

    async def doubt(self, attempt_id: str, detail: str) -> bool:
        """Mark as perhaps charged: the reserve stays, and it is not asked again automatically."""
        return await self._committed(lambda db: attempts.doubt(db, self.rules, attempt_id, detail))

    def event(self, kind: str, data: Mapping[str, JSON] | None = None) -> None:
        """Record an event; does not wait for the commit."""
        self._write(lambda db: attempts.event(db, self.rules, kind, None, data))

    def stimulus(self, source: str, transcode: str, make: Callable[[], bytes]) -> bytes:
        """Image bytes as they are sent: made once, then the stored ones for ever.

        Args:
            source: hash of the image file.
            transcode: name of the recipe that ``make`` follows.
            make: makes the bytes; called only if they are not stored.
        """
        query = "SELECT body FROM stimulus WHERE source = ? AND transcode = ?"
        row = self._read(lambda db: db.execute(query, (source, transcode)).fetchone())
        if row is not None:
            return bytes(row["body"])
        body = make()
        # commits are in order, so it is on disk before any reply that answers it
        add = "INSERT OR IGNORE INTO stimulus (source, transcode, body) VALUES (?, ?, ?)"
        self._write(lambda db: db.execute(add, (source, transcode, body)))
        return body

    # ---- batches -------------------------------------------------------------------------------

    async def reserve_part(
        self, items: Iterable[tuple[Task, int]], *, price_id: str
    ) -> tuple[str | None, list[Attempt | Denied]]:
        """Reserve many at once for a batch; see `batches.reserve_part`."""
        given = list(items)

        def do(db: sqlite3.Connection) -> tuple[str | None, list[Attempt | Denied]]:
            if self._writer.stopped:
                return None, [Denied("stopped", self._writer.stopped)] * len(given)
            return batches.reserve_part(db, self.rules, given, price_id=price_id)

        return await self._committed(do)

    async def move_part(
        self,
        name: str,
        state: str,
        *,
        file_id: str | None = None,
        batch_id: str | None = None,
        facts: Mapping[str, JSON] | None = None,
    ) -> None:
        """Record the state of a batch; see `batches.move_part`."""
        await self._committed(
            lambda db: batches.move_part(
                db, name, state, file_id=file_id, batch_id=batch_id, facts=facts
            )
        )

    def parts(self) -> list[batches.BatchPart]:
        """Return all batches of this ledger, the oldest first."""
        return self._read(batches.parts)

    # ---- inside --------------------------------------------------------------------------------

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on the writer's thread; only there may the connection be used."""
        return self._writer.submit(query).result()

    def _write(self, do: Callable[[sqlite3.Connection], T]) -> Future[T]:
        if self._lock is None:
            raise LedgerError(
                f"{self.path}: opened for reading",
                expected="a ledger that is open for writing",
                todo="open it without read_only",
            )
        return self._writer.submit(do)

    async def _committed(self, do: Callable[[sqlite3.Connection], T]) -> T:
        # shielded: being told something and being cancelled at that moment must not lose it
        return await asyncio.shield(asyncio.wrap_future(self._write(do)))

    def _any_open(self, db: sqlite3.Connection) -> bool:
        query = "SELECT 1 FROM attempt WHERE state = 'open' AND shard IS NULL AND run = ?"
        return db.execute(query, (self.rules.run,)).fetchone() is not None
