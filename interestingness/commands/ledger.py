"""``interestingness ledger …``: look into a ledger, take tables out of it, check it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from interestingness.annotators.ledger import opening
from interestingness.annotators.ledger.errors import LedgerError
from interestingness.annotators.ledger.money import dollars
from interestingness.commands.options import Options
from interestingness.disk import appearing


def recover(options: Options) -> None:
    """Name the command that replaced this one.

    Raises:
        LedgerError: always.
    """
    raise LedgerError(
        f"{options.ledger}: there is no `ledger recover` any more",
        expected="a copy, or SQLite's own means",
        todo="put back a copy made with `ledger export LEDGER --out copy.sqlite`, or run"
        " `sqlite3 LEDGER .recover | sqlite3 NEW` and `ledger verify NEW --rebuild`",
    )


def status(options: Options) -> None:
    """Print the figures."""
    from interestingness.annotators.ledger import queries

    path = Path(options.ledger).expanduser()
    with closing(opening.connect(path, read_only=True)) as db:
        lines = queries.status(db)
    print(path)
    for line in lines:
        print(f"  {line}")


def export(options: Options) -> None:
    """Write a table, or a copy of the ledger, so that the file appears whole or not at all."""
    path, out = Path(options.ledger).expanduser(), Path(options.out).expanduser()
    ending = out.suffix.lower()
    if ending not in {".parquet", ".csv", ".sqlite"}:
        raise LedgerError(
            f"--out {out}",
            expected="a name that ends in .parquet, .csv or .sqlite",
            todo="choose one of them",
        )
    if out.exists() and path.exists() and out.samefile(path):
        raise LedgerError(f"--out {out} is the ledger itself", todo="choose another name")
    with appearing(out) as part, closing(opening.connect(path, read_only=True)) as db:
        if ending == ".sqlite":
            db.execute("PRAGMA query_only = OFF")
            db.execute("VACUUM INTO ?", (str(part),))
            told = f"{out}: a copy of the ledger"
        else:
            told = _write_table(db, options.table, part, ending, out)
    print(told)


def _write_table(db: sqlite3.Connection, kind: str, temporary: Path, ending: str, out: Path) -> str:
    import pyarrow.csv

    from interestingness.annotators.ledger.export import KINDS, table
    from interestingness.tables.table_format import SPECS, check_table, write_table

    # a snapshot of the ledger, also while a run adds to it
    db.execute("BEGIN")
    made = table(db, kind)
    others = {name: n for name in KINDS if not made.num_rows and (n := table(db, name).num_rows)}
    db.execute("COMMIT")
    if others:
        raise LedgerError(
            f"--table {kind}: this ledger has no {kind}",
            expected=" or ".join(f"--table {name} ({n:,} rows)" for name, n in others.items()),
            todo="choose a table that it has",
        )
    if kind in SPECS:
        made = check_table(kind, made, where=str(out))
    if ending == ".csv":
        pyarrow.csv.write_csv(made, temporary)
    elif kind in SPECS:
        write_table(kind, made, temporary)
    else:
        import pyarrow.parquet

        pyarrow.parquet.write_table(made, temporary, compression="zstd")
    empty = made["reject"].length() - made["reject"].null_count
    return f"{out}: {made.num_rows:,} {kind}, {empty:,} of them without an answer"


def verify(options: Options) -> int:
    """Print what is wrong; exit status 1 if anything is."""
    from interestingness.annotators.ledger.verify import problems
    from interestingness.annotators.ledger.verify import rebuild as make_again
    from interestingness.annotators.parsing import PARSER_VERSION, parse

    path = Path(options.ledger).expanduser()
    if options.rebuild:
        with _changing(path) as db:
            made = make_again(db, parse, PARSER_VERSION)
        print(f"{path}: {made:,} answers parsed again")
    with closing(opening.connect(path, read_only=True)) as db:
        db.execute("BEGIN")
        found = list(problems(db, parse, PARSER_VERSION))
        replies = db.execute("SELECT count(*) FROM reply").fetchone()[0]
    for problem in found:
        print(problem)
    told = f"{len(found)} problems" if found else "sound"
    print(f"{path}: {told}; {replies:,} stored answers")
    return 1 if found else 0


def reopen(options: Options) -> None:
    """Let the next run ask the tasks that were given up after unusable answers."""
    from interestingness.annotators.ledger import verdicts
    from interestingness.annotators.ledger.verify import of_other_parsers, rebuild
    from interestingness.annotators.parsing import PARSER_VERSION, parse

    path = Path(options.ledger).expanduser()
    with _changing(path) as db:
        before = len(verdicts.given_up(db))
        if of_other_parsers(db, PARSER_VERSION):  # this one may read more, and frees outages
            rebuild(db, parse, PARSER_VERSION)
        tasks, charged = verdicts.reopen(db)
    if not before:
        print(f"{path}: no task was given up")
        return
    print(f"{path}: {before:,} tasks were given up; the next run asks what has no answer yet")
    if tasks:
        print(f"  {tasks:,} of them got unusable answers, whose {dollars(charged)} stay spent")
    if before > tasks:
        rest = before - tasks
        print(f"  {rest:,} failed with the server, which cost nothing, or can be read now")


@contextmanager
def _changing(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger for one change, which is done whole or not at all."""
    opening.connect(path, read_only=True).close()  # no lock beside what is no ledger
    lock = opening.Lock(path)
    try:
        with closing(opening.connect(path, read_only=False)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
    finally:
        lock.release()
