"""Shards of a batch: many attempts that are reserved at once and outlive the process."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from interestingness.annotators.ledger import rows
from interestingness.annotators.ledger.errors import LedgerError
from interestingness.annotators.ledger.transitions import Rules, reserve
from interestingness.annotators.redaction import redacted_json
from interestingness.annotators.types import Attempt, Denied, Task


@dataclass(frozen=True)
class Shard:
    """One file of requests for a provider's batch API.

    Attributes:
        name: hash of its attempts' ids; names the remote file, so that it is found again.
        state: ``reserved`` after `reserve_shard`; the later ones are the batch engine's.
        file_id, batch_id: as the provider named them; None before.
        facts: whatever the batch engine wants to remember.
        attempts: id and state of each, in the order in which they were reserved.
    """

    name: str
    state: str
    file_id: str | None
    batch_id: str | None
    facts: Mapping[str, Any]
    attempts: tuple[tuple[str, str], ...]


def reserve_shard(
    db: sqlite3.Connection, rules: Rules, items: Iterable[tuple[Task, int]], *, price_id: str
) -> tuple[str | None, list[Attempt | Denied]]:
    """Reserve what may be asked and what the budget allows, all in this transaction.

    Args:
        items: tasks with their reserves in micro-dollars.

    Returns:
        Name of the shard (None if nothing was reserved), and the outcome of each task in order.
    """
    # the attempts' ids are known only after they were made, so the name is put in afterwards
    outcomes = [
        reserve(db, rules, task, reserve_uusd=amount, price_id=price_id) for task, amount in items
    ]
    ids = [outcome.id for outcome in outcomes if isinstance(outcome, Attempt)]
    if not ids:
        return None, outcomes
    name = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:32]
    rows.insert(
        db,
        "batch",
        shard=name,
        state="reserved",
        file_id=None,
        batch_id=None,
        facts="{}",
        changed=rows.now(),
    )
    for attempt_id in ids:
        row = rows.attempt(db, attempt_id)
        assert row is not None
        rows.change_attempt(db, row, shard=name, closed=None)
    return name, outcomes


def move_shard(
    db: sqlite3.Connection,
    name: str,
    state: str,
    *,
    file_id: str | None = None,
    batch_id: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write down how far a shard is; what is None stays as it was, facts are added to."""
    known = shard(db, name)
    db.execute(
        "UPDATE batch SET state = ?, file_id = ?, batch_id = ?, facts = ?, changed = ?"
        " WHERE shard = ?",
        (
            state,
            file_id or known.file_id,
            batch_id or known.batch_id,
            json.dumps({**known.facts, **redacted_json(facts or {})}, allow_nan=False),
            rows.now(),
            name,
        ),
    )


def shard(db: sqlite3.Connection, name: str) -> Shard:
    """One shard with its attempts.

    Raises:
        LedgerError: there is none of that name.
    """
    row = db.execute("SELECT * FROM batch WHERE shard = ?", (name,)).fetchone()
    if row is None:
        raise LedgerError(
            f"there is no batch {name!r}",
            expected="a name that reserve_shard gave",
            todo="list them with `interestingness ledger status`",
        )
    found = db.execute("SELECT id, state FROM attempt WHERE shard = ? ORDER BY rowid", (name,))
    return Shard(
        name,
        row["state"],
        row["file_id"],
        row["batch_id"],
        json.loads(row["facts"]),
        tuple((entry["id"], entry["state"]) for entry in found),
    )


def shards(db: sqlite3.Connection) -> list[Shard]:
    """All of them, oldest first."""
    names = db.execute("SELECT shard FROM batch ORDER BY rowid").fetchall()
    return [shard(db, row["shard"]) for row in names]
