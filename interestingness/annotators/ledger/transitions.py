"""What can happen to an attempt, each change inside one transaction; states are in ``schema.sql``.

Every function takes the connection of the only writer and changes rows; it commits nothing.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from interestingness.annotators.ledger import rows
from interestingness.annotators.ledger.errors import LedgerError
from interestingness.annotators.ledger.money import dollars, enough
from interestingness.annotators.redaction import kept_headers, redacted, redacted_json
from interestingness.annotators.types import (
    JSON,
    Answer,
    Attempt,
    Denied,
    Reply,
    Task,
    Usage,
    Verdict,
    canonical_json,
    task_key,
)


@dataclass(frozen=True)
class Rules:
    """What a run may do.

    Attributes:
        run: number of this run in the ledger.
        cap_uusd: budget over the whole file; None: none.
        policy: what becomes of attempts in doubt of earlier runs.
        tries: this many rejected answers and a task is given up.
        prices: ids of the prices that the run knows.
    """

    run: int
    cap_uusd: int | None
    policy: Literal["hold", "rebuy"]
    tries: int
    prices: frozenset[str]


class Later(Denied):
    """Denied now, but reservations of this run are open and may come back cheaper."""


def add_task(db: sqlite3.Connection, task: Task) -> None:
    """Store a question and what it is about, unless they are known.

    Raises:
        LedgerError: the key is not that of the identity.
    """
    add_subject(db, task)
    if db.execute("SELECT 1 FROM task WHERE key = ?", (task.key,)).fetchone():
        return
    if task_key(task.identity) != task.key:
        raise LedgerError(
            f"task {task.key[:16]}… has another identity than its key says",
            expected="Task.of(kind, identity, subject)",
            todo="make keys with task_key",
        )
    identity = canonical_json(task.identity)
    rows.insert(db, "task", key=task.key, kind=task.kind, identity=identity)


def add_subject(db: sqlite3.Connection, task: Task) -> None:
    """Store what a question is about; subjects with equal images share one answer."""
    subject = canonical_json(task.subject)
    known = db.execute(
        "SELECT 1 FROM subject WHERE key = ? AND subject = ?", (task.key, subject)
    ).fetchone()
    if known is None:
        rows.insert(db, "subject", key=task.key, subject=subject)


def reserve(
    db: sqlite3.Connection,
    rules: Rules,
    task: Task,
    *,
    reserve_uusd: int,
    price_id: str,
    shard: str | None = None,
) -> Attempt | Denied:
    """T1, before sending: an open attempt with the most it can cost, if everything allows it.

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
    add_task(db, task)
    place = db.execute("SELECT * FROM standing WHERE key = ?", (task.key,)).fetchone()
    if place["standing"] in {"labelled", "refused"}:
        return Denied("done", place["standing"])
    if place["rejects"] >= rules.tries and place["standing"] != "held":
        return Denied("done", f"{place['rejects']} answers were rejected")
    live = _live(db, task.key)
    if live is not None and not may_rebuy(rules, live):
        if live["state"] == "received":
            return Denied("unjudged", live["id"])
        return Denied("open" if live["state"] == "open" else "held", live["id"])
    short = _over_budget(db, rules, reserve_uusd)
    if short is not None:
        return short
    if live is not None:
        rows.change_attempt(db, live, state="written_off")
        event(db, rules, "written_off", live["id"], {"charge_uusd": live["charge_uusd"]})
    n = 1 + db.execute("SELECT count(*) FROM attempt WHERE key = ?", (task.key,)).fetchone()[0]
    attempt = Attempt(f"{task.key[:32]}-{n}", task.key, n, place["rejects"])
    rows.insert(
        db,
        "attempt",
        id=attempt.id,
        key=task.key,
        n=n,
        run=rules.run,
        shard=shard,
        state="open",
        price_id=price_id,
        reserve_uusd=reserve_uusd,
        charge_uusd=reserve_uusd,
        prompt_tokens=None,
        completion_tokens=None,
        served_model=None,
        fingerprint=None,
        opened=rows.now(),
        closed=None,
        detail=None,
    )
    return attempt


def may_rebuy(rules: Rules, live: Mapping[str, Any] | sqlite3.Row) -> bool:
    """In doubt since an earlier run, and this run was told to buy such again: once in a run."""
    return live["state"] == "in_doubt" and rules.policy == "rebuy" and live["run"] != rules.run


def _live(db: sqlite3.Connection, key: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM attempt WHERE key = ? AND state IN ('open', 'received', 'in_doubt')", (key,)
    ).fetchone()
    return row


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
    """T2, before parsing: the bytes. False if an earlier reply stands; this one is then an event.

    Raises:
        LedgerError: there is no such attempt.
    """
    row = _known(db, attempt_id)
    body = zlib.compress(reply.body)
    if row["state"] not in {"open", "in_doubt"}:
        data = {"status": reply.status, "request_id": reply.request_id, "state": row["state"]}
        event(db, rules, "late_reply", attempt_id, data, body)
        if row["state"] == "failed_free" and 200 <= reply.status < 300:
            # it was thought to be free, but an answer means that it was charged
            detail = "an answer came after it was taken for free"
            rows.change_attempt(
                db, row, state="written_off", charge_uusd=row["reserve_uusd"], detail=detail
            )
        return False
    rows.insert(
        db,
        "reply",
        attempt=attempt_id,
        http=reply.status,
        headers=canonical_json(kept_headers(reply.headers)),
        request_id=reply.request_id,
        seconds=float(reply.seconds),
        received=rows.now(),
        body=body,
    )
    rows.change_attempt(db, row, state="received")
    return True


def judged(
    db: sqlite3.Connection,
    rules: Rules,
    attempt_id: str,
    verdict: Verdict,
    *,
    parser_version: str,
    cost_uusd: int | None = None,
    usage: Usage | None = None,
    served_model: str | None = None,
    fingerprint: str | None = None,
) -> bool:
    """After parsing: a label or a reject, and the true cost. False if it was judged before.

    Raises:
        LedgerError: there is no such attempt, or it has no reply yet.
    """
    row = _known(db, attempt_id)
    if row["state"] == "judged":
        event(db, rules, "judged_again", attempt_id, {"parser": parser_version})
        return False
    if row["state"] != "received":
        raise LedgerError(
            f"attempt {attempt_id} is {row['state']}: there is no reply to judge",
            expected="received before judged",
            todo="call received with the reply first",
        )
    told = cost_uusd is not None and cost_uusd >= 0
    charge = int(cost_uusd) if told and cost_uusd is not None else row["reserve_uusd"]
    if not told:
        event(db, rules, "cost_not_told", attempt_id, {"charge_uusd": charge})
    elif charge > row["reserve_uusd"]:
        excess = {"reserve_uusd": row["reserve_uusd"], "charge_uusd": charge}
        event(db, rules, "cost_over_reserve", attempt_id, excess)
    rows.change_attempt(
        db,
        row,
        state="judged",
        charge_uusd=charge,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        served_model=served_model,
        fingerprint=fingerprint,
    )
    add_verdict(db, row["key"], attempt_id, verdict, parser_version)
    return True


def add_verdict(
    db: sqlite3.Connection, key: str, attempt_id: str, verdict: Verdict, parser_version: str
) -> None:
    """The row that can be made again; a key keeps the label of its first labelled attempt."""
    if isinstance(verdict, Answer):
        db.execute(
            "INSERT INTO label VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
            (
                key,
                attempt_id,
                verdict.choice,
                verdict.p_first,
                storable(verdict.reason),
                canonical_json(verdict.extra),
                parser_version,
            ),
        )
    else:
        db.execute(
            "INSERT INTO reject VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                attempt_id,
                key,
                verdict.kind,
                redacted(storable(verdict.detail)),
                int(verdict.terminal),
                verdict.retry_with,
                parser_version,
            ),
        )


def free(db: sqlite3.Connection, rules: Rules, attempt_id: str, detail: str) -> bool:
    """It was certainly not charged: nothing counts against the budget."""
    row = _known(db, attempt_id)
    if row["state"] not in {"open", "in_doubt"}:
        event(db, rules, "free_ignored", attempt_id, {"state": row["state"], "detail": detail})
        return False
    note = redacted(storable(detail))
    rows.change_attempt(db, row, state="failed_free", charge_uusd=0, detail=note)
    return True


def doubt(db: sqlite3.Connection, rules: Rules, attempt_id: str, detail: str) -> bool:
    """It was sent and no answer came: the reserve stays charged and nothing is sent again."""
    row = _known(db, attempt_id)
    if row["state"] != "open":
        event(db, rules, "doubt_ignored", attempt_id, {"state": row["state"], "detail": detail})
        return False
    rows.change_attempt(db, row, state="in_doubt", detail=redacted(storable(detail)))
    return True


def doubt_dead(db: sqlite3.Connection, detail: str) -> int:
    """Open attempts outside batches whose process has ended become in doubt; how many."""
    dead = db.execute("SELECT * FROM attempt WHERE state = 'open' AND shard IS NULL").fetchall()
    for row in dead:
        rows.change_attempt(db, row, state="in_doubt", detail=detail)
    return len(dead)


def event(
    db: sqlite3.Connection,
    rules: Rules | None,
    kind: str,
    attempt_id: str | None = None,
    data: Mapping[str, JSON] | None = None,
    body: bytes | None = None,
) -> None:
    """Write down that something happened."""
    db.execute(
        "INSERT INTO event (time, run, kind, attempt, data, body) VALUES (?, ?, ?, ?, ?, ?)",
        (
            rows.now(),
            rules.run if rules else None,
            kind,
            attempt_id,
            json.dumps(redacted_json(data or {}), allow_nan=False),
            body,
        ),
    )


def storable(text: str) -> str:
    """A text that SQLite takes: lone surrogates, which are no Unicode, are written as \\udXXX."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _known(db: sqlite3.Connection, attempt_id: str) -> sqlite3.Row:
    row = rows.attempt(db, attempt_id)
    if row is None:
        raise LedgerError(
            f"attempt {attempt_id!r} is not in the ledger",
            expected="an id that reserve gave",
            todo="ask the ledger that the attempt was reserved in",
        )
    return row
