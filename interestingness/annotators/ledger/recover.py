"""A damaged ledger made usable again: what can still be read, older copies, and spilled answers.

Row by row, every row whose seal holds is taken, from the damaged file first and then from the
copies. Nothing that may have been paid is forgotten: an attempt whose reply is lost is in doubt,
and what the purse held beyond the attempts that were found is booked as written off. Labels are
not copied but made again from the replies.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interestingness.annotators.ledger import opening, rows, spill
from interestingness.annotators.ledger.cut_short import at_full_length, missing_bytes
from interestingness.annotators.ledger.lock import Lock, refuse_network_disk
from interestingness.annotators.ledger.transitions import event
from interestingness.annotators.ledger.verify import Parse, rebuild

TABLES = ("run", "task", "subject", "batch", "attempt", "reply", "stimulus", "event")
NAMES = {
    "task": ("key",),
    "subject": ("key", "subject"),
    "batch": ("shard",),
    "attempt": ("id",),
    "reply": ("attempt",),
    "stimulus": ("source", "transcode"),
    "run": ("id",),
    "event": ("id",),
}
LIVE = ("open", "in_doubt")
END_OF_TABLE = 10_000
"""Row numbers without a row in succession, where the last one cannot be read."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Recovered:
    """What came of it.

    Attributes:
        found: rows taken, by table.
        broken: rows that were there and are not as they were written, over all tables.
        doubtful: attempts whose reply is lost, now in doubt and therefore not bought again.
        lost_uusd: charges of attempts that are lost altogether, booked as written off.
        damaged: where the damaged file is now.
        missing_bytes: how much shorter the file was than its header says.
        torn: tables whose end could not be found in some file: more rows may be lost, uncounted.
        purse_lost: whether no file tells what was charged: lost attempts are not booked.
    """

    found: dict[str, int]
    broken: int
    doubtful: int
    lost_uusd: int
    damaged: Path
    missing_bytes: int
    torn: tuple[str, ...]
    purse_lost: bool

    @property
    def complete(self) -> bool:
        """Whether everything that was in the file is in the new one."""
        some = any(self.found.values())
        unknown = self.missing_bytes or self.torn or self.purse_lost
        return some and not (self.broken or self.doubtful or self.lost_uusd or unknown)


def recover(
    path: Path, copies: Sequence[Path] = (), *, parse: Parse, parser_version: str
) -> Recovered:
    """Replace a ledger by what can be read of it; the damaged file is kept under another name.

    Args:
        path: the ledger.
        copies: older copies of it (`interestingness ledger export LEDGER out=copy.sqlite`).
        parse, parser_version: make the labels from the replies.

    Raises:
        LedgerBusyError: a process writes to it.
        LedgerError: a network disk.
    """
    refuse_network_disk(path.resolve().parent)
    lock = Lock(path)
    try:
        found: dict[str, dict[tuple[Any, ...], Row]] = {table: {} for table in TABLES}
        broken, charged, torn, missing = 0, None, list[str](), missing_bytes(path)
        for source in (path, *copies):
            with at_full_length(source, path.resolve().parent) as readable:
                bad, purse, open_ended = _read(readable, found)
            broken += bad
            torn += open_ended
            charged = purse if charged is None else charged
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        fresh = path.with_name(f"{path.name}.recovering")
        fresh.unlink(missing_ok=True)
        opening.create(fresh)
        with closing(sqlite3.connect(fresh, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("BEGIN")
            doubtful = _write(db, found, {attempt for _, attempt, _ in spill.read(path)})
            lost = _book_lost(db, charged)
            outcome = Recovered(
                {table: len(kept) for table, kept in found.items()},
                broken,
                doubtful,
                lost,
                path.with_name(f"{path.name}.damaged-{moment}"),
                missing,
                tuple(dict.fromkeys(torn)),
                charged is None,
            )
            rebuild(db, parse, parser_version)
            event(db, None, "recovered", None, {"doubtful": doubtful, "lost_uusd": lost})
            db.execute("COMMIT")
        if path.exists():
            path.rename(outcome.damaged)
        journal = path.with_name(path.name + "-journal")
        if journal.exists():
            journal.rename(outcome.damaged.with_name(outcome.damaged.name + "-journal"))
        fresh.rename(path)
        return outcome
    finally:
        lock.release()


def _read(
    path: Path, found: dict[str, dict[tuple[Any, ...], Row]]
) -> tuple[int, int | None, list[str]]:
    """Add the good rows of a file to what was found.

    Returns:
        Broken rows, what the purse holds, and the tables whose end cannot be found.
    """
    broken, charged, torn = 0, None, list[str]()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        db.text_factory = lambda data: data.decode(errors="replace")
        with suppress(sqlite3.Error, TypeError):
            charged = int(db.execute("SELECT charged_uusd FROM purse").fetchone()[0])
        for table in TABLES:
            last = _last(db, table)
            if last is None:
                torn.append(table)
            for row in _rows(db, table, last):
                if row is None or not _whole(table, row):
                    broken += 1
                    continue
                row.pop("place")
                found[table].setdefault(tuple(row[name] for name in NAMES[table]), row)
    return broken, charged, torn


def _whole(table: str, row: Row) -> bool:
    try:
        return table not in rows.SEALED or rows.seal(row, table) == row["seal"]
    except (KeyError, TypeError, ValueError):
        return False


def _last(db: sqlite3.Connection, table: str) -> int | None:
    """The largest row number; None where it cannot be read."""
    with suppress(sqlite3.Error):
        return int(db.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 0)
    return None


def _rows(db: sqlite3.Connection, table: str, last: int | None) -> Iterator[Row | None]:
    """Each row that can be read; None for each that cannot."""
    place, missing = 0, 0
    while place < last if last is not None else missing < END_OF_TABLE:
        place += 1
        try:
            row = db.execute(
                f"SELECT rowid AS place, * FROM {table} WHERE rowid = ?", (place,)
            ).fetchone()
        except sqlite3.Error:
            # where the end is not known, an unreadable place need not have been a row
            missing += 1
            if last is not None:
                yield None
            continue
        missing = 0 if row is not None else missing + 1
        if row is not None:
            yield dict(row)


def _write(
    db: sqlite3.Connection, found: dict[str, dict[tuple[Any, ...], Row]], spilled: set[str]
) -> int:
    """Fill a new ledger; the number of attempts that are in doubt because something is lost."""
    for table in ("run", "task", "subject", "batch", "stimulus", "event"):
        for name, row in list(found[table].items()):
            # rows without a seal may break a rule of the schema; then they are lost
            try:
                _insert(db, table, row)
            except sqlite3.IntegrityError:
                del found[table][name]
    answered = {name for (name,) in found["reply"]}
    settled = {row["key"] for (name,), row in found["attempt"].items() if name in answered}
    settled |= {row["key"] for row in found["attempt"].values() if row["state"] in LIVE}
    doubtful = 0
    for (name,), row in found["attempt"].items():
        if (row["key"],) not in found["task"]:
            # the key alone still keeps it from being bought again
            rows.insert(db, "task", key=row["key"], kind="lost", identity="{}")
            found["task"][(row["key"],)] = {}
        if (row["run"],) not in found["run"]:
            facts = ("recovered", None, None, "hold", "{}")
            db.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?)", (row["run"], *facts))
            found["run"][(row["run"],)] = {}
        if (row["shard"],) not in found["batch"]:
            row["shard"] = None
        if name in answered:
            row["state"] = "judged"
        elif row["state"] in {"received", "judged"}:
            # one attempt in doubt is enough to keep a key from being bought again
            row["state"] = "written_off" if row["key"] in settled else "in_doubt"
            row["charge_uusd"] = max(row["charge_uusd"], row["reserve_uusd"])
            row["detail"] = "its reply was lost with the damaged file"
            settled.add(row["key"])
            doubtful += name not in spilled
        row["seal"] = rows.seal(row, "attempt")
        _insert(db, "attempt", row)
    for (name,), row in list(found["reply"].items()):
        if (name,) in found["attempt"]:
            _insert(db, "reply", row)
        else:
            del found["reply"][(name,)]
    return doubtful


def _insert(db: sqlite3.Connection, table: str, row: Row) -> None:
    places = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values()))


def _book_lost(db: sqlite3.Connection, charged: int | None) -> int:
    """Charges that the purse knew of and no attempt explains, as one attempt written off."""
    here = db.execute("SELECT charged_uusd FROM purse").fetchone()[0]
    lost = max(0, (charged or 0) - here)
    if lost:
        key = hashlib.sha256(f"lost {rows.now()}".encode()).hexdigest()
        number = db.execute(
            "INSERT INTO run (began, policy, facts) VALUES (?, 'hold', '{}')", (rows.now(),)
        ).lastrowid
        rows.insert(db, "task", key=key, kind="lost", identity="{}")
        blank = dict.fromkeys(rows.SEALED["attempt"])
        row = blank | {
            "id": f"{key[:32]}-1",
            "key": key,
            "n": 1,
            "run": number,
            "state": "written_off",
            "price_id": "lost",
            "reserve_uusd": lost,
            "charge_uusd": lost,
            "opened": rows.now(),
            "detail": "charges of attempts that were lost with the damaged file",
        }
        rows.insert(db, "attempt", **row)
    return lost
