"""``interestingness ledger …``: look into a ledger, take tables out of it, check it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from interestingness.annotators.ledger import opening
from interestingness.annotators.ledger.errors import LedgerError
from interestingness.disk import appearing

USAGE = """usage: interestingness ledger status LEDGER
       interestingness ledger export LEDGER out=FILE [table=votes|judgments|texts]
       interestingness ledger verify LEDGER [rebuild=true]

  status   tasks, attempts and money; works while a run is under way
  export   answers with their provenance as Parquet or CSV, by the ending of FILE;
           out=FILE.sqlite copies the whole ledger
  verify   SQLite's integrity check, sums, and labels against the stored answers;
           rebuild=true makes labels anew with the present parser, at no cost"""

OPTIONS = {
    "status": frozenset[str](),
    "export": frozenset({"out", "table"}),
    "verify": frozenset({"rebuild"}),
}


def run(arguments: Sequence[str]) -> int:
    """One command; its exit status.

    Raises:
        LedgerError: no such option, no ledger, or what the command itself refuses.
    """
    action, rest = (arguments[0] if arguments else ""), list(arguments[1:])
    if action == "recover":
        raise LedgerError(
            "ledger recover is no more",
            expected="a copy, or SQLite's own means",
            todo="put back a copy made with `ledger export LEDGER out=copy.sqlite`, or run"
            " `sqlite3 LEDGER .recover | sqlite3 NEW` and `ledger verify NEW rebuild=true`",
        )
    if action not in OPTIONS or not rest:
        print(USAGE)
        return 0 if action in {"-h", "--help", "help"} else 2
    path, options = Path(rest[0]).expanduser(), _options(action, rest[1:])
    if action == "status":
        return status(path)
    if action == "export":
        return export(path, options)
    return verify(path, rebuild=_yes(options.get("rebuild", "false")))


def status(path: Path) -> int:
    """Print the figures."""
    from interestingness.annotators.ledger import queries

    with closing(opening.connect(path, read_only=True)) as db:
        lines = queries.status(db)
    print(path)
    for line in lines:
        print(f"  {line}")
    return 0


def export(path: Path, options: Mapping[str, str]) -> int:
    """Write a table, or a copy of the ledger, so that the file appears whole or not at all."""
    if "out" not in options:
        raise LedgerError("export without out=FILE", expected="out=votes.parquet", todo="add it")
    out = Path(options["out"]).expanduser()
    ending = out.suffix.lower()
    if ending not in {".parquet", ".csv", ".sqlite"}:
        raise LedgerError(
            f"out={out}",
            expected="a name that ends in .parquet, .csv or .sqlite",
            todo="choose one of them",
        )
    if out.exists() and path.exists() and out.samefile(path):
        raise LedgerError(f"out={out} is the ledger itself", todo="choose another name")
    with appearing(out) as part, closing(opening.connect(path, read_only=True)) as db:
        if ending == ".sqlite":
            db.execute("PRAGMA query_only = OFF")
            db.execute("VACUUM INTO ?", (str(part),))
            told = f"{out}: a copy of the ledger"
        else:
            told = _write_table(db, options.get("table", "votes"), part, ending, out)
    print(told)
    return 0


def _write_table(db: sqlite3.Connection, kind: str, temporary: Path, ending: str, out: Path) -> str:
    import pyarrow.csv

    from interestingness.annotators.ledger.export import table
    from interestingness.tables.table_format import SPECS, check_table, write_table

    # one moment of the ledger, also while a run adds to it
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


def verify(path: Path, *, rebuild: bool) -> int:
    """Print what is wrong; exit status 1 if anything is."""
    from interestingness.annotators.ledger.verify import problems
    from interestingness.annotators.ledger.verify import rebuild as make_again
    from interestingness.annotators.parsing import PARSER_VERSION, parse

    if rebuild:
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


def _options(action: str, given: Sequence[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for argument in given:
        name, equals, value = argument.partition("=")
        if not equals or name not in OPTIONS[action]:
            raise LedgerError(
                f"ledger {action} does not know {argument!r}",
                expected=", ".join(f"{known}=…" for known in sorted(OPTIONS[action])) or "nothing",
                todo="see `interestingness ledger --help`",
            )
        options[name] = value
    return options


def _yes(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise LedgerError(f"rebuild={value}", expected="true or false", todo="correct the option")
    return value.lower() == "true"
