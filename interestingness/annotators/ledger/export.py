"""Make tables of the answers: votes and judgments as in ``docs/data_format.md``, with provenance.

Each finished task is a row. One that was refused, or rejected too often, has an empty choice,
because refusals are a result too. Tasks in doubt or still to be asked are left out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from interestingness.annotators.ledger.attempts import TRIES
from interestingness.annotators.ledger.errors import LedgerError
from interestingness.annotators.types import Task
from interestingness.schema import DEFAULT_QUESTION

KINDS = ("votes", "judgments", "texts")
CHECKS = frozenset({"canary", "canary_cap", "sentinel"})
"""Kinds of tasks that check the model; their answers are in no table."""

PROVENANCE: dict[str, pa.DataType] = {
    "provenance": pa.string(),
    "key": pa.string(),
    "reject": pa.string(),
    "identity": pa.string(),
    "extra": pa.string(),
    "prompt_id": pa.string(),
    "model": pa.string(),
    "served_model": pa.string(),
    "fingerprint": pa.string(),
    "request_id": pa.string(),
    "http": pa.int32(),
    "price_id": pa.string(),
    "cost_uusd": pa.int64(),
    "prompt_tokens": pa.int64(),
    "completion_tokens": pa.int64(),
    "seconds": pa.float64(),
    "parser": pa.string(),
    "run": pa.int64(),
}
"""Columns of provenance, in every table."""

WHO: dict[str, pa.DataType] = {
    "rater_id": pa.string(),
    "rater_kind": pa.string(),
    "question": pa.string(),
    "persona": pa.string(),
    "sample": pa.int32(),
    "reason": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
}
COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "votes": {
        "pair_id": pa.string(),
        "left": pa.string(),
        "right": pa.string(),
        "first": pa.string(),
        "choice": pa.string(),
        "probability": pa.float64(),
        **WHO,
    },
    "judgments": {
        "image_id": pa.string(),
        "answer": pa.bool_(),
        "probability": pa.float64(),
        **WHO,
    },
    "texts": {"image_id": pa.string(), "kind": pa.string(), "text": pa.string(), **WHO},
}


def table(db: sqlite3.Connection, kind: str, tasks: Sequence[Task] | None = None) -> pa.Table:
    """Make a table, ordered by its own columns, so that equal ledgers give equal tables.

    Args:
        db: an open ledger.
        kind: ``votes`` (subjects with a pair_id), ``judgments`` (answers yes or no, or refused,
            about an image), ``texts`` (everything else).
        tasks: only these, with their own subjects; None: all that the ledger knows.

    Raises:
        LedgerError: an unknown kind.
    """
    if kind not in KINDS:
        raise LedgerError(
            f"table={kind}", expected=f"one of {', '.join(KINDS)}", todo="correct the option"
        )
    if tasks is None:
        query = "SELECT key, subject FROM subject ORDER BY key, subject"
        subjects = [(row["key"], json.loads(row["subject"])) for row in db.execute(query)]
    else:
        subjects = [(task.key, task.subject) for task in tasks]
    answers = _final(db)
    made = [
        _row(kind, answers[key], subject)
        for key, subject in subjects
        if key in answers and _kind_of(answers[key], subject) == kind
    ]
    made.sort(key=lambda row: tuple(str(row.get(name)) for name in _ORDER))
    columns = {**COLUMNS[kind], **PROVENANCE}
    return pa.table(
        {
            name: pa.array([row.get(name) for row in made], type=column)
            for name, column in columns.items()
        }
    )


_ORDER = ("rater_id", "question", "persona", "pair_id", "image_id", "kind", "first", "sample")


def _final(db: sqlite3.Connection) -> dict[str, sqlite3.Row]:
    """Return the final answer of each finished key: its label, else its last reject."""
    found = db.execute(
        "SELECT * FROM answer WHERE key IN (SELECT key FROM standing"
        f" WHERE standing IN ('labelled', 'refused') OR rejects >= {TRIES})"
        # a label comes last of its key, so it is what the dict keeps
        " ORDER BY key, reject IS NULL, n"
    )
    return {row["key"]: row for row in found}


def _kind_of(answer: sqlite3.Row, subject: Mapping[str, Any]) -> str:
    if answer["kind"] in CHECKS:
        return ""
    if subject.get("pair_id") is not None:
        return "votes"
    yes_no = answer["choice"] in {"yes", "no"} or (answer["reject"] and answer["kind"] == "image")
    return "judgments" if yes_no else "texts"


def _row(kind: str, answer: sqlite3.Row, subject: Mapping[str, Any]) -> dict[str, Any]:
    identity = json.loads(answer["identity"])
    row: dict[str, Any] = {name: answer[name] for name in set(answer.keys()) & set(PROVENANCE)}
    row |= {
        "provenance": f"ledger:{answer['attempt']}",
        "prompt_id": identity.get("prompt"),
        "model": identity.get("model"),
        "cost_uusd": answer["charge_uusd"],
        "rater_id": subject.get("rater_id") or identity.get("model") or "unknown model",
        "rater_kind": "model",
        "question": subject.get("question") or DEFAULT_QUESTION,
        "persona": subject.get("persona"),
        "sample": subject.get("sample") or 0,
        "reason": answer["reason"] or None,
        "time": datetime.fromisoformat(answer["received"]),
    }
    p_first = answer["p_first"]
    if kind == "votes":
        first = subject["first"]
        other = "right" if first == "left" else "left"
        row |= {name: subject.get(name) for name in ("pair_id", "left", "right", "first")}
        row["choice"] = {"first": first, "second": other}.get(answer["choice"])
        if p_first is not None:
            row["probability"] = p_first if first == "left" else 1.0 - p_first
    elif kind == "judgments":
        row["image_id"] = subject.get("image_id")
        row["answer"] = {"yes": True, "no": False}.get(answer["choice"])
        row["probability"] = p_first
    else:
        row["image_id"] = subject.get("image_id")
        row["kind"] = answer["kind"]
        row["text"] = json.loads(answer["extra"] or "{}").get("text")
    return row
