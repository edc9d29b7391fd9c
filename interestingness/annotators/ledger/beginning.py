"""What happens before a run may buy anything: the dead are noticed, spilled answers taken in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from interestingness.annotators.ledger import rows, spill, transitions
from interestingness.annotators.redaction import redacted_json
from interestingness.annotators.types import JSON


def begin(
    db: sqlite3.Connection, run: Mapping[str, JSON], cap_uusd: int | None, policy: str
) -> int:
    """Write down a new run; open attempts belong to a dead process and become in doubt.

    Args:
        run: facts for the record; texts that look like keys are removed.
        cap_uusd, policy: as in `Ledger.open`.

    Returns:
        Number of the run.
    """
    db.execute("BEGIN IMMEDIATE")
    facts = json.dumps(redacted_json(run), allow_nan=False)
    number = db.execute(
        "INSERT INTO run (began, cap_uusd, policy, facts) VALUES (?, ?, ?, ?)",
        (rows.now(), cap_uusd, policy, facts),
    ).lastrowid
    transitions.doubt_dead(db, "the process ended before an answer was stored")
    db.execute("COMMIT")
    assert number is not None
    return number


def take_spilled(db: sqlite3.Connection, path: Path, rules: transitions.Rules) -> int:
    """Take in the replies that could not be stored when they came; how many.

    Replies to attempts that this ledger does not know stay where they are.
    """
    taken = 0
    for file, attempt_id, reply in list(spill.read(path)):
        if rows.attempt(db, attempt_id) is None:
            continue
        db.execute("BEGIN IMMEDIATE")
        first = transitions.received(db, rules, attempt_id, reply)
        transitions.event(db, rules, "spill_taken", attempt_id, {"file": file.name, "first": first})
        db.execute("COMMIT")
        file.unlink()
        taken += 1
    return taken
