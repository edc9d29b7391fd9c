"""Check that the ledger is sound and that its labels match the stored answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TypeAlias

from interestingness.annotators.ledger import queries
from interestingness.annotators.ledger.errors import LedgerStorageError
from interestingness.annotators.ledger.verdicts import add_verdict, settle_verdict
from interestingness.annotators.types import Parsed, Reply, Task, Verdict

Parse: TypeAlias = Callable[[Task, Reply], Parsed]

RULES = {
    "an attempt is judged or received without a reply": (
        "SELECT id FROM attempt WHERE state IN ('received', 'judged')"
        " AND id NOT IN (SELECT attempt FROM reply)"
    ),
    "a reply belongs to an attempt that knows nothing of it": (
        "SELECT attempt FROM reply JOIN attempt ON attempt.id = reply.attempt"
        " WHERE state IN ('open', 'in_doubt')"
    ),
    "a judged attempt has neither label nor reject": (
        "SELECT id FROM attempt WHERE state = 'judged' AND id NOT IN (SELECT attempt FROM reject)"
        " AND key NOT IN (SELECT key FROM label)"
    ),
    "an attempt counts less than its state says": (
        "SELECT id FROM attempt WHERE charge_uusd < reserve_uusd AND"
        " (state IN ('open', 'received', 'in_doubt') OR state = 'written_off'"
        " AND id NOT IN (SELECT attempt FROM reply))"
    ),
    "the purse does not hold what the attempts were charged": (
        "SELECT charged_uusd FROM purse"
        " WHERE charged_uusd != (SELECT coalesce(sum(charge_uusd), 0) FROM attempt)"
    ),
}
"""Queries that return rows only if something is wrong, by what is wrong."""


def problems(db: sqlite3.Connection, parse: Parse, parser_version: str) -> Iterator[str]:
    """List problems, one line each; none if the ledger is sound.

    Args:
        parse: makes a verdict of a task and its reply.
        parser_version: labels and rejects of other versions are counted, not compared.
    """
    try:
        for row in db.execute("PRAGMA integrity_check(20)"):
            if row[0] != "ok":
                yield f"structure: {row[0]}"
        for row in db.execute("PRAGMA foreign_key_check"):
            yield f"row {row['rowid']} of {row['table']} refers to a lost row of {row['parent']}"
        for meaning, query in RULES.items():
            found = [str(row[0]) for row in db.execute(query)]
            if found:
                yield f"{meaning}: {', '.join(found[:3])}{' …' * (len(found) > 3)} ({len(found)})"
        yield from _other_labels(db, parse, parser_version)
    except (sqlite3.DatabaseError, LedgerStorageError) as error:
        yield f"structure: {error}"


def _other_labels(db: sqlite3.Connection, parse: Parse, parser_version: str) -> Iterator[str]:
    """Compare labels and rejects with those rebuilt from the replies."""
    old = of_other_parsers(db, parser_version)
    if old:
        yield (
            f"{old} labels and rejects are of another version of the parser than {parser_version};"
            " `--rebuild` makes them anew from the stored replies"
        )
        return
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as again:
        query = "SELECT sql FROM sqlite_master WHERE name IN ('label', 'reject')"
        for row in db.execute(query):
            again.execute(row[0])
        for key, attempt_id, verdict in _verdicts(db, parse):
            add_verdict(again, key, attempt_id, verdict, parser_version)
        for table in ("label", "reject"):
            query = f"SELECT * FROM {table}"
            here = {tuple(row) for row in db.execute(query)}
            made = {tuple(row) for row in again.execute(query)}
            if here != made:
                yield f"{len(here ^ made)} rows of {table} are not what the stored replies say"


def of_other_parsers(db: sqlite3.Connection, parser_version: str) -> int:
    """Count labels and rejects of another version of the parser."""
    query = (
        "SELECT (SELECT count(*) FROM label WHERE parser != ?1)"
        " + (SELECT count(*) FROM reject WHERE parser != ?1)"
    )
    return int(db.execute(query, (parser_version,)).fetchone()[0])


def rebuild(db: sqlite3.Connection, parse: Parse, parser_version: str) -> int:
    """Make labels and rejects again from the replies, at no cost; return how many were parsed."""
    db.execute("DELETE FROM label")
    db.execute("DELETE FROM reject")
    settled = [settle_verdict(db, *found, parser_version) for found in _verdicts(db, parse)]
    return len(settled)


def _verdicts(db: sqlite3.Connection, parse: Parse) -> Iterator[tuple[str, str, Verdict]]:
    """Parse stored replies again, in their order, because the first label of a key stays."""
    for attempt_id, task in queries.answered(db, "judged"):
        reply = queries.reply(db, attempt_id)
        assert reply is not None
        yield task.key, attempt_id, parse(task, reply).verdict
