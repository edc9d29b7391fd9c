"""A store → the table of votes that ``label_source=human`` reads, with each vote's appearance."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

from interestingness.collecting.store import VoteStore
from interestingness.disk import appearing

VOTES = (
    "left", "right", "choice", "first", "rater", "question", "reason", "time", "vote_id",
    "response_ms", "appearance", "chosen_by", "chosen_with", "repeats", "shown_at",
)  # fmt: skip
"""Columns of votes. ``left`` is the image on the left of the screen, which is read first, and
``choice`` names a side. ``chosen_with`` is the probability with which the pair was chosen among
all, ``repeats`` the appearance that this one shows again with its sides exchanged."""
RATINGS = ("image", "rater", "rating", "question", "reason", "time", "response_ms", "appearance")
"""Columns of ratings of single images; a later rating of an image is a row of its own."""
SHOWN = (
    "appearance", "rater", "left", "right", "chosen_by", "chosen_with", "repeats", "issued_at",
    "shown_at", "choice",
)  # fmt: skip
"""Columns of all appearances, also of those without a vote."""


NUMBERED = "'photograph ' || {}.rowid"


def export(store: VoteStore, out: Path, *, names: bool = True) -> int:
    """Write votes (or ratings) to ``out`` and appearances beside it; return how many votes.

    Without ``names``, which are those of files, images are called by numbers, and votes alone are
    written.

    Only answers that count are votes: not those that were taken back, second ones, and skips. All
    of them are in the store.
    """
    ((question,),) = store.rows("SELECT value FROM meta WHERE key = 'question'")
    single = store.rows("SELECT 1 FROM appearance WHERE right_image IS NULL LIMIT 1")
    one, other = ("l.name", "r.name") if names else (NUMBERED.format("l"), NUMBERED.format("r"))
    rows = store.rows(
        f"SELECT {one}, {other}, choice, a.rater, reason, answered_at, response_ms, a.id, "
        "chosen_by, probability, again, shown_at, answer.id FROM answer JOIN appearance a "
        "ON a.id = answer.appearance JOIN image l ON l.id = left_image LEFT JOIN image r "
        "ON r.id = right_image WHERE counts AND choice NOT IN ('skip', 'failed') ORDER BY answer.id"
    )
    with appearing(out) as part, open(part, "w", newline="", encoding="utf-8") as file:
        if single:
            _write(file, RATINGS, [
                (left, rater, choice, question, reason, time, ms, number)
                for left, _, choice, rater, reason, time, ms, number, *_ in rows
            ])  # fmt: skip
        else:
            _write(file, VOTES, [
                (left, right, choice, "left", rater, question, reason, time, vote, ms,
                 number, by, chance, again, shown)
                for left, right, choice, rater, reason, time, ms, number, by, chance, again, shown,
                vote in rows
            ])  # fmt: skip
    if names:
        _export_shown(store, out.with_name(f"{out.stem}.appearances{out.suffix}"))
    return len(rows)


def _export_shown(store: VoteStore, out: Path) -> None:
    rows = store.rows(
        "SELECT a.id, rater, l.name, r.name, chosen_by, probability, again, issued_at, shown_at, "
        "(SELECT choice FROM answer WHERE appearance = a.id AND counts) FROM appearance a "
        "JOIN image l ON l.id = left_image LEFT JOIN image r ON r.id = right_image "
        "WHERE shown_at IS NOT NULL ORDER BY a.id"
    )
    with appearing(out) as part, open(part, "w", newline="", encoding="utf-8") as file:
        _write(file, SHOWN, rows)


def _write(file: TextIO, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(rows)
