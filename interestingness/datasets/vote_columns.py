"""Find out which column of a user's table of votes is which, whatever tool has written it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from interestingness.errors import ConfigError
from interestingness.tables.user_tables import TextTable

ColumnNames = Mapping[str, str | None]
"""What ``dataset.columns`` says: our name → the file's; None where there is no such column."""

RATER_COLUMNS = (
    "rater", "rater_id", "worker_id", "prolific_pid", "participant_id", "participant",
    "subject_id", "subject", "subj_id", "annotator", "annotator_id", "user_id", "user_name",
    "user", "judge", "judge_hash", "evaluation_session_id", "response_id",
)  # fmt: skip
ALIASES = {
    "choice": (
        "choice", "winner", "preferred", "preference", "chosen", "selected", "selection", "vote",
        "best_image_uid", "answer", "response",
    ),
    "rater": RATER_COLUMNS,
    "time": ("time", "submit_time", "created_at", "timestamp", "tstamp", "recorded_date", "date"),
}  # fmt: skip
"""Names that tools give to our columns, best first; case, spaces and underscores do not matter."""

OPTIONAL = (
    "first", "rater", "question", "rater_kind", "reason", "persona", "provenance", "probability",
    "sample", "time",
)  # fmt: skip
"""Columns that a table of votes may have, beside left, right and choice."""

VOTE_IDS = ("vote_id", "annotation_id")
"""Columns that tell copies of one vote from several equal votes."""

COLUMNS = ("image", "left", "right", "choice", "rating", *OPTIONAL, "practice")
"""What ``dataset.columns`` may name."""
AUTO = "auto"
"""What ``dataset.columns`` says of a column that is found by its usual name."""
_NEEDED = ("image", "left", "right", "choice", "rating")
_BEFORE = {*_NEEDED, "first", "rater", "question"}
"""The keys of configs that were written when null still meant ``AUTO``."""

SIDES = (("left", "right"), ("l", "r"), ("a", "b"), ("1", "2"), ("0", "1"))
"""How columns and cells call the left and the right image."""
_THINGS = frozenset(
    [
        "image",
        "images",
        "img",
        "imgs",
        "picture",
        "pic",
        "photo",
        "photograph",
        "stimulus",
        "stim",
        "model",
        "player",
        "option",
        "item",
        "candidate",
        "file",
        "filename",
        "path",
        "url",
        "uri",
        "uid",
        "id",
        "name",
        "side",
        "input",
    ]
)


def column_names(columns: ColumnNames | None, option: str) -> dict[str, str | None]:
    """Return what the user has said of columns, without those that are found by themselves.

    Args:
        columns: the files' own names for ``COLUMNS``; ``AUTO`` for one that is found by its usual
            name, None for one that there is not.
        option: what ``columns`` comes from, for messages.

    Raises:
        ConfigError: for a column that does not exist.
    """
    columns = columns or {}
    unknown = [key for key in columns if key not in COLUMNS]
    if unknown:
        raise ConfigError(
            f"{option}.{unknown[0]}={columns[unknown[0]]}",
            expected=f"one of {', '.join(COLUMNS)}",
            todo="correct the option",
        )
    found = (*_NEEDED, *(_BEFORE if set(columns) == _BEFORE else ()))
    return {
        key: None if name is None else str(name)
        for key, name in columns.items()
        if name != AUTO and not (name is None and key in found)
    }


def plain(name: str) -> str:
    """Return a column's name in lower case, without MTurk's prefix, spaces and underscores."""
    name = re.sub(r"^(input|answer)\.", "", name.strip().casefold())
    return re.sub(r"[^a-z0-9]", "", name)


def side_word(text: str) -> tuple[str, tuple[str, ...]]:
    """Split ``image_a`` into what names a side, ``a``, and the things beside it, ``(image,)``.

    Returns:
        ``""`` and the parts where nothing or too much is left.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    parts = re.findall(r"[a-z]+|[0-9]+", spaced.casefold())
    things = tuple(part for part in parts if part in _THINGS)
    rest = [part for part in parts if part not in _THINGS]
    known = len(rest) == 1 and any(rest[0] in pair for pair in SIDES)
    return (rest[0] if known else ""), things


def sides_of(table: TextTable, mapping: ColumnNames) -> dict[str, str]:
    """Return the columns of the left and the right image.

    Raises:
        DataError: if there are none.
    """
    said = {side: table.find(side, (side,), mapping) for side in ("left", "right")}
    if not any(said.values()):
        # pairs of columns that differ in the word for the side only: image_a and image_b
        found: dict[tuple[str, ...], dict[str, str]] = {}
        for column in table.columns:
            word, things = side_word(column)
            if word:
                found.setdefault(things, {}).setdefault(word, column)
        for one, other in SIDES:
            for words in found.values():
                if one in words and other in words:
                    return {"left": words[one], "right": words[other]}
    return {side: table.need(side, (side,), mapping) for side in ("left", "right")}


def column_of(table: TextTable, meaning: str, mapping: ColumnNames) -> str | None:
    """Return the column that holds ``meaning``, by our name of it or by a tool's; or None."""
    found = table.find(meaning, (meaning,), mapping)
    if found is not None or mapping.get(meaning, "") is None:
        return found
    by_name: dict[str, str] = {}
    for column in table.columns:
        by_name.setdefault(plain(column), column)
    for alias in ALIASES.get(meaning, ()):
        if plain(alias) in by_name:
            return by_name[plain(alias)]
    return _answers(table) if meaning == "choice" else None


def vote_id_of(table: TextTable) -> str | None:
    """Return the column that numbers the votes, or None."""
    return next((name for name in VOTE_IDS if name in table), None)


def choice_of(table: TextTable, mapping: ColumnNames) -> str:
    """Return the column of choices.

    Raises:
        DataError: if there is none.
    """
    return column_of(table, "choice", mapping) or table.need("choice", ("choice",), mapping)


def _answers(table: TextTable) -> str | None:
    """Return PsychoPy's column of keys, Label Studio's of a selection, or the only question.

    MTurk's questions are called ``Answer.…`` and Qualtrics' ``Q1``.
    """
    for column, cells in table.columns.items():
        first = next((cell.as_py() for cell in cells if cell.is_valid), "")
        if column.endswith((".keys", ".clicked_name", ".selected")) or '"selected"' in first:
            return column
    asked = [column for column in table.columns if re.fullmatch(r"Answer\..+|Q\d+", column)]
    return asked[0] if len(asked) == 1 else None
