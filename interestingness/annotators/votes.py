"""Where answers go: tables beside the data set's own, which label sources find by themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from interestingness.labels.table_format import write_table
from interestingness.labels.tables import ANNOTATIONS, Tables

TABLE_OF = {"pair": "votes", "image": "judgments", "description": "texts", "cupl": "texts"}
"""The ledger's table, by kind of task."""


def write_answers(
    tables: Tables, kind: str, table: pa.Table, *, annotator: str, question: str
) -> Path:
    """Replace the annotator's table on a question.

    Args:
        tables: the data set.
        kind: ``pair``, ``image``, ``description`` or ``cupl``.
        table: from the ledger, of all tasks that were ever planned so.
        annotator: name of the option.
        question: what was asked.

    Returns:
        The file: ``annotations/votes-gpt4o-interesting.parquet`` below the data set, say.
    """
    folder = tables.root / ANNOTATIONS
    folder.mkdir(exist_ok=True)
    about = question if kind in ("pair", "image") else f"{kind}-{question}"
    if kind == "description":
        about = kind
    path = folder / f"{TABLE_OF[kind]}-{slug(annotator)}-{slug(about)}.parquet"
    write_table(TABLE_OF[kind], table, path)
    return path


def slug(text: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^\w.]+", "-", text.casefold()).strip("-.") or "x"
