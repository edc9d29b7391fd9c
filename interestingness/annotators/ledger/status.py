"""What is in a ledger, in figures."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from interestingness.annotators.ledger import spill
from interestingness.annotators.ledger.money import dollars


@dataclass(frozen=True)
class LedgerStatus:
    """Counts and sums of one ledger.

    Attributes:
        standing: tasks by where they stand; ``given up`` are those whose tries are used up.
        states: attempts by state, with their sums of charges in micro-dollars.
        rejects: rejected answers by kind.
        free_uusd: reserves of attempts that were taken for free; what it would be if they were not.
        untold: judged attempts whose usage the server did not tell: the reserve counts.
        runs, killed: how often it was opened for writing, and how often it was not closed.
        cap_uusd: budget of the last run.
        batches: shards by state.
        events: what else happened, by kind.
        spilled: replies in files that the next run takes in.
    """

    standing: dict[str, int]
    states: dict[str, tuple[int, int]]
    rejects: dict[str, int]
    free_uusd: int
    untold: int
    runs: int
    killed: int
    cap_uusd: int | None
    batches: dict[str, int]
    events: dict[str, int]
    spilled: int

    @property
    def charged_uusd(self) -> int:
        """Everything that counts against the budget."""
        return sum(charge for _, charge in self.states.values())

    @property
    def unsure_uusd(self) -> int:
        """The part of it that is open, in doubt or written off: perhaps never paid."""
        unsure = ("open", "in_doubt", "written_off")
        return sum(self.states.get(state, (0, 0))[1] for state in unsure)


def status(db: sqlite3.Connection, path: Path, tries: int) -> LedgerStatus:
    """Read the figures; nothing is changed.

    Args:
        db: an open ledger.
        path: its file.
        tries: rejected answers after which a task is given up.
    """

    def count(query: str, *given: int) -> dict[str, int]:
        return {str(row[0]): int(row[1]) for row in db.execute(query, given)}

    states = db.execute("SELECT state, count(*), sum(charge_uusd) FROM attempt GROUP BY state")
    last = db.execute("SELECT cap_uusd FROM run ORDER BY id DESC LIMIT 1").fetchone()
    runs, ended = db.execute("SELECT count(*), count(ended) FROM run").fetchone()
    free = "SELECT coalesce(sum(reserve_uusd), 0) FROM attempt WHERE state = 'failed_free'"
    untold = "SELECT count(*) FROM event WHERE kind = 'cost_not_told'"
    return LedgerStatus(
        standing=count(
            "SELECT CASE WHEN standing = 'askable' AND rejects >= ? THEN 'given up'"
            " ELSE standing END, count(*) FROM standing GROUP BY 1 ORDER BY 1",
            tries,
        ),
        states={str(row[0]): (int(row[1]), int(row[2])) for row in states},
        rejects=count("SELECT kind, count(*) FROM reject GROUP BY kind ORDER BY 2 DESC"),
        free_uusd=int(db.execute(free).fetchone()[0]),
        untold=int(db.execute(untold).fetchone()[0]),
        runs=int(runs),
        killed=int(runs) - int(ended),
        cap_uusd=last[0] if last else None,
        batches=count("SELECT state, count(*) FROM batch GROUP BY state ORDER BY 1"),
        events=count("SELECT kind, count(*) FROM event GROUP BY kind ORDER BY 1"),
        spilled=len(list(spill.read(path))),
    )


def lines(found: LedgerStatus) -> list[str]:
    """The figures as people read them."""
    told = [_counts("tasks", found.standing)]
    told.append(_counts("attempts", {state: n for state, (n, _) in found.states.items()}))
    cap = "no budget" if found.cap_uusd is None else f"last budget {dollars(found.cap_uusd)}"
    told.append(
        f"spent      {dollars(found.charged_uusd)} ({cap}); of this {dollars(found.unsure_uusd)}"
        " for requests without an answer, which may not have been charged"
    )
    if found.free_uusd:
        told.append(
            f"free       failed requests are taken for free; if they were charged,"
            f" {dollars(found.free_uusd)} more"
        )
    if found.untold:
        told.append(f"untold     {found.untold} answers without usage: their whole reserve counts")
    if found.rejects:
        told.append(_counts("rejects", found.rejects))
    if found.batches:
        told.append(_counts("batches", found.batches))
    told.append(f"runs       {found.runs}, {found.killed} of them not closed (killed, or running)")
    if found.events:
        told.append(_counts("events", found.events))
    if found.spilled:
        told.append(f"spilled    {found.spilled} answers in files; the next run takes them in")
    return told


def _counts(what: str, counts: dict[str, int]) -> str:
    texts = ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "none"
    return f"{what:<10} {texts}"
