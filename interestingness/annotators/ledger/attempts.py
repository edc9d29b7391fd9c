"""Changes of an attempt, each inside one transaction; states are in ``schema.sql``.

Every function takes the connection of the only writer and changes rows; it commits nothing.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from interestingness.annotators.ledger.errors import LedgerError
from interestingness.annotators.ledger.money import dollars, enough
from interestingness.annotators.redaction import kept_headers, redacted, redacted_json
from interestingness.annotators.types import (
    JSON,
    Attempt,
    Denied,
    Reply,
    Task,
    canonical_json,
    task_key,
)

TRIES = 3
"""Number of rejected answers after which a task is given up."""


@dataclass(frozen=True)
class Rules:
    """Limits and policy of a run.

    Attributes:
        run: number of this run in the ledger.
        cap_uusd: budget over the whole file in micro-dollars; None: none.
        policy: what becomes of attempts in doubt of earlier runs.
        prices: ids of the prices that the run knows.
    """

    run: int
    cap_uusd: int | None
    policy: Literal["hold", "rebuy"]
    prices: frozenset[str]


NO_RUN = Rules(0, None, "hold", frozenset())
"""For changes outside a run."""


class Later(Denied):
    """Over budget now; it fits once the reservations of this run come back cheaper."""


def now() -> str:
    """Return UTC to the millisecond; it is for people, no decision depends on it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def insert(db: sqlite3.Connection, table: str, **values: Any) -> None:
    """Add a row."""
    places = ", ".join("?" * len(values))
    db.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", tuple(values.values())
    )


def change(db: sqlite3.Connection, attempt_id: str, **changes: Any) -> None:
    """Change columns of an attempt, and the time of its last change."""
    changes["closed"] = now()
    names = ", ".join(f"{name} = ?" for name in changes)
    db.execute(f"UPDATE attempt SET {names} WHERE id = ?", (*changes.values(), attempt_id))


def add_subject(db: sqlite3.Connection, task: Task) -> None:
    """Store what a question is about; subjects with equal images share one answer."""
    db.execute(
        "INSERT OR IGNORE INTO subject (key, subject) VALUES (?, ?)",
        (task.key, canonical_json(task.subject)),
    )


def _add_task(db: sqlite3.Connection, task: Task) -> None:
    if task_key(task.identity) != task.key:
        raise LedgerError(
            f"task {task.key[:16]}… has another identity than its key says",
            expected="Task.of(kind, identity, subject)",
            todo="make keys with task_key",
        )
    add_subject(db, task)
    db.execute(
        "INSERT OR IGNORE INTO task (key, kind, identity) VALUES (?, ?, ?)",
        (task.key, task.kind, canonical_json(task.identity)),
    )


def reserve(
    db: sqlite3.Connection, rules: Rules, task: Task, *, reserve_uusd: int, price_id: str
) -> Attempt | Denied:
    """Before sending, add an open attempt with the most that it can cost, if allowed.

    Raises:
        LedgerError: a price that the run does not know, or no whole number of micro-dollars.
    """
    if price_id not in rules.prices:
        raise LedgerError(
            f"price {price_id!r} is not known to this run",
            expected=f"one of {', '.join(sorted(rules.prices)) or '(none was given)'}",
            todo="give the backend's prices; a local model needs an explicit price of 0",
        )
    if type(reserve_uusd) is not int or reserve_uusd < 0:
        raise LedgerError(
            f"a reserve of {reserve_uusd!r}",
            expected="micro-dollars, a whole number from 0",
            todo="compute it with annotators/ledger/money.py",
        )
    _add_task(db, task)
    place = db.execute("SELECT * FROM standing WHERE key = ?", (task.key,)).fetchone()
    if place["standing"] in {"labelled", "refused"}:
        return Denied("done", place["standing"])
    if place["rejects"] >= TRIES and place["standing"] != "held":
        return Denied("done", f"{place['rejects']} answers were rejected")
    live = db.execute(
        "SELECT * FROM attempt WHERE key = ? AND state IN ('open', 'received', 'in_doubt')",
        (task.key,),
    ).fetchone()
    if live is not None and not may_rebuy(rules, live):
        if live["state"] == "received":
            return Denied("unparsed", live["id"])
        return Denied("open" if live["state"] == "open" else "held", live["id"])
    denied = _over_budget(db, rules, reserve_uusd)
    if denied is not None:
        return denied
    if live is not None:
        change(db, live["id"], state="written_off")
        event(db, rules, "written_off", live["id"], {"charge_uusd": live["charge_uusd"]})
    n = 1 + db.execute("SELECT count(*) FROM attempt WHERE key = ?", (task.key,)).fetchone()[0]
    attempt = Attempt(f"{task.key[:32]}-{n}", task.key, n, place["rejects"])
    insert(
        db,
        "attempt",
        id=attempt.id,
        key=task.key,
        n=n,
        run=rules.run,
        state="open",
        price_id=price_id,
        reserve_uusd=reserve_uusd,
        charge_uusd=reserve_uusd,
        opened=now(),
    )
    return attempt


def may_rebuy(rules: Rules, live: sqlite3.Row) -> bool:
    """Check whether an attempt in doubt since an earlier run may be asked again, once a run.

    One whose reserve is 0 cannot have cost anything, so that no policy has to allow it.
    """
    allowed = rules.policy == "rebuy" or live["reserve_uusd"] == 0
    return live["state"] == "in_doubt" and allowed and live["run"] != rules.run


def _over_budget(db: sqlite3.Connection, rules: Rules, reserve_uusd: int) -> Denied | None:
    if rules.cap_uusd is None:
        return None
    charged = db.execute("SELECT charged_uusd FROM purse").fetchone()[0]
    if charged + reserve_uusd <= rules.cap_uusd:
        return None
    moving = db.execute(
        "SELECT coalesce(sum(charge_uusd), 0) FROM attempt"
        " WHERE state IN ('open', 'received') AND shard IS NULL AND run = ?",
        (rules.run,),
    ).fetchone()[0]
    detail = (
        f"{dollars(charged)} of {dollars(rules.cap_uusd)} are spent or reserved, and the next"
        f" request may take {dollars(reserve_uusd)}; budget={enough(charged + reserve_uusd)} is the"
        " least that lets it out"
    )
    fits_later = charged - moving + reserve_uusd <= rules.cap_uusd
    return (Later if fits_later else Denied)("budget", detail)


def received(db: sqlite3.Connection, rules: Rules, attempt_id: str, reply: Reply) -> bool:
    """Store a reply before parsing. False if an earlier one stands; this is then an event.

    Raises:
        LedgerError: there is no such attempt.
    """
    row = known(db, attempt_id)
    body = zlib.compress(reply.body)
    if row["state"] not in {"open", "in_doubt"}:
        data = {"status": reply.status, "request_id": reply.request_id, "state": row["state"]}
        event(db, rules, "late_reply", attempt_id, data, body)
        if row["state"] == "failed_free" and 200 <= reply.status < 300:
            # it was recorded as free, but an answer means that it was charged
            detail = "an answer came after it was taken for free"
            change(
                db,
                attempt_id,
                state="written_off",
                charge_uusd=row["reserve_uusd"],
                detail=detail,
            )
        return False
    insert(
        db,
        "reply",
        attempt=attempt_id,
        http=reply.status,
        headers=canonical_json(kept_headers(reply.headers)),
        request_id=reply.request_id,
        seconds=float(reply.seconds),
        received=now(),
        body=body,
    )
    change(db, attempt_id, state="received")
    return True


def free(db: sqlite3.Connection, rules: Rules, attempt_id: str, detail: str) -> bool:
    """Mark as certainly not charged: nothing counts against the budget."""
    state = known(db, attempt_id)["state"]
    if state not in {"open", "in_doubt"}:
        event(db, rules, "free_ignored", attempt_id, {"state": state, "detail": detail})
        return False
    change(db, attempt_id, state="failed_free", charge_uusd=0, detail=redacted(storable(detail)))
    return True


def doubt(db: sqlite3.Connection, rules: Rules, attempt_id: str, detail: str) -> bool:
    """Mark as sent without an answer: the reserve stays charged, nothing is sent again."""
    state = known(db, attempt_id)["state"]
    if state != "open":
        event(db, rules, "doubt_ignored", attempt_id, {"state": state, "detail": detail})
        return False
    change(db, attempt_id, state="in_doubt", detail=redacted(storable(detail)))
    return True


def doubt_open(db: sqlite3.Connection, detail: str) -> None:
    """Mark open attempts outside batches as in doubt: their process has ended."""
    db.execute(
        "UPDATE attempt SET state = 'in_doubt', closed = ?, detail = ?"
        " WHERE state = 'open' AND shard IS NULL",
        (now(), detail),
    )


def begin_run(
    db: sqlite3.Connection, facts: Mapping[str, JSON], cap_uusd: int | None, policy: str
) -> int:
    """Record a new run and return its number; attempts left open become in doubt."""
    doubt_open(db, "the process ended before an answer was stored")
    number = db.execute(
        "INSERT INTO run (began, cap_uusd, policy, facts) VALUES (?, ?, ?, ?)",
        (now(), cap_uusd, policy, json.dumps(redacted_json(facts), allow_nan=False)),
    ).lastrowid
    assert number is not None
    return number


def event(
    db: sqlite3.Connection,
    rules: Rules,
    kind: str,
    attempt_id: str | None = None,
    data: Mapping[str, JSON] | None = None,
    body: bytes | None = None,
) -> None:
    """Record an event."""
    insert(
        db,
        "event",
        time=now(),
        run=rules.run,
        kind=kind,
        attempt=attempt_id,
        data=json.dumps(redacted_json(data or {}), allow_nan=False),
        body=body,
    )


def storable(text: str) -> str:
    """A text that SQLite takes: lone surrogates, which are no Unicode, are written as \\udXXX."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def known(db: sqlite3.Connection, attempt_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM attempt WHERE id = ?", (attempt_id,)
    ).fetchone()
    if row is None:
        raise LedgerError(
            f"attempt {attempt_id!r} is not in the ledger",
            expected="an id that reserve gave",
            todo="ask the ledger that the attempt was reserved in",
        )
    return row
