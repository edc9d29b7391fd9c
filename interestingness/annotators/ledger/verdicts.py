"""What the parser made of replies, as changes inside one transaction; see ``attempts``."""

from __future__ import annotations

import sqlite3

from interestingness.annotators.ledger.attempts import (
    NO_RUN,
    TRIES,
    Rules,
    change,
    event,
    insert,
    known,
    storable,
)
from interestingness.annotators.ledger.errors import LedgerError
from interestingness.annotators.redaction import redacted
from interestingness.annotators.types import JSON, Answer, Parsed, Reject, Verdict, canonical_json


def parsed(
    db: sqlite3.Connection,
    rules: Rules,
    attempt_id: str,
    found: Parsed,
    *,
    parser_version: str,
    cost_uusd: int | None,
) -> bool:
    """Store label or reject and the true cost; a failed server's reply makes the attempt free.

    Returns:
        False if it was parsed before.

    Raises:
        LedgerError: there is no such attempt, or it has no reply yet.
    """
    row = known(db, attempt_id)
    if row["state"] == "judged":
        event(db, rules, "judged_again", attempt_id, {"parser": parser_version})
        return False
    if row["state"] != "received":
        raise LedgerError(
            f"attempt {attempt_id} is {row['state']}: there is no reply to parse",
            expected="received before parsed",
            todo="call received with the reply first",
        )
    if not settle_verdict(db, row["key"], attempt_id, found.verdict, parser_version):
        return True
    charge = row["reserve_uusd"]
    if cost_uusd is None or cost_uusd < 0:
        event(db, rules, "cost_not_told", attempt_id, {"charge_uusd": charge})
    else:
        if cost_uusd > charge:
            excess = {"reserve_uusd": charge, "charge_uusd": cost_uusd}
            event(db, rules, "cost_over_reserve", attempt_id, excess)
        charge = int(cost_uusd)
    change(
        db,
        attempt_id,
        state="judged",
        charge_uusd=charge,
        prompt_tokens=found.usage.prompt_tokens if found.usage else None,
        completion_tokens=found.usage.completion_tokens if found.usage else None,
        served_model=found.model,
        fingerprint=found.fingerprint,
    )
    return True


def settle_verdict(
    db: sqlite3.Connection, key: str, attempt_id: str, verdict: Verdict, parser_version: str
) -> bool:
    """Add a verdict; False if it is an outage, which makes the attempt one that cost nothing."""
    if isinstance(verdict, Reject) and verdict.outage:
        detail = redacted(storable(verdict.detail))
        change(db, attempt_id, state="failed_free", charge_uusd=0, detail=detail)
        return False
    add_verdict(db, key, attempt_id, verdict, parser_version)
    return True


def given_up(db: sqlite3.Connection) -> list[str]:
    """List the keys of tasks that are not asked again, because their answers are no use."""
    query = "SELECT key FROM standing WHERE standing = 'askable' AND rejects >= ? ORDER BY key"
    return [row["key"] for row in db.execute(query, (TRIES,))]


def reopen(db: sqlite3.Connection) -> tuple[int, int]:
    """Let the tasks that were given up be asked again.

    Their attempts become ``written_off``: replies and charges stay, and the tries count from 0.

    Returns:
        Number of tasks, and what their answers were charged, in micro-dollars.
    """
    keys = given_up(db)
    charged = 0
    for key in keys:
        query = "SELECT id, charge_uusd FROM attempt WHERE key = ? AND state = 'judged'"
        for row in db.execute(query, (key,)).fetchall():
            charged += int(row["charge_uusd"])
            change(db, row["id"], state="written_off", detail="the task was reopened")
        db.execute("DELETE FROM reject WHERE key = ?", (key,))
    if keys:
        data: dict[str, JSON] = {"tasks": len(keys), "charge_uusd": charged}
        event(db, NO_RUN, "reopened", None, data)
    return len(keys), charged


def add_verdict(
    db: sqlite3.Connection, key: str, attempt_id: str, verdict: Verdict, parser_version: str
) -> None:
    """Add a verdict, which can be rebuilt; a key keeps its first attempt's label."""
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
        insert(
            db,
            "reject",
            attempt=attempt_id,
            key=key,
            kind=verdict.kind,
            detail=redacted(storable(verdict.detail)),
            terminal=int(verdict.terminal),
            retry_with=verdict.retry_with,
            parser=parser_version,
        )
