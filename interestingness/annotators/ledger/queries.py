"""Questions to the ledger that change nothing."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Sequence

from interestingness.annotators.ledger import rows
from interestingness.annotators.ledger.errors import LedgerStorageError
from interestingness.annotators.ledger.transitions import Rules, may_rebuy
from interestingness.annotators.types import Need, Reply, Task


def need(db: sqlite3.Connection, rules: Rules, tasks: Sequence[Task]) -> Need:
    """Where each distinct task stands; see `Need`."""
    todo: list[Task] = []
    counts = dict.fromkeys(("labelled", "refused", "rejected", "held", "unjudged", "waiting"), 0)
    seen: set[str] = set()
    for task in tasks:
        if task.key in seen:
            continue
        seen.add(task.key)
        place = _place(db, rules, task.key)
        if place == "askable":
            todo.append(task)
        else:
            counts[place] += 1
    return Need(todo, **counts)


def _place(db: sqlite3.Connection, rules: Rules, key: str) -> str:
    row = db.execute("SELECT * FROM standing WHERE key = ?", (key,)).fetchone()
    if row is None:
        return "askable"
    standing = str(row["standing"])
    if standing == "askable" and row["rejects"] >= rules.tries:
        return "rejected"
    if standing == "held":
        live = db.execute(
            "SELECT * FROM attempt WHERE key = ? AND state = 'in_doubt'", (key,)
        ).fetchone()
        return "askable" if may_rebuy(rules, live) else "held"
    return "waiting" if standing == "open" else standing


def unjudged(db: sqlite3.Connection, shard: str | None = None) -> list[tuple[str, Task]]:
    """Attempts whose reply was stored and not parsed, in the order of the replies."""
    found = db.execute(
        "SELECT attempt.id, task.*, (SELECT subject FROM subject WHERE subject.key = task.key"
        " ORDER BY rowid LIMIT 1) AS subject FROM attempt JOIN task USING (key)"
        " JOIN reply ON reply.attempt = attempt.id WHERE attempt.state = 'received'"
        " AND (?1 IS NULL OR attempt.shard = ?1) ORDER BY reply.rowid",
        (shard,),
    )
    return [(row["id"], task_of(row)) for row in found]


def task_of(row: sqlite3.Row) -> Task:
    """A row of ``task`` with its first subject, as it was given."""
    subject = json.loads(row["subject"]) if row["subject"] else {}
    return Task(row["key"], row["kind"], json.loads(row["identity"]), subject)


def reply(db: sqlite3.Connection, attempt_id: str) -> Reply | None:
    """The stored reply of an attempt.

    Raises:
        LedgerStorageError: it is not as it was received.
    """
    row = db.execute("SELECT * FROM reply WHERE attempt = ?", (attempt_id,)).fetchone()
    if row is None:
        return None
    if rows.seal(row, "reply") != row["seal"]:
        raise LedgerStorageError(
            f"the stored reply of attempt {attempt_id} is not as it was received",
            expected="the bytes as they came",
            todo="run `interestingness ledger recover` on the ledger",
        )
    return reply_of(row)


def reply_of(row: sqlite3.Row) -> Reply:
    """A row of ``reply`` as it was received."""
    return Reply(
        row["http"],
        zlib.decompress(row["body"]),
        json.loads(row["headers"]),
        row["request_id"],
        row["seconds"],
    )


def charged(db: sqlite3.Connection) -> int:
    """Everything that counts against the budget, in micro-dollars."""
    return int(db.execute("SELECT charged_uusd FROM purse").fetchone()[0])


def moving(db: sqlite3.Connection) -> int:
    """The part of it that is on its way, or not yet parsed, and may become less."""
    return int(
        db.execute(
            "SELECT coalesce(sum(charge_uusd), 0) FROM attempt WHERE state IN ('open', 'received')"
        ).fetchone()[0]
    )
