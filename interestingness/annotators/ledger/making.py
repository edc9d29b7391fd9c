"""Make the file of a ledger: an empty one, or version 2 in place of version 1.

Version 1 kept a hash in every row, a file of random bytes that was given up when the disk was full,
and answers that could not be stored in files of their own (docs/decisions/0019).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from interestingness.annotators.ledger import attempts
from interestingness.annotators.ledger.errors import LedgerStorageError
from interestingness.annotators.types import Reply
from interestingness.disk import appearing

TABLES = (
    *("run", "task", "subject", "batch", "attempt", "reply"),
    *("label", "reject", "stimulus", "event"),
)


def create(path: Path) -> None:
    """Make an empty ledger; the name appears only once its schema is committed.

    A file of no bytes is therefore never a new ledger but a damaged one.
    """
    with _empty(path):
        pass


@contextmanager
def _empty(path: Path) -> Iterator[sqlite3.Connection]:
    """Make an empty ledger to fill, which replaces ``path`` unless an error occurs."""
    schema = (files("interestingness.annotators.ledger") / "schema.sql").read_text()
    with appearing(path) as part:
        with closing(sqlite3.connect(part, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.executescript(f"BEGIN; {schema} COMMIT;")
            yield db
        with open(part, "rb") as file:
            os.fsync(file.fileno())


def upgrade(path: Path) -> None:
    """Replace version 1 by version 2, whole or not at all.

    Raises:
        LedgerStorageError: an answer that was saved in a file cannot be read.
    """
    with _empty(path) as db:
        db.execute("ATTACH ? AS old", (str(path),))
        db.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            names = ", ".join(row["name"] for row in db.execute(f"PRAGMA table_info({table})"))
            db.execute(
                f"INSERT INTO main.{table} ({names}) SELECT {names} FROM old.{table} ORDER BY rowid"
            )
        known = {row["id"] for row in db.execute("SELECT id FROM attempt")}
        taken = [entry for entry in _spilled(path) if entry[1] in known]
        for file, attempt_id, reply in taken:
            first = attempts.received(db, attempts.NO_RUN, attempt_id, reply)
            attempts.event(
                db, attempts.NO_RUN, "spill_taken", attempt_id, {"file": file.name, "first": first}
            )
        db.execute("COMMIT")
    leftovers = [path.with_name(path.name + ending) for ending in (".ballast", "-journal")]
    for file in [*leftovers, *(file for file, _, _ in taken)]:
        file.unlink(missing_ok=True)


def _spilled(path: Path) -> Iterator[tuple[Path, str, Reply]]:
    """Answers that version 1 saved in files when the disk was full: file, attempt, reply."""
    folders = [path.with_name(path.name + ".spill")]
    with suppress(RuntimeError):  # a user without a home
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
        folders.append(state / "interestingness" / "spill" / f"{path.name}-{name}")
    for file in [file for folder in folders for file in sorted(folder.glob("*.json"))]:
        try:
            facts = json.loads(file.read_text())
            body = base64.b64decode(facts["body"])
            names = ("headers", "request_id", "seconds")
            yield file, facts["attempt"], Reply(facts["status"], body, *map(facts.get, names))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LedgerStorageError(
                f"{file}: an answer that was saved when the disk was full cannot be read: {error}",
                expected="the file as it was written",
                todo="move it away if it is of no use",
            ) from None
