"""``interestingness ledger …``: look into a ledger, take tables out of it, check it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from interestingness.annotators.ledger import opening
from interestingness.annotators.ledger.errors import LedgerError
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

    from interestingness.annotators.ledger.export import table
    from interestingness.tables.table_format import SPECS, check_table, write_table

    # a snapshot of the ledger, also while a run adds to it
    db.execute("BEGIN")
    made = table(db, kind)
    db.execute("COMMIT")
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
        lock = opening.Lock(path)
        try:
            with closing(opening.connect(path, read_only=False)) as db:
                db.execute("BEGIN IMMEDIATE")
                made = make_again(db, parse, PARSER_VERSION)
                db.execute("COMMIT")
        finally:
            lock.release()
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
