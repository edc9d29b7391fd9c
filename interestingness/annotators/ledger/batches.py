"""Parts of a batch: many attempts that are reserved at once and outlive the process.

A part is one file of requests; the ledger calls it a shard, a name kept from its first version.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from interestingness.annotators.ledger.attempts import Rules, insert, now, reserve
from interestingness.annotators.ledger.errors import LedgerError
from interestingness.annotators.redaction import redacted_json
from interestingness.annotators.types import Attempt, Denied, Task


@dataclass(frozen=True)
class BatchPart:
    """One file of requests for a provider's batch API.

    Attributes:
        name: hash of its attempts' ids; names the remote file, so that it is found again.
        state: ``reserved`` after `reserve_part`; the later ones are the batch engine's.
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


def reserve_part(
    db: sqlite3.Connection, rules: Rules, items: Iterable[tuple[Task, int]], *, price_id: str
) -> tuple[str | None, list[Attempt | Denied]]:
    """Reserve what may be asked and what the budget allows, all in this transaction.

    Args:
        items: tasks with their reserves in micro-dollars.

    Returns:
        Name of the part (None if nothing was reserved), and the outcome of each task in order.
    """
    outcomes = [
        reserve(db, rules, task, reserve_uusd=amount, price_id=price_id) for task, amount in items
    ]
    ids = [outcome.id for outcome in outcomes if isinstance(outcome, Attempt)]
    if not ids:
        return None, outcomes
    # the name is a hash of the ids, which are known only now
    name = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:32]
    insert(db, "batch", shard=name, state="reserved", facts="{}", changed=now())
    db.executemany("UPDATE attempt SET shard = ? WHERE id = ?", [(name, one) for one in ids])
    return name, outcomes


def move_part(
    db: sqlite3.Connection,
    name: str,
    state: str,
    *,
    file_id: str | None = None,
    batch_id: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Record the state of a part; None leaves a field unchanged, facts are merged.

    Raises:
        LedgerError: there is none of that name.
    """
    row = db.execute("SELECT facts FROM batch WHERE shard = ?", (name,)).fetchone()
    if row is None:
        raise LedgerError(
            f"there is no batch {name!r}",
            expected="a name that reserve_part gave",
            todo="list them with `interestingness ledger status`",
        )
    merged = {**json.loads(row["facts"]), **redacted_json(facts or {})}
    db.execute(
        "UPDATE batch SET state = ?, file_id = coalesce(?, file_id),"
        " batch_id = coalesce(?, batch_id), facts = ?, changed = ? WHERE shard = ?",
        (state, file_id, batch_id, json.dumps(merged, allow_nan=False), now(), name),
    )


def parts(db: sqlite3.Connection) -> list[BatchPart]:
    """Return all parts, the oldest first."""
    found = []
    for row in db.execute("SELECT * FROM batch ORDER BY rowid").fetchall():
        states = db.execute(
            "SELECT id, state FROM attempt WHERE shard = ? ORDER BY rowid", (row["shard"],)
        )
        found.append(
            BatchPart(
                row["shard"],
                row["state"],
                row["file_id"],
                row["batch_id"],
                json.loads(row["facts"]),
                tuple((attempt["id"], attempt["state"]) for attempt in states),
            )
        )
    return found
