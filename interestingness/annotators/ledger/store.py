"""The ledger as the engine sees it: open it, reserve, tell what came back, close it.

Transitions are coroutines that return once they are committed; anything that only reads is a plain
method. Coroutines of one `Ledger` belong to one event loop at a time; ``stimulus`` and the readers
may be called from any thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeVar

from interestingness.annotators.ledger import (
    batches,
    opening,
    queries,
    rows,
    spill,
    transitions,
    verify,
)
from interestingness.annotators.ledger.ballast import Ballast
from interestingness.annotators.ledger.beginning import begin, take_spilled
from interestingness.annotators.ledger.errors import LedgerError, LedgerStorageError
from interestingness.annotators.ledger.lock import Lock, refuse_network_disk
from interestingness.annotators.ledger.settlements import Settlements
from interestingness.annotators.ledger.writer import Writer
from interestingness.annotators.types import (
    JSON,
    Attempt,
    Denied,
    Need,
    Reply,
    Task,
    Usage,
    Verdict,
)

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
BALLAST = 8 << 20
TRIES = 3
PATIENCE_S = 10.0


class Ledger:
    """One SQLite file of paid answers, with this process as its only writer; see ``schema.sql``."""

    def __init__(
        self,
        path: Path,
        db: sqlite3.Connection,
        rules: transitions.Rules,
        lock: Lock | None,
        ballast: Ballast | None,
    ) -> None:
        """Use `Ledger.open`."""
        self.path, self.rules = path, rules
        self._db, self._lock, self._ballast = db, lock, ballast
        self._writer = Writer(db, ballast)
        self._settlements = Settlements()
        self._open = True

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        run: Mapping[str, JSON],
        cap_uusd: int | None,
        policy: Literal["hold", "rebuy"] = "hold",
        tries: int = TRIES,
        ballast_bytes: int = BALLAST,
        read_only: bool = False,
    ) -> Ledger:
        """Open, or make, a ledger.

        Attempts that a dead process left open become in doubt, and spilled answers are taken in.

        Args:
            path: the file; ``.lock``, ``.ballast`` and ``.spill`` lie beside it.
            run: facts for the record: versions, options, and ``prices``, a mapping from each
                ``price_id`` in use to its table. Texts that look like keys are removed.
            cap_uusd: budget in micro-dollars over everything that this file ever spent; None: none.
            policy: ``hold`` never asks again what is in doubt; ``rebuy`` does so once for each
                attempt in doubt since an earlier run, and its reserve counts as spent.
            tries: rejected answers after which a task is given up, at least 1.
            ballast_bytes: room for answers in flight when the disk fills up, at least
                concurrency times 64 KiB.
            read_only: needs no lock and works while another process writes; `need` and the figures
                work, everything that writes raises.

        Raises:
            LedgerBusyError: another process writes (exit status 75).
            LedgerStorageError: the disk is too full, or the file damaged (exit status 74).
            LedgerError: a network disk, another version, or no file to read.
        """
        path = Path(path)
        prices = run.get("prices")
        known = frozenset(prices) if isinstance(prices, Mapping) else frozenset()
        if read_only:
            db = opening.connect(path, read_only=True)
            return cls(path, db, transitions.Rules(0, cap_uusd, policy, tries, known), None, None)
        with ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                refuse_network_disk(path.parent)
                lock = Lock(path)
                stack.callback(lock.release)
                if not path.exists():
                    opening.create(path)
                db = opening.connect(path, read_only=False)
                stack.callback(db.close)
                ballast = Ballast(path, ballast_bytes)
                stack.callback(ballast.release)
                number = begin(db, run, cap_uusd, policy)
                rules = transitions.Rules(number, cap_uusd, policy, tries, known)
                take_spilled(db, path, rules)
            except (OSError, sqlite3.Error) as error:
                raise LedgerStorageError(
                    f"{path}: cannot be opened for writing: {error}",
                    expected="a folder and a file that may be written, with space left",
                    todo="correct that, or keep the ledger elsewhere",
                ) from None
            stack.pop_all()
        return cls(path, db, rules, lock, ballast)

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
        """Commit what is queued; what is still open is in doubt from now on. Twice is fine."""
        if not self._open:
            return
        self._open = False
        if self._lock is not None:
            # first what is queued: a reservation cancelled there is given back before the end
            self._writer.submit(lambda db: None, lambda: None).result()
            self._writer.submit(self._end, lambda: None)
        self._writer.close()
        self._db.close()
        if self._ballast is not None:
            self._ballast.release()
        if self._lock is not None:
            self._lock.release()

    def _end(self, db: sqlite3.Connection) -> None:
        transitions.doubt_dead(db, "the run ended before the answer was told")
        db.execute("UPDATE run SET ended = ? WHERE id = ?", (rows.now(), self.rules.run))

    # ---- what is there -------------------------------------------------------------------------

    def need(self, tasks: Iterable[Task]) -> Need:
        """What is there and what would be bought; see `Need`.

        Tasks of one key are asked once, and the answer is exported for each of their subjects.
        """
        given = list(tasks)

        def do(db: sqlite3.Connection) -> Need:
            if self._lock is not None and not self._writer.stopped:
                for task in given:
                    transitions.add_subject(db, task)
            return queries.need(db, self.rules, given)

        return self._read(do)

    def table(self, kind: str, tasks: Iterable[Task] | None = None) -> pa.Table:
        """Answers as a table; see `export.table`."""
        from interestingness.annotators.ledger import export

        given = None if tasks is None else list(tasks)
        return self._read(lambda db: export.table(db, kind, given, self.rules.tries))

    def unjudged(self) -> Iterator[tuple[str, Task, Reply]]:
        """Replies that were stored and not parsed: after a crash, or taken in from a spill."""
        for attempt_id, task in self._read(queries.unjudged):
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

        return self._submit(do, lambda: 0).result()

    def reply(self, attempt_id: str) -> Reply | None:
        """The stored reply of an attempt, or None."""
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
    def remaining_uusd(self) -> int | None:
        """What may still be reserved, in micro-dollars, at least 0; None without a budget."""
        if self.rules.cap_uusd is None:
            return None
        return max(0, self.rules.cap_uusd - self._read(queries.charged))

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

        def do(db: sqlite3.Connection) -> tuple[Attempt | Denied, int]:
            seen = self._settlements.count
            if self._writer.stopped:
                return Denied("stopped", self._writer.stopped), seen
            outcome = transitions.reserve(
                db, self.rules, task, reserve_uusd=reserve_uusd, price_id=price_id
            )
            return outcome, seen

        def undo(future: Future[tuple[Attempt | Denied, int]]) -> None:
            # cancelled while it was committed: the request was never sent
            if future.exception() is None and isinstance(future.result()[0], Attempt):
                attempt_id = future.result()[0].id  # type: ignore[union-attr]
                self._settle(
                    lambda db: transitions.free(db, self.rules, attempt_id, "cancelled before sent")
                )

        while True:
            future = self._submit(
                do, lambda: (Denied("stopped", self._writer.stopped), self._settlements.count)
            )
            try:
                outcome, seen = await asyncio.shield(asyncio.wrap_future(future))
            except asyncio.CancelledError:
                future.add_done_callback(undo)
                raise
            if not (wait and isinstance(outcome, transitions.Later)):
                return outcome
            if await self._settlements.after(seen, PATIENCE_S):
                continue
            # a reply that is stored and never judged, because its judge failed, is not waited for
            # (what was settled meanwhile is counted before the query is answered: then ask again)
            if not self._read(self._any_open) and self._settlements.count == seen:
                return outcome

    async def received(self, attempt_id: str, reply: Reply) -> bool:
        """Store what came back. False if an earlier reply stands; this one is kept as an event.

        If the ledger can no longer be written the reply is spilled to a file beside it.
        """

        def salvage() -> bool:
            spill.write(self.path, attempt_id, reply)
            return True

        return await _committed(
            self._settle(
                lambda db: transitions.received(db, self.rules, attempt_id, reply), salvage
            )
        )

    async def judged(
        self,
        attempt_id: str,
        verdict: Verdict,
        *,
        parser_version: str,
        cost_uusd: int | None = None,
        usage: Usage | None = None,
        served_model: str | None = None,
        fingerprint: str | None = None,
    ) -> bool:
        """Store the label or reject and the true cost; the reserve stands where that is None."""
        return await _committed(
            self._settle(
                lambda db: transitions.judged(
                    db,
                    self.rules,
                    attempt_id,
                    verdict,
                    parser_version=parser_version,
                    cost_uusd=cost_uusd,
                    usage=usage,
                    served_model=served_model,
                    fingerprint=fingerprint,
                )
            )
        )

    async def free(self, attempt_id: str, detail: str) -> bool:
        """It was certainly not charged: the reserve is given back, and it may be asked again."""
        return await _committed(
            self._settle(lambda db: transitions.free(db, self.rules, attempt_id, detail))
        )

    async def doubt(self, attempt_id: str, detail: str) -> bool:
        """It may have been charged: the reserve stays, and it is not asked again by itself."""
        return await _committed(
            self._settle(lambda db: transitions.doubt(db, self.rules, attempt_id, detail))
        )

    def event(self, kind: str, data: Mapping[str, JSON] | None = None) -> None:
        """Write down that something happened; does not wait for the commit."""
        self._submit(lambda db: transitions.event(db, self.rules, kind, None, data), lambda: None)

    def stimulus(self, source: str, transcode: str, make: Callable[[], bytes]) -> bytes:
        """Image bytes as they are sent: made once, then the stored ones for ever.

        Args:
            source: hash of the image file.
            transcode: name of the recipe that ``make`` follows.
            make: makes the bytes; called only if they are not stored.

        Raises:
            LedgerStorageError: the stored bytes are not those that were written.
        """

        def stored(db: sqlite3.Connection) -> sqlite3.Row | None:
            row: sqlite3.Row | None = db.execute(
                "SELECT * FROM stimulus WHERE source = ? AND transcode = ?", (source, transcode)
            ).fetchone()
            return row

        row = self._read(stored)
        if row is None:
            body = make()
            # commits are in order, so it is on disk before any reply that answers it
            self._submit(lambda db: _add_stimulus(db, source, transcode, body), lambda: None)
            return body
        if rows.seal(row, "stimulus") != row["seal"]:
            raise opening.damaged(self.path, f"stored image {source[:16]}… has changed")
        return bytes(row["body"])

    # ---- batches -------------------------------------------------------------------------------

    async def reserve_shard(
        self, items: Iterable[tuple[Task, int]], *, price_id: str
    ) -> tuple[str | None, list[Attempt | Denied]]:
        """Reserve many at once for a batch; see `batches.reserve_shard`."""
        given = list(items)

        def do(db: sqlite3.Connection) -> tuple[str | None, list[Attempt | Denied]]:
            if self._writer.stopped:
                return stopped()
            return batches.reserve_shard(db, self.rules, given, price_id=price_id)

        def stopped() -> tuple[str | None, list[Attempt | Denied]]:
            return None, [Denied("stopped", self._writer.stopped)] * len(given)

        return await _committed(self._submit(do, stopped))

    async def move_shard(
        self,
        name: str,
        state: str,
        *,
        file_id: str | None = None,
        batch_id: str | None = None,
        facts: Mapping[str, JSON] | None = None,
    ) -> None:
        """Write down how far a batch is; see `batches.move_shard`."""
        await _committed(
            self._submit(
                lambda db: batches.move_shard(
                    db, name, state, file_id=file_id, batch_id=batch_id, facts=facts
                ),
                lambda: None,
            )
        )

    def shards(self) -> list[batches.Shard]:
        """All batches of this ledger, oldest first."""
        return self._read(batches.shards)

    # ---- inside --------------------------------------------------------------------------------

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on the writer's thread; only there may the connection be used."""

        def unreadable() -> T:
            raise LedgerStorageError(
                f"{self.path}: {self._writer.stopped}",
                expected="a ledger that can be read",
                todo="see to the disk and run the same command again; it goes on where it stopped",
            )

        return self._writer.submit(query, unreadable).result()

    def _submit(self, do: Callable[[sqlite3.Connection], T], salvage: Callable[[], T]) -> Future[T]:
        if self._lock is None:
            raise LedgerError(
                f"{self.path}: opened for reading",
                expected="a ledger that is open for writing",
                todo="open it without read_only",
            )
        return self._writer.submit(do, salvage)

    def _settle(
        self,
        do: Callable[[sqlite3.Connection], bool],
        salvage: Callable[[], bool] = lambda: False,
    ) -> Future[bool]:
        """Submit something that may free budget, and wake those who wait for that."""
        future = self._submit(do, salvage)
        future.add_done_callback(self._settlements.add)
        return future

    def _any_open(self, db: sqlite3.Connection) -> bool:
        query = "SELECT 1 FROM attempt WHERE state = 'open' AND shard IS NULL AND run = ?"
        return db.execute(query, (self.rules.run,)).fetchone() is not None


async def _committed(future: Future[T]) -> T:
    # shielded: being told something and being cancelled at that moment must not lose it
    return await asyncio.shield(asyncio.wrap_future(future))


def _add_stimulus(db: sqlite3.Connection, source: str, transcode: str, body: bytes) -> None:
    known = db.execute(
        "SELECT 1 FROM stimulus WHERE source = ? AND transcode = ?", (source, transcode)
    ).fetchone()
    if known is None:
        rows.insert(db, "stimulus", source=source, transcode=transcode, body=body)
