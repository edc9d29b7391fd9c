"""``dataset=folder``: a user's photographs with votes, scores or ratings.

The photographs stay where they are. Votes, scores and ratings are checked and written as the tables
of docs/data_format.md; docs/add/dataset.md shows the forms of the input files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.datasets.choices import check_choices
from interestingness.datasets.folder_pairs import choose_pairs, inside_groups, starred_images
from interestingness.datasets.folder_tables import (
    image_table,
    pair_table,
    score_table,
    star_table,
)
from interestingness.datasets.image_files import ImageFile, is_utf8, list_images
from interestingness.datasets.image_tars import tar_files, unpacked
from interestingness.datasets.pair_files import PairRows, read_pairs
from interestingness.datasets.preparing import Progress, input_key, prepare_once
from interestingness.datasets.rating_files import (
    EQUAL_RATINGS,
    read_ratings,
    votes_from_ratings,
)
from interestingness.datasets.score_files import ImageColumns, group_codes, read_image_columns
from interestingness.datasets.star_ratings import read_ratings as read_star_ratings
from interestingness.datasets.star_ratings import sidecar_states
from interestingness.datasets.vote_columns import ColumnNames, column_names
from interestingness.datasets.vote_copies import without_copies
from interestingness.datasets.vote_exports import read_vote_table
from interestingness.datasets.vote_files import read_votes
from interestingness.disk import sha256_of
from interestingness.errors import ConfigError, DataError
from interestingness.schema import Pairs
from interestingness.tables.image_names import ON_MISSING, ImageNames, KeyedNames, keyed
from interestingness.tables.number_cells import check_decimal
from interestingness.tables.tables import Manifest, Tables
from interestingness.tables.user_tables import TextTable, existing_file, read_user_table

log = logging.getLogger(__name__)

# Part of the prepared folder's name: raise it when the same input gives other tables.
_RULES = 4


def prepare_folder(
    root: str | Path,
    *,
    images: str | Path | Iterable[str | Path],
    votes: str | Path | None = None,
    scores: str | Path | None = None,
    pairs: str | Path | None = None,
    ratings: str | Path | None = None,
    groups: str | Path | None = None,
    columns: Mapping[str, str | None] | None = None,
    choices: Mapping[str, str | None] | None = None,
    decimal: str | None = None,
    image_key: str | None = None,
    question: str,
    pairs_per_image: int | None,
    votes_per_rater: int | None,
    on_missing: str,
    seed: int,
    pairs_within: str | None = None,
    equal_ratings: str = "drop",
    stars: bool | None = None,
    copies: bool | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Tables:
    """Prepare tables of images in a folder and of votes, scores and ratings on them.

    Pairs are, in this order: those of ``pairs``; those voted on; random ones of images which a
    rater rated both; random ones of all images (that have a score, if there are scores). The result
    is stored below ``root`` under a hash of all inputs and reused while these stay the same.

    Args:
        root: where prepared data sets are kept.
        images: a folder (with its subfolders), a glob pattern, or a list of files; or tar files of
            images, as img2dataset writes them: one, a folder of them, or a pattern.
        votes: table ``left, right, choice`` and, where known, ``rater``, ``first``, ``reason``, …;
            or another tool's export, as docs/add/dataset.md lists them.
        scores: table ``image`` and any number of columns; each column of numbers is a score, and
            every column is a column of the image table that one can split by.
        pairs: table ``left, right``.
        ratings: long table ``image, rater, rating``; votes are made from it.
        groups: table ``image`` and columns to split by (concept, owner, fold, date, …).
        columns: the files' own names for ``vote_columns.COLUMNS``; "auto" finds one by its usual
            names, None says that there is none.
        choices: what other words in the column of choices mean: left, right, tie, skip, …
        decimal: the decimal sign, "," or ".", of tables whose numbers leave it open.
        image_key: a column of scores or groups by which votes, pairs and ratings name images,
            where they do not use file names.
        question: what was asked, where a table has no such column.
        pairs_per_image: random pairs that each image is in; None is 10 or, where scores or stars
            label them, 80 (fewer beyond 10,000 images).
        votes_per_rater: most votes made from one rater's ratings; None for all.
        on_missing: what to do with rows whose image is absent: "error", or "skip" and count.
        seed: of random pairs and of the choice among votes.
        pairs_within: a column of scores or groups whose values are groups; only pairs inside a
            group are made, and pairs or votes between groups are left out and counted.
        equal_ratings: "drop" pairs that a rater rated alike, or make them a "tie".
        stars: whether the ratings that files carry (XMP, EXIF, sidecars) become the score "stars";
            without other tables, random pairs are then of rated images.
        copies: whether to take images in folders that machines fill (thumbnails, recycle bins).
        name: shown in reports; None takes the folder's name.
        progress: called with the progress.

    Raises:
        DataError: for any fault of the input, with the file, the line and what to do.
        ConfigError: for an option that does not exist.
    """
    mapping = column_names(columns, "dataset.columns")
    check_decimal("dataset.decimal", decimal)
    _one_of("on_missing", on_missing, ON_MISSING)
    _one_of("equal_ratings", equal_ratings, EQUAL_RATINGS)
    _at_least("pairs_per_image", 1 if pairs_per_image is None else pairs_per_image, 1)
    _at_least("votes_per_rater", 1 if votes_per_rater is None else votes_per_rater, 1)
    _at_least("seed", seed, 0)
    tars = tar_files(images)
    listing = list_images(
        unpacked(tars, Path(root).expanduser(), progress) if tars else images, copies=bool(copies)
    )
    # The image table holds text, so that a path of other bytes cannot be in it.
    folder, files = listing.root, tuple(file for file in listing.files if is_utf8(file.path))
    for sentence in listing.left_out.sentences(option="dataset.copies=true"):
        log.info("left out %s", sentence)
    for file in listing.files:
        if not is_utf8(file.path):
            log.warning("left out %s: its name is not UTF-8", file.image_id)
    if len(files) < 2:
        raise DataError(
            f"dataset.images: one image only, {files[0].image_id}",
            expected="at least two images",
            todo="add images, or name another folder",
        )
    given = {"votes": votes, "scores": scores, "pairs": pairs, "ratings": ratings, "groups": groups}
    paths = {kind: existing_file(path) for kind, path in given.items() if path is not None}
    options = _Options(
        mapping, check_choices(choices), decimal, image_key, question, pairs_per_image,
        votes_per_rater, on_missing, seed, equal_ratings, name or _name(folder), pairs_within,
    )  # fmt: skip
    photos = [folder / file.path for file in files] if stars else []
    key = input_key(
        {
            "rules": _RULES,
            "root": str(folder),
            "images": [[f.image_id, f.size, f.modified] for f in files],
            "tables": {kind: [path.name, sha256_of(path)] for kind, path in paths.items()},
            "options": {
                k: v for k, v in asdict(options).items() if v is not None or k != "pairs_within"
            },
            **({"sidecars": sidecar_states(photos)} if stars else {}),
        }
    )

    def build(_: Path) -> tuple[Manifest, Mapping[str, pa.Table]]:
        tables = {kind: _read_table(kind, path, options) for kind, path in paths.items()}
        _check_mapping(mapping, tables)
        if "votes" in tables:
            tables["votes"] = without_copies(tables["votes"], mapping)
        rated = read_star_ratings(photos, progress) if stars else None
        return _build(folder, files, tables, options, progress, rated)

    return prepare_once(root, f"folder-{key}", build)


def _read_table(kind: str, path: Path, options: _Options) -> TextTable:
    read = partial(read_vote_table, mapping=options.mapping) if kind == "votes" else read_user_table
    return read(
        path,
        columns_option="dataset.columns",
        decimal=options.decimal,
        decimal_option="dataset.decimal",
    )


@dataclass(frozen=True)
class _Options:
    mapping: dict[str, str | None]
    choices: dict[str, int]
    decimal: str | None
    image_key: str | None
    question: str
    pairs_per_image: int | None
    votes_per_rater: int | None
    on_missing: str
    seed: int
    equal_ratings: str
    name: str
    pairs_within: str | None


def _build(
    folder: Path,
    files: tuple[ImageFile, ...],
    tables: Mapping[str, TextTable],
    options: _Options,
    progress: Progress | None,
    stars: tuple[NDArray[np.float64], dict[str, int]] | None = None,
) -> tuple[Manifest, Mapping[str, pa.Table]]:
    names = ImageNames([file.image_id for file in files], folder)
    mapping, on_missing = options.mapping, options.on_missing
    about = {
        kind: read_image_columns(
            tables[kind],
            names,
            mapping=mapping,
            on_missing=on_missing,
            with_scores=kind == "scores",
        )
        for kind in ("scores", "groups")
        if kind in tables
    }
    keys = _key_names(names, about, options.image_key)
    rows = {
        kind: read_pairs(tables[kind], keys, mapping=mapping, on_missing=on_missing)
        for kind in ("pairs", "votes")
        if kind in tables
    }
    rated = None
    if "ratings" in tables:
        rated = read_ratings(tables["ratings"], keys, mapping=mapping, on_missing=on_missing)
    group = group_codes(about, options.pairs_within, len(names))
    every, origin = choose_pairs(
        names,
        rows,
        rated,
        about.get("scores"),
        None if stars is None else starred_images(stars[0], folder),
        group=group,
        pairs_per_image=options.pairs_per_image,
        seed=options.seed,
    )
    pairs = every if group is None else every[inside_groups(every, group)]
    images, counts = image_table(folder, files, about, progress)

    facts: dict[str, Any] = {"images": len(files), **counts}
    facts |= {kind: dict(table.facts) for kind, table in about.items()}
    facts["pairs"] = {"pairs": len(pairs), "origin": origin}
    if group is not None:
        facts["pairs_within"] = options.pairs_within
        facts["pairs"] |= {
            "within": options.pairs_within,
            "groups": int(group.max()) + 1,
            "between_groups_left_out": len(every) - len(pairs),
            "images_without_group": int((group < 0).sum()),
        }
    parts: dict[str, list[pa.Table]] = {"images": [images], "pairs": [pair_table(pairs)]}
    if "scores" in about:
        parts["scores"] = [score_table(about["scores"], names)]
    if stars is not None:
        facts["stars"] = stars[1]
        parts.setdefault("scores", []).append(star_table(stars[0], names.image_ids))
    if "pairs" in rows:
        facts["pairs"] |= rows["pairs"].facts
    if "votes" in rows:
        votes, facts["votes"] = _votes(rows["votes"], every, options)
        if group is not None:
            kept = votes.filter(pc.is_in(votes["pair_id"], pa.array(pairs.pair_ids)))
            facts["votes"]["between_groups_left_out"] = len(votes) - len(kept)
            votes = kept
        parts["votes"] = [votes]
    if rated is not None:
        votes, counts = votes_from_ratings(
            pairs,
            rated,
            votes_per_rater=options.votes_per_rater,
            equal_ratings=options.equal_ratings,
            question=options.question,
            seed=options.seed,
        )
        facts["ratings"] = {**rated.facts, **counts}
        parts.setdefault("votes", []).append(votes)
        parts["ratings"] = [rated.table(names.image_ids, options.question)]
    _log(facts, tables)
    manifest = Manifest(options.name, domain="photographs", image_root=str(folder), facts=facts)
    return manifest, {
        kind: pa.concat_tables(part, promote_options="default") for kind, part in parts.items()
    }


def _log(facts: Mapping[str, Any], tables: Mapping[str, TextTable]) -> None:
    log.info(_sentence({kind: counts for kind, counts in facts.items() if isinstance(counts, int)}))
    for kind, counts in facts.items():
        if isinstance(counts, dict):
            log.info("%s: %s", kind, _sentence(counts))
            for note in counts.get("notes", ()):
                log.warning("%s: %s", tables[kind].path, note)


def _votes(rows: PairRows, pairs: Pairs, options: _Options) -> tuple[pa.Table, dict[str, Any]]:
    """Read votes; those on pairs that are not in the pair table are an error or skipped."""
    table, counts = read_votes(
        rows,
        mapping=options.mapping,
        question=options.question,
        choices=options.choices,
    )
    facts = {**rows.facts, **counts}
    unknown = pairs.find(rows.pairs.key)[rows.pair] < 0
    if not unknown.any():
        return table, facts
    if options.on_missing == "error" or unknown.all():
        first = rows.pairs.pair(int(rows.pair[int(np.argmax(unknown))]))
        raise DataError(
            f"{rows.table.path}: {int(unknown.sum())} of {len(unknown)} votes are on pairs that "
            f"dataset.pairs does not list, the first on {first.left!r} and {first.right!r} "
            f"({rows.table.lines(rows.kept[unknown].tolist())})",
            expected="votes on listed pairs",
            todo="add the pairs, leave dataset.pairs out (the voted pairs are then taken), or "
            "leave such votes out with dataset.on_missing=skip",
        )
    facts["votes_on_unlisted_pairs"] = int(unknown.sum())
    return table.filter(pa.array(~unknown)), facts


def _key_names(
    names: ImageNames, about: Mapping[str, ImageColumns], key: str | None
) -> ImageNames | KeyedNames:
    if key is None:
        return names
    for table in about.values():
        if key in table.table:
            return keyed(names, table.table, key, table.row)
    found = sorted({column for table in about.values() for column in table.table.columns})
    raise DataError(
        f"dataset.image_key={key}: no such column in dataset.scores or dataset.groups",
        expected=f"one of {', '.join(found)}" if found else "a table of scores or groups",
        todo="name the column that both tables have",
    )


def _check_mapping(mapping: ColumnNames, tables: Mapping[str, TextTable]) -> None:
    for meaning, column in mapping.items():
        if column is not None and not any(column in table for table in tables.values()):
            found = {name for table in tables.values() for name in table.columns}
            raise DataError(
                f"dataset.columns.{meaning}={column}: no table has such a column",
                expected=f"one of {', '.join(sorted(found))}" if found else "a table of yours",
                todo="correct the option",
            )


def _at_least(option: str, value: int, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise ConfigError(
            f"dataset.{option}={value}",
            expected=f"a whole number of {least} or more",
            todo="correct the option",
        )


def _one_of(option: str, value: str, values: tuple[str, ...]) -> None:
    if value not in values:
        raise ConfigError(
            f"dataset.{option}={value}",
            expected=f"one of {', '.join(values)}",
            todo="correct the option",
        )


def _name(folder: Path) -> str:
    generic = folder.name.casefold() in ("images", "photos", "pictures", "img", "data", "")
    return (folder.parent.name if generic else "") or folder.name or "folder"


def _sentence(counts: Mapping[str, Any]) -> str:
    shown = ((name, value) for name, value in counts.items() if name != "notes")
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown)
