"""Read-only queries of the ledger: what is needed, stored and spent."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Sequence

from interestingness.annotators.ledger.attempts import TRIES, Rules, may_rebuy
from interestingness.annotators.ledger.errors import LedgerStorageError
from interestingness.annotators.ledger.money import dollars
from interestingness.annotators.types import Need, Reply, Task


def need(db: sqlite3.Connection, rules: Rules, tasks: Sequence[Task]) -> Need:
    """Count the distinct tasks by state; see `Need`."""
    todo: list[Task] = []
    counts = dict.fromkeys(("labelled", "refused", "rejected", "held", "unparsed", "waiting"), 0)
    distinct: dict[str, Task] = {}
    for task in tasks:
        distinct.setdefault(task.key, task)
    for task in distinct.values():
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
    if standing == "askable" and row["rejects"] >= TRIES:
        return "rejected"
    if standing == "held":
        live = db.execute(
            "SELECT * FROM attempt WHERE key = ? AND state = 'in_doubt'", (key,)
        ).fetchone()
        return "askable" if may_rebuy(rules, live) else "held"
    return {"open": "waiting", "unjudged": "unparsed"}.get(standing, standing)


def answered(db: sqlite3.Connection, state: str) -> list[tuple[str, Task]]:
    """Attempts with a reply that are in a state, with their task, in the order of the replies."""
    found = db.execute(
        "SELECT attempt.id, task.*, (SELECT subject FROM subject WHERE subject.key = task.key"
        " ORDER BY rowid LIMIT 1) AS subject FROM attempt JOIN task USING (key)"
        " JOIN reply ON reply.attempt = attempt.id WHERE attempt.state = ? ORDER BY reply.rowid",
        (state,),
    )
    tasks = []
    for row in found:
        subject = json.loads(row["subject"]) if row["subject"] else {}
        task = Task(row["key"], row["kind"], json.loads(row["identity"]), subject)
        tasks.append((row["id"], task))
    return tasks


def reply(db: sqlite3.Connection, attempt_id: str) -> Reply | None:
    """Return the stored reply of an attempt, or None.

    Raises:
        LedgerStorageError: the stored bytes are damaged.
    """
    row = db.execute("SELECT * FROM reply WHERE attempt = ?", (attempt_id,)).fetchone()
    if row is None:
        return None
    try:
        body = zlib.decompress(row["body"])
    except zlib.error as error:
        raise LedgerStorageError(
            f"the stored reply of attempt {attempt_id} is damaged: {error}",
            expected="the bytes as they came",
            todo="put a copy of the ledger back: see docs/ledger.md",
        ) from None
    return Reply(row["http"], body, json.loads(row["headers"]), row["request_id"], row["seconds"])


def charged(db: sqlite3.Connection) -> int:
    """Sum what counts against the budget, in micro-dollars."""
    return int(db.execute("SELECT charged_uusd FROM purse").fetchone()[0])


def moving(db: sqlite3.Connection) -> int:
    """Sum the part of it that is in flight or not yet parsed, and may become less."""
    return int(
        db.execute(
            "SELECT coalesce(sum(charge_uusd), 0) FROM attempt WHERE state IN ('open', 'received')"
        ).fetchone()[0]
    )


def status(db: sqlite3.Connection) -> list[str]:
    """List the figures of a ledger as lines for people."""

    def count(query: str) -> dict[str, int]:
        return {str(row[0]): int(row[1]) for row in db.execute(query)}

    def number(query: str) -> int:
        return int(db.execute(query).fetchone()[0])

    def written(what: str, counts: dict[str, int]) -> str:
        texts = ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "none"
        return f"{what:<10} {texts}"

    last = db.execute("SELECT cap_uusd FROM run ORDER BY id DESC LIMIT 1").fetchone()
    cap = "no budget" if not last or last[0] is None else f"last budget {dollars(last[0])}"
    unsure = number(
        "SELECT coalesce(sum(charge_uusd), 0) FROM attempt"
        " WHERE state IN ('open', 'in_doubt', 'written_off')"
        " AND id NOT IN (SELECT attempt FROM reply)"
    )
    free = number("SELECT coalesce(sum(reserve_uusd), 0) FROM attempt WHERE state = 'failed_free'")
    untold = number("SELECT count(*) FROM event WHERE kind = 'cost_not_told'")
    standing = count(
        f"SELECT CASE WHEN standing = 'askable' AND rejects >= {TRIES} THEN 'given up'"
        " ELSE standing END, count(*) FROM standing GROUP BY 1 ORDER BY 1"
    )
    rejects = count("SELECT kind, count(*) FROM reject GROUP BY kind ORDER BY 2 DESC")
    batches = count("SELECT state, count(*) FROM batch GROUP BY state ORDER BY 1")
    events = count("SELECT kind, count(*) FROM event GROUP BY kind ORDER BY 1")
    runs = number("SELECT count(*) FROM run")
    killed = runs - number("SELECT count(ended) FROM run")
    lines = [
        written("tasks", standing),
        written("attempts", count("SELECT state, count(*) FROM attempt GROUP BY state")),
        f"spent      {dollars(charged(db))} ({cap}); of this {dollars(unsure)} for requests"
        " without an answer, which may not have been charged",
    ]
    if free:
        lines.append(
            "free       failed requests are taken for free; if they were charged,"
            f" {dollars(free)} more"
        )
    if untold:
        lines.append(f"untold     {untold} answers without usage: their whole reserve counts")
    if rejects:
        lines.append(written("rejects", rejects))
    if batches:
        lines.append(written("batches", batches))
    lines.append(f"runs       {runs}, {killed} of them not closed (killed, or running)")
    if events:
        lines.append(written("events", events))
    return lines
