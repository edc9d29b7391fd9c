"""Read tables of votes as tools write them: a row per vote, tasks, HTML, or a column per pair."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.datasets.pairwise_sites import all_our_ideas, without_removed
from interestingness.datasets.vote_columns import ColumnNames, side_word
from interestingness.tables.json_records import begins_json
from interestingness.tables.label_studio import label_studio_tasks, votes_of_tasks
from interestingness.tables.spellings import SUFFIXES
from interestingness.tables.user_tables import TextTable, existing_file, read_user_table

_SOURCE = re.compile(r"""<img\b[^>]*?\bsrc\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_ENDING = "|".join(re.escape(suffix) for suffix in sorted(SUFFIXES))
_PAIR = re.compile(
    rf"(?P<left>.+?(?:{_ENDING}))\s*(?:[|;,:/&_-]+|[ _-]vs\.?[ _-]|[ _-]or[ _-]|\s)\s*"
    rf"(?P<right>.+(?:{_ENDING}))",
    re.IGNORECASE,
)
"""The name of a column that holds the answers on one pair: ``a.jpg vs b.jpg``."""


def read_vote_table(
    path: str | Path,
    mapping: ColumnNames | None = None,
    *,
    columns_option: str | None = None,
    decimal: str | None = None,
    decimal_option: str | None = None,
) -> TextTable:
    """Read a table of votes, one in each row.

    Beside plain tables: Label Studio's JSON export, and its CSV; image-ranker's comparisons; the
    votes of All Our Ideas; jsPsych's stimuli of HTML that show two images; a row per rater with a
    column for each pair, named by its two images.

    Args:
        path: the file.
        mapping: ``dataset.columns``; for Label Studio, ``left`` and ``right`` name the keys of a
            task's data.
        columns_option: option that says which column is which, for messages.
        decimal: the decimal sign, where the user has said it.
        decimal_option: option that says it, for messages.

    Raises:
        DataError: for a file that cannot be read.
    """
    path, mapping = existing_file(path), mapping or {}
    with path.open("rb") as stream:
        start = stream.read(64)
    tasks = label_studio_tasks(path) if begins_json(start) else None
    if tasks is not None:
        table = votes_of_tasks(path, tasks, mapping)
        return replace(table, columns_option=columns_option)
    table = read_user_table(
        path, columns_option=columns_option, decimal=decimal, decimal_option=decimal_option
    )
    if not any(table.find(side, (side,), mapping) for side in ("left", "right")):
        table = all_our_ideas(without_removed(table))
        table = table if "left" in table else _from_html(_one_vote_per_row(_won_over(table)))
    return table


def _won_over(table: TextTable) -> TextTable:
    """Read columns that name the image that won and the other one; the order shown is not known."""
    for winner, loser in (("winner", "loser"), ("chosen", "rejected"), ("preferred", "other")):
        one, other = (table.find(name, (name,), {}) for name in (winner, loser))
        if one is None or other is None:
            continue
        won, lost = table.columns[one], table.columns[other]
        # by name, so that the winner is on either side
        swapped = pc.fill_null(pc.greater(won, lost), False)
        columns = {name: c for name, c in table.columns.items() if name not in (one, other)}
        columns |= {
            "left": pc.if_else(swapped, lost, won),
            "right": pc.if_else(swapped, won, lost),
            "choice": won,
        }
        note = f"the image in {one!r} is chosen over the one in {other!r}."
        return replace(table, columns=columns, notes=(*table.notes, note))
    return table


def _one_vote_per_row(table: TextTable) -> TextTable:
    """Turn columns that are named by two images into rows."""
    pairs = {c: m for c in table.columns if (m := _PAIR.fullmatch(c)) is not None}
    if len(pairs) < 2:
        return table
    rows = len(table)
    others = {c: cells for c, cells in table.columns.items() if c not in pairs}
    columns = {c: pa.concat_arrays([cells] * len(pairs)) for c, cells in others.items()}
    for side in ("left", "right"):
        names = pa.array([match[side].strip() for match in pairs.values()])
        columns[side] = names.take(pa.array(np.repeat(np.arange(len(pairs)), rows)))
    columns["choice"] = pa.concat_arrays([table.columns[c] for c in pairs])
    long = replace(
        table,
        columns=columns,
        locate=lambda: np.tile(table.line, len(pairs)),
        notes=(*table.notes, f"{len(pairs)} columns are named by two images: each is a pair."),
    )
    answered = columns["choice"].is_valid().to_numpy(zero_copy_only=False)
    return long.take(np.flatnonzero(answered)) if answered.any() else long


def _from_html(table: TextTable) -> TextTable:
    """Take the left and right image from jsPsych's HTML where it shows two."""
    if "stimulus" not in table or any(side_word(column)[0] for column in table.columns):
        return table
    found = [_SOURCE.findall(cell or "") for cell in table.cells("stimulus")]
    if not any(len(images) == 2 for images in found):
        return table
    sides: Mapping[str, pa.Array] = {
        side: pa.array([f[at] if len(f) == 2 else None for f in found], pa.string())
        for at, side in enumerate(("left", "right"))
    }
    note = "left and right are the two images in the HTML of the column 'stimulus'."
    return replace(table, columns={**table.columns, **sides}, notes=(*table.notes, note))
