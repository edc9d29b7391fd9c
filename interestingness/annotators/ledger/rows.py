"""Rows with a seal: a hash of the other columns, so that a flipped bit is noticed."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

SEALED: dict[str, tuple[str, ...]] = {
    "task": ("key", "kind", "identity"),
    "subject": ("key", "subject"),
    "attempt": (
        "id",
        "key",
        "n",
        "run",
        "shard",
        "state",
        "price_id",
        "reserve_uusd",
        "charge_uusd",
        "prompt_tokens",
        "completion_tokens",
        "served_model",
        "fingerprint",
        "opened",
        "closed",
        "detail",
    ),
    "reply": ("attempt", "http", "headers", "request_id", "seconds", "received", "body"),
    "stimulus": ("source", "transcode", "body"),
}
"""Columns under the seal, by table; labels and rejects are checked by making them again."""


def seal(values: Mapping[str, Any] | sqlite3.Row, table: str) -> str:
    """Sixteen hexadecimal digits over a row's sealed columns."""
    digest = hashlib.blake2b(digest_size=8)
    plain = []
    for column in SEALED[table]:
        value = values[column]
        if isinstance(value, bytes):
            digest.update(value)
            value = len(value)
        plain.append(value)
    digest.update(json.dumps(plain).encode())
    return digest.hexdigest()


def insert(db: sqlite3.Connection, table: str, **values: Any) -> None:
    """Add a row; sealed tables get their seal."""
    if table in SEALED:
        values["seal"] = seal(values, table)
    places = ", ".join("?" * len(values))
    db.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", tuple(values.values())
    )


def change_attempt(db: sqlite3.Connection, row: sqlite3.Row, **changes: Any) -> None:
    """Change an attempt and seal it again; exactly the row that was read, or an error."""
    changes.setdefault("closed", now())
    after = {**dict(row), **changes}
    changes["seal"] = seal(after, "attempt")
    names = ", ".join(f"{name} = ?" for name in changes)
    done = db.execute(
        f"UPDATE attempt SET {names} WHERE id = ? AND state = ?",
        (*changes.values(), row["id"], row["state"]),
    )
    if done.rowcount != 1:
        raise AssertionError(f"attempt {row['id']} changed under the only writer")


def attempt(db: sqlite3.Connection, attempt_id: str) -> sqlite3.Row | None:
    """One attempt by its id."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM attempt WHERE id = ?", (attempt_id,)
    ).fetchone()
    return row


def broken_seals(db: sqlite3.Connection, *tables: str) -> Iterator[tuple[str, int]]:
    """Table and rowid of rows that are not what was written."""
    for table in tables:
        for row in db.execute(f"SELECT rowid AS place, * FROM {table}"):
            if seal(row, table) != row["seal"]:
                yield table, row["place"]


def now() -> str:
    """UTC, to the millisecond; for people, no decision hangs on it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
