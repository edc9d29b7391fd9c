"""Is the ledger what it should be? Everything that can be checked without asking a model."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from interestingness.annotators.ledger import queries, rows
from interestingness.annotators.ledger.transitions import add_verdict
from interestingness.annotators.types import Reply, Task, Verdict

Parse: TypeAlias = Callable[[Task, Reply], tuple[Verdict, Any, Any, Any]]

RULES = {
    "an attempt is judged or received without a reply": (
        "SELECT id FROM attempt WHERE state IN ('received', 'judged')"
        " AND id NOT IN (SELECT attempt FROM reply)"
    ),
    "a reply belongs to an attempt that knows nothing of it": (
        "SELECT attempt FROM reply JOIN attempt ON attempt.id = reply.attempt"
        " WHERE state NOT IN ('received', 'judged')"
    ),
    "a judged attempt has neither label nor reject": (
        "SELECT id FROM attempt WHERE state = 'judged' AND id NOT IN (SELECT attempt FROM reject)"
        " AND key NOT IN (SELECT key FROM label)"
    ),
    "an attempt has a label and a reject": "SELECT attempt FROM label JOIN reject USING (attempt)",
    "a label or reject belongs to an attempt that is not judged": (
        "SELECT id FROM attempt WHERE state != 'judged' AND (id IN (SELECT attempt FROM label)"
        " OR id IN (SELECT attempt FROM reject))"
    ),
    "an attempt counts less than its state says": (
        "SELECT id FROM attempt WHERE state IN ('open', 'received', 'in_doubt', 'written_off')"
        " AND charge_uusd < reserve_uusd"
    ),
    "a free attempt is charged": (
        "SELECT id FROM attempt WHERE state = 'failed_free' AND charge_uusd != 0"
    ),
    "attempts of a task are not numbered from 1 without a gap": (
        "SELECT key FROM attempt GROUP BY key HAVING max(n) != count(*)"
    ),
    "the purse does not hold what the attempts were charged": (
        "SELECT charged_uusd FROM purse"
        " WHERE charged_uusd != (SELECT coalesce(sum(charge_uusd), 0) FROM attempt)"
    ),
}
"""What must select nothing, by what it means if it does."""


def problems(
    db: sqlite3.Connection, parse: Parse | None = None, parser_version: str | None = None
) -> Iterator[str]:
    """Findings, one line each; nothing if the ledger is sound.

    Args:
        parse: makes a verdict of a task and its reply; None leaves labels unchecked.
        parser_version: labels and rejects of other versions are counted, not compared.
    """
    bad = False
    for problem in _unsound(db):
        bad = True
        yield problem
    if bad:
        yield "labels were not compared: there are other problems"
    elif parse is not None and parser_version is not None:
        yield from _other_labels(db, parse, parser_version)


def _unsound(db: sqlite3.Connection) -> Iterator[str]:
    try:
        for row in db.execute("PRAGMA integrity_check(20)"):
            if row[0] != "ok":
                yield f"structure: {row[0]}"
        for row in db.execute("PRAGMA foreign_key_check"):
            yield f"row {row['rowid']} of {row['table']} refers to a lost row of {row['parent']}"
        for table, place in rows.broken_seals(db, *rows.SEALED):
            yield f"row {place} of {table} is not as it was written"
        for meaning, query in RULES.items():
            found = [str(row[0]) for row in db.execute(query)]
            if found:
                yield f"{meaning}: {', '.join(found[:3])}{' …' * (len(found) > 3)} ({len(found)})"
    except sqlite3.Error as error:
        yield f"structure: {error}"


def _other_labels(db: sqlite3.Connection, parse: Parse, parser_version: str) -> Iterator[str]:
    """I6: labels and rejects made again must be those that are there."""
    old = of_other_parsers(db, parser_version)
    if old:
        yield (
            f"{old} labels and rejects are of another version of the parser than {parser_version};"
            " `rebuild=true` makes them anew from the stored replies"
        )
        return
    again = sqlite3.connect(":memory:", isolation_level=None)
    again.row_factory = sqlite3.Row
    for table in ("label", "reject"):
        again.execute(
            db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        )
    _parse_all(db, again, parse, parser_version)
    for table in ("label", "reject"):
        query = f"SELECT * FROM {table} ORDER BY attempt"
        here = {tuple(row) for row in db.execute(query)}
        made = {tuple(row) for row in again.execute(query)}
        if here != made:
            yield f"{len(here ^ made)} rows of {table} are not what the stored replies say"
    again.close()


def of_other_parsers(db: sqlite3.Connection, parser_version: str) -> int:
    """Labels and rejects of another version of the parser."""
    counts = [
        db.execute(f"SELECT count(*) FROM {table} WHERE parser != ?", (parser_version,)).fetchone()
        for table in ("label", "reject")
    ]
    return sum(int(row[0]) for row in counts)


def rebuild(db: sqlite3.Connection, parse: Parse, parser_version: str) -> int:
    """Drop labels and rejects and make them again from the replies; how many. Costs nothing."""
    db.execute("DELETE FROM label")
    db.execute("DELETE FROM reject")
    return _parse_all(db, db, parse, parser_version)


def _parse_all(
    source: sqlite3.Connection, target: sqlite3.Connection, parse: Parse, parser_version: str
) -> int:
    # in the order of the replies, because the first label of a key stays
    found = source.execute(
        "SELECT attempt.id, task.*, (SELECT subject FROM subject WHERE subject.key = task.key"
        " ORDER BY rowid LIMIT 1) AS subject FROM attempt JOIN task USING (key)"
        " JOIN reply ON reply.attempt = attempt.id WHERE attempt.state = 'judged'"
        " ORDER BY reply.rowid"
    ).fetchall()
    for row in found:
        reply = queries.reply(source, row["id"])
        assert reply is not None
        verdict = parse(queries.task_of(row), reply)[0]
        add_verdict(target, row["key"], row["id"], verdict, parser_version)
    return len(found)
