"""Read votes from files without images: CSV or Parquet, simple tables or ours, one or many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.datasets.choices import check_choices
from interestingness.datasets.pair_files import read_pairs
from interestingness.datasets.vote_columns import ColumnNames, column_names, sides_of
from interestingness.datasets.vote_copies import without_copies
from interestingness.datasets.vote_exports import read_vote_table
from interestingness.datasets.vote_files import UNNAMED, read_votes
from interestingness.errors import DataError
from interestingness.schema import Pairs
from interestingness.tables.image_names import ImageNames
from interestingness.tables.tables import SPECS, Tables, check_table, keys_of, read_table
from interestingness.tables.user_tables import TextTable

MANIFEST = "dataset.json"


@dataclass(frozen=True, eq=False)
class VoteFiles:
    """Votes of one or more files on one question.

    Attributes:
        table: a checked vote table.
        pairs: the pairs voted on.
        question: what was asked.
        images_known: whether the files name the images of a pair; else every pair has two images
            of its own.
        notes: remarks for the user, one sentence each.
        simulated: the sentence of a simulated data set, else "".
    """

    table: pa.Table
    pairs: Pairs
    question: str
    images_known: bool = True
    notes: tuple[str, ...] = field(default=())
    simulated: str = ""


@dataclass(frozen=True, eq=False)
class _One:
    """The votes and pairs of one file."""

    table: pa.Table
    pairs: Pairs
    images_known: bool
    notes: tuple[str, ...] = ()
    simulated: str = ""


@dataclass(frozen=True)
class _Options:
    """What the user has said of the files, checked."""

    question: str
    columns: ColumnNames
    choices: Mapping[str, int]
    on_missing: str


def read_vote_files(
    paths: Sequence[str | Path],
    *,
    question: str | None = None,
    default_question: str,
    columns: ColumnNames | None = None,
    choices: Mapping[str, str | None] | None = None,
    on_missing: str = "error",
) -> VoteFiles:
    """Read and join vote tables.

    A file is a table with ``left,right,choice`` (as ``dataset.votes`` takes it), a vote table of
    ours, with ``pairs.parquet`` beside it or not, or the folder of a prepared data set.

    Args:
        paths: files or folders; if a table has no raters, its file's name is the rater.
        question: the question to use; None where all votes are on one question.
        default_question: question where a table has no column for it.
        columns: the files' own names of columns, as ``dataset.columns`` gives them.
        choices: what other words in the column of choices mean, as ``dataset.choices`` says it.
        on_missing: "error", or "skip" for rows with one image only, or with one image twice.

    Raises:
        DataError: for an unreadable file, several questions, or no vote on the chosen one.
    """
    options = _Options(
        default_question, column_names(columns, "columns"), check_choices(choices), on_missing
    )
    opened = [_open(Path(path).expanduser(), options) for path in paths]
    names, guessed = _image_names(opened, options)
    read = [one if isinstance(one, _One) else _read_simple(one, names, options) for one in opened]
    # provenance and other third-party columns are not needed, and may differ in type
    tables = [one.table.select(list(SPECS["votes"])) for one in read]
    table = pa.concat_tables(tables)
    asked = sorted(pc.unique(table["question"]).to_pylist())
    if question is None and len(asked) > 1:
        raise DataError(
            f"votes on {len(asked)} questions: {', '.join(map(repr, asked[:5]))}",
            expected="one question",
            todo=f"choose one: --question {asked[0]!r}",
        )
    chosen = question if question is not None else (asked[0] if asked else default_question)
    table = table.filter(pc.equal(table["question"], chosen))
    if table.num_rows == 0:
        raise DataError(
            f"no vote on the question {chosen!r}"
            + (f"; there are votes on {', '.join(map(repr, asked[:5]))}" if asked else ""),
            expected="at least one vote",
            todo="choose another question or another file",
        )
    pairs = read[0].pairs
    if len(read) > 1:
        left, right = ([name for one in read for name in _names(one.pairs)[at]] for at in (0, 1))
        pairs = Pairs.from_ids(left, right)[0]
    return VoteFiles(
        table,
        pairs,
        chosen,
        all(one.images_known for one in read),
        (*guessed, *(note for one in read for note in one.notes)),
        next((one.simulated for one in read if one.simulated), ""),
    )


def _open(path: Path, options: _Options) -> _One | TextTable:
    """Read tables of ours; return a simple table as text."""
    if path.is_dir():
        if not (path / MANIFEST).is_file():
            raise DataError(
                f"{path}: a folder without {MANIFEST}",
                expected="a file of votes, or the folder of a prepared data set",
                todo="name the file",
            )
        return _read_prepared(Tables(path))
    table = read_vote_table(path, options.columns, columns_option="columns")
    if "pair_id" in table and not ("left" in table and "right" in table):
        return _read_ours(path, table)
    return table


def _image_names(
    opened: Sequence[_One | TextTable], options: _Options
) -> tuple[ImageNames, tuple[str, ...]]:
    """Find out which names mean one image, over all files."""
    rows = []
    fixed: set[str] = set()
    for one in opened:
        if isinstance(one, TextTable):
            left, right = (one.known(side) for side in sides_of(one, options.columns).values())
            rows.append((left, right))
        elif one.images_known:
            fixed.update(*_names(one.pairs))
    return ImageNames.of_tables(rows, fixed)


def _read_simple(table: TextTable, names: ImageNames, options: _Options) -> _One:
    path, columns = table.path, options.columns
    table = without_copies(table, columns)
    rows = read_pairs(table, names, mapping=columns, on_missing=options.on_missing)
    votes, facts = read_votes(
        rows, mapping=columns, question=options.question, choices=options.choices
    )
    votes = check_table("votes", votes, where=str(path))
    notes = []
    unnamed = int(pc.sum(pc.equal(votes["rater_id"], UNNAMED)).as_py() or 0)
    if unnamed == votes.num_rows:
        notes.append(f"{path.name} does not say who voted: its votes count as one rater's.")
    elif unnamed:
        notes.append(
            f"{path.name} does not say who voted in {unnamed:,} of {votes.num_rows:,} rows: these "
            f"votes count as those of one more rater, {path.stem}."
        )
    if unnamed:
        named = pc.if_else(pc.equal(votes["rater_id"], UNNAMED), path.stem, votes["rater_id"])
        votes = votes.set_column(votes.column_names.index("rater_id"), "rater_id", named)
    notes += [f"{path.name}: {note}" for note in facts.get("notes", ())]
    used = rows.pairs
    shown = np.bincount(np.concatenate([used.left, used.right]), minlength=len(used.image_ids))
    if not shown.all():  # rows were left out
        used = Pairs.from_ids(*_names(used))[0]
    return _One(votes, used, True, tuple(notes))


def _read_ours(path: Path, text: TextTable) -> _One:
    """Read a vote table of ours: Parquet directly, CSV as text."""
    if path.suffix == ".parquet":
        table = read_table("votes", path)
    else:
        columns = {name: text.columns[name] for name in text.columns if name in SPECS["votes"]}
        table = check_table("votes", pa.table(columns), where=str(path))
    beside = path.parent / "pairs.parquet"
    if beside.is_file():
        pairs = read_table("pairs", beside)
        where = dict(
            zip(
                pairs["pair_id"].to_pylist(),
                zip(pairs["left"].to_pylist(), pairs["right"].to_pylist(), strict=True),
                strict=True,
            )
        )
        known = [where[i] for i in pc.unique(table["pair_id"]).to_pylist() if i in where]
        lost = table.num_rows - int(
            pc.sum(pc.is_in(table["pair_id"], value_set=pa.array(list(where)))).as_py() or 0
        )
        if lost:
            raise DataError(
                f"{path}: {lost} votes are on pairs that {beside.name} does not have",
                expected="the pair table that belongs to the votes",
                todo=f"name the folder of the data set, or move the votes away from {beside}",
            )
        manifest = path.parent / MANIFEST
        said = Tables(path.parent).manifest.simulated if manifest.is_file() else ""
        left, right = [a for a, _ in known], [b for _, b in known]
        return _One(table, Pairs.from_ids(left, right)[0], True, (), said)
    return _nameless(path, table)


def _nameless(path: Path, table: pa.Table) -> _One:
    """Read votes that name pairs, not images: each pair gets two images of its own."""
    ids = pc.unique(table["pair_id"]).to_pylist()
    keys_of(ids)
    left, right = [f"{i} left" for i in ids], [f"{i} right" for i in ids]
    known = Pairs.from_ids(left, right)[0]
    name = dict(zip(ids, known.pair_ids, strict=True))
    renamed = pa.array([name[i] for i in table["pair_id"].to_pylist()], pa.string())
    table = table.set_column(table.column_names.index("pair_id"), "pair_id", renamed)
    note = (
        f"{path.name} names pairs but not their images, and there is no pairs.parquet beside it: "
        "no ranking, and intervals treat every pair as independent."
    )
    return _One(table, known, False, (note,))


def _read_prepared(tables: Tables) -> _One:
    used = Pairs.from_ids(*_names(tables.pairs))[0]
    return _One(tables.vote_table, used, True, (), tables.manifest.simulated)


def _names(pairs: Pairs) -> tuple[list[str], list[str]]:
    left: list[str] = pairs.image_ids[pairs.left].tolist()
    right: list[str] = pairs.image_ids[pairs.right].tolist()
    return left, right
