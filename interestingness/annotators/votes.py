"""Write answers as tables beside the data set's own, where label sources find them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from interestingness.errors import DataError
from interestingness.tables.table_format import read_table, write_table
from interestingness.tables.tables import ANNOTATIONS, Tables

TABLE_OF = {"pair": "votes", "image": "judgments", "description": "texts", "cupl": "texts"}
"""The ledger's table, by kind of task."""


LEDGER = "ledger"
"""Key in the Parquet file: the absolute path of the ledger that the table was made from."""


@dataclass(frozen=True)
class VoteFile:
    """The file of an annotator's answers to a question, and what it holds already.

    Attributes:
        path: ``annotations/votes-gpt4o-interesting.parquet`` below the data set, say.
        kind: of table: votes, judgments or texts.
        ledger: absolute path of the ledger that the answers are in.
        replace: whether a table with more answers may be replaced.
    """

    path: Path
    kind: str
    ledger: Path
    replace: bool = False

    @classmethod
    def of(
        cls,
        tables: Tables,
        kind: str,
        *,
        annotator: str,
        question: str,
        ledger: Path,
        replace: bool = False,
    ) -> VoteFile:
        """Make the file's path from its names.

        Args:
            tables: the data set.
            kind: of task: ``pair``, ``image``, ``description`` or ``cupl``.
            annotator: name of the option.
            question: what was asked.
            ledger: file of paid answers.
            replace: see `Place`.
        """
        about = question if kind in ("pair", "image") else f"{kind}-{question}"
        if kind == "description":
            about = kind
        name = f"{TABLE_OF[kind]}-{slug(annotator)}-{slug(about)}.parquet"
        path = tables.root / ANNOTATIONS / name
        return cls(path, TABLE_OF[kind], ledger.resolve(), replace)

    def check(self, rows: int) -> None:
        """Refuse to begin what could only end in fewer answers than another ledger gave.

        Args:
            rows: answers in this ledger now.

        Raises:
            DataError: a table of another ledger with more answers lies here.
        """
        there, ledger = self._there()
        if there > rows and ledger != str(self.ledger) and not self.replace:
            raise DataError(
                f"{self.path} holds {there:,} answers from {ledger or 'a ledger it does not name'};"
                f" {self.ledger} has {rows:,}",
                expected="one ledger for an annotator's answers to a question",
                todo=f"ledger={ledger or '… (that of the table)'} to go on there, or replace=true",
            )

    def write(self, table: pa.Table) -> int | None:
        """Write the answers, unless more of them are there.

        Args:
            table: from the ledger, of all tasks that were ever planned so.

        Returns:
            None, or the number of rows of the earlier table that was kept because this one has
            fewer; ``replace`` writes it all the same, but never an empty one over answers.
        """
        there, _ = self._there()
        if there > table.num_rows and not (self.replace and table.num_rows):
            return there
        self.path.parent.mkdir(exist_ok=True)
        write_table(self.kind, table, self.path, about={LEDGER: str(self.ledger)})
        return None

    def _there(self) -> tuple[int, str | None]:
        """Count the rows of the present table, and read the ledger that it names."""
        if not self.path.is_file():
            return 0, None
        table = read_table(self.kind, self.path)
        named = (pq.read_schema(self.path).metadata or {}).get(f"interestingness.{LEDGER}".encode())
        return table.num_rows, named.decode() if named is not None else None


def slug(text: str) -> str:
    """Turn a name into part of a file name."""
    return re.sub(r"[^\w.]+", "-", text.casefold()).strip("-.") or "x"
