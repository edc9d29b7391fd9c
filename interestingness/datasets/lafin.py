"""``dataset=lafin``: photographs that Flickr lists as interesting, and others of the same days.

The published files may be gone, and their layout is not documented; any table with an address, a
label and tags will do, such as the one that ``interestingness collect-flickr`` writes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interestingness.datasets.download.outcomes import Item
from interestingness.datasets.folder_tables import pair_table
from interestingness.datasets.pairing import crossed_pairs
from interestingness.datasets.preparing import Progress, input_key, prepare_once
from interestingness.datasets.tags import LEAK, tags_of, without_leak
from interestingness.datasets.url_images import UrlImages, find_images
from interestingness.disk import sha256_of
from interestingness.errors import ConfigError, DataError
from interestingness.schema import Pairs
from interestingness.tables.number_cells import numbers
from interestingness.tables.tables import Manifest, Tables
from interestingness.tables.user_tables import TextTable, read_user_table

log = logging.getLogger(__name__)

RULES = 1
NAME = LABEL = "lafin"
COLUMNS: dict[str, tuple[str, ...]] = {
    "image": ("image_id", "photo_id", "id"),
    "url": ("url", "image_url", "link"),
    "interesting": ("interesting", "label", "class"),
    "tags": ("tags",),
    "title": ("title",),
    "description": ("description",),
    "owner": ("owner", "owner_name"),
    "date": ("date", "date_upload", "upload_date"),
    "license": ("license", "licence"),
    "location": ("location",),
    "views": ("views", "num_views"),
    "comments": ("comments", "num_comments"),
    "favorites": ("favorites", "favourites", "faves", "num_favorites"),
}
"""What we know of, and how files may call it."""
COUNTS = ("views", "comments", "favorites")
"""What the crowd did with a photograph: the label in disguise; scores, never features."""
METADATA = ("tags", "title", "description", "owner", "date", "license", "location")
_YES = {"1", "1.0", "true", "yes", "interesting", "positive"}
_NO = {"0", "0.0", "-1", "false", "no", "not interesting", "not_interesting", "negative"}


def prepare_lafin(
    root: str | Path,
    *,
    photos: str | Path,
    images: str | Path | None = None,
    download: bool,
    features: Sequence[str],
    leaking_tags: str,
    pairs_per_image: int,
    seed: int,
    columns: Mapping[str, str | None] | None = None,
    tag_separator: str | None = None,
    least_tags: int = 1,
    progress: Progress | None = None,
) -> Tables:
    """Prepare tables from a list of photographs.

    The label becomes the score ``lafin``, 1 or 0; views, comments and favourites become scores too,
    for labels or references, and are refused as features. A pair is one interesting and one
    other image, of the same day where days are known.

    Args:
        root: where prepared data sets are kept.
        photos: CSV or Parquet with the columns ``COLUMNS``; image, url, interesting, tags needed.
        images: folder of images named by their id; None for none.
        download: fetch images that are not in that folder.
        features: which of ``METADATA`` become columns of the image table.
        leaking_tags: "removed" tags that contain "explor", or "kept", to measure what they leak.
        pairs_per_image: pairs of each image of the smaller class.
        seed: of the pairs.
        columns: the file's own names for ``COLUMNS``.
        tag_separator: between tags; None for white space or a list in brackets.
        least_tags: images with fewer tags, leaking ones not counted, are left out and counted.
        progress: called with the progress of a download.

    Raises:
        DataError: a missing column, an id given twice, a label that is neither yes nor no, one
            class only.
        ConfigError: a feature that gives away the label, or an unknown option.
    """
    refuse_counts(features)
    if leaking_tags not in ("removed", "kept"):
        raise ConfigError(
            f"dataset.leaking_tags={leaking_tags}", expected="removed or kept", todo="correct it"
        )
    mapping = {key: str(value) for key, value in (columns or {}).items() if value is not None}
    unknown = [key for key in mapping if key not in COLUMNS]
    if unknown:
        raise ConfigError(
            f"dataset.columns.{unknown[0]}", expected=f"one of {', '.join(COLUMNS)}", todo="rename"
        )
    table = read_user_table(photos, columns_option="dataset.columns")
    names = {
        key: table.need(key, aliases, mapping)
        if key in ("image", "url", "interesting", "tags")
        else table.find(key, aliases, mapping)
        for key, aliases in COLUMNS.items()
    }
    items = _items(table, names)
    pictures = find_images(images, items, download=download, progress=progress)
    inputs = {
        "rules": RULES,
        "photos": sha256_of(table.path),
        "images": pictures.key,
        "options": [sorted(features), leaking_tags, pairs_per_image, seed, sorted(mapping.items())],
        "tags": [tag_separator, least_tags],
    }

    def build(_: Path) -> tuple[Manifest, Mapping[str, pa.Table]]:
        rows = _Rows(table, names, tag_separator)
        return _build(rows, features, leaking_tags, least_tags, pairs_per_image, seed, pictures)

    return prepare_once(root, f"{NAME}-{input_key(inputs)}", build)


def refuse_counts(features: Sequence[str]) -> None:
    """Refuse features that give away the label.

    Raises:
        ConfigError: for views, comments, favourites, or a name that is not in the metadata.
    """
    disguised = {alias.casefold() for key in COUNTS for alias in (key, *COLUMNS[key])}
    for name in features:
        if name.casefold() in disguised:
            raise ConfigError(
                f"dataset.features: {name}",
                expected="what is known of a photograph before people have seen it: "
                f"{', '.join(METADATA)}",
                todo="leave it out: in LaFin the interesting images have 97.2 % of all views, so "
                "views, comments and favourites are the label in disguise. They are scores: judge "
                "by them (references.views), or look at study=metadata_by_class",
            )
        if name not in METADATA:
            raise ConfigError(
                f"dataset.features: {name}",
                expected=f"some of {', '.join(METADATA)}",
                todo="correct the name",
            )


def _items(table: TextTable, names: Mapping[str, str | None]) -> list[Item]:
    ids = table.cells(names["image"] or "")
    urls = table.cells(names["url"] or "")
    licenses = table.cells(names["license"]) if names["license"] else [None] * len(table)
    seen: dict[str, int] = {}
    for at, name in enumerate(ids):
        if name is None or name in seen:
            raise DataError(
                f"{table.path}: image {name!r} ({table.lines([at])})"
                + ("" if name is None else " occurs twice"),
                expected="a name for each row, and one row for each image",
                todo="correct the table",
            )
        seen[name] = at
    return [
        Item(name or "", url or "", license or "")
        for name, url, license in zip(ids, urls, licenses, strict=True)
    ]


class _Rows:
    """The table's columns, parsed."""

    def __init__(
        self, table: TextTable, names: Mapping[str, str | None], separator: str | None
    ) -> None:
        self.table, self.names = table, names
        self.ids = [name or "" for name in self.text("image")]
        self.label = self._label()
        self.tags = [tags_of(cell, separator) for cell in self.text("tags")]

    def text(self, key: str) -> list[str | None]:
        """Return the cells of one of our columns; None where the file lacks it."""
        name = self.names[key]
        return [None] * len(self.table) if name is None else self.table.cells(name)

    def _label(self) -> NDArray[np.bool_]:
        words = [(cell or "").casefold() for cell in self.text("interesting")]
        strange = [at for at, word in enumerate(words) if word not in _YES | _NO]
        if strange:
            raise DataError(
                f"{self.table.path}: column {self.names['interesting']!r} holds "
                f"{self.text('interesting')[strange[0]]!r} ({self.table.lines(strange)})",
                expected="1 or 0, true or false, yes or no",
                todo="correct the cells",
            )
        label = np.array([word in _YES for word in words])
        if label.all() or not label.any():
            raise DataError(
                f"{self.table.path}: all {len(label)} images are "
                f"{'interesting' if label.all() else 'not interesting'}",
                expected="images of both classes",
                todo="add the others; `interestingness collect-flickr` collects both",
            )
        return label


def _build(
    rows: _Rows,
    features: Sequence[str],
    leaking_tags: str,
    least_tags: int,
    pairs_per_image: int,
    seed: int,
    pictures: UrlImages,
) -> tuple[Manifest, Mapping[str, pa.Table]]:
    clean = without_leak(rows.tags)
    enough = np.array([len(tags) >= least_tags for tags in clean.tags])
    facts = _leak_facts(rows, clean.affected, clean.removed, leaking_tags)
    facts |= {"images": int(enough.sum()), "images_with_too_few_tags": int((~enough).sum())}
    kept = np.flatnonzero(enough)
    ids, label = [rows.ids[at] for at in kept], rows.label[kept]
    tags = clean.tags if leaking_tags == "removed" else rows.tags
    facts |= {"interesting": int(label.sum()), "others": int((~label).sum())}
    about: dict[str, Any] = {"image_id": pa.array(ids, pa.string()), **pictures.columns(ids)}
    about["url"] = pa.array([rows.text("url")[at] for at in kept], pa.string())
    for name in features:
        if name == "tags":
            about[name] = pa.array([tags[at] for at in kept], pa.list_(pa.string()))
        elif rows.names[name] is not None:
            cells = rows.text(name)
            about[name] = pa.array([cells[at] for at in kept], pa.string())
    scores = {LABEL: rows.label.astype(np.float64)}
    for name in COUNTS:
        column = rows.names[name]
        if column is not None:
            read = numbers(rows.table, column)
            scores[name] = read.values
            facts[f"{name}_that_are_no_numbers"] = int(read.strange.sum())
    facts |= pictures.facts(ids)
    dates = rows.text("date")
    days = [(dates[at] or "")[:10] for at in kept]
    there = np.array([not pictures.folder or name in pictures.files for name in ids])
    drawn = crossed_pairs(label, there, days, pairs_per_image, seed=seed)
    if not len(drawn):
        raise DataError(
            f"{rows.table.path}: no interesting and other image left to pair",
            expected="images of both classes with tags (and files)",
            todo="check the tags, or lower dataset.least_tags",
        )
    one, other = ([ids[at] for at in side.tolist()] for side in drawn.T)
    pairs = Pairs.from_ids(one, other)[0]
    values = [(name, column[kept]) for name, column in scores.items()]
    table = {
        "image_id": pa.array(ids * len(values), pa.string()),
        "name": pa.array([name for name, _ in values for _ in ids], pa.string()),
        "score": pa.array(
            np.concatenate([v for _, v in values]),
            mask=np.isnan(np.concatenate([v for _, v in values])),
        ),
    }
    manifest = Manifest(NAME, "photographs", image_root=pictures.folder, facts=facts)
    return manifest, {
        "images": pa.table(about),
        "pairs": pair_table(pairs),
        "scores": pa.table(table),
    }


def _leak_facts(
    rows: _Rows, affected: Sequence[bool], removed: Mapping[str, int], leaking_tags: str
) -> dict[str, Any]:
    """Measure how far tags and titles give the label away."""
    hit = np.array(affected)
    titles = np.array([LEAK in (title or "").casefold() for title in rows.text("title")])
    facts = {
        "leaking_tags": leaking_tags,
        "tags_that_leak": sum(removed.values()),
        "distinct_tags_that_leak": len(removed),
        "most_frequent": dict(sorted(removed.items(), key=lambda entry: -entry[1])[:10]),
        "share_of_interesting_images_with_one": float(hit[rows.label].mean()),
        "share_of_other_images_with_one": float(hit[~rows.label].mean()),
        "titles_that_leak": int(titles.sum()),
    }
    log.info(
        "%d tags that contain %r are %s: %.1f %% of the interesting images had one, %.1f %% of the "
        "others; %d titles contain it and stay",
        facts["tags_that_leak"], LEAK, leaking_tags,
        100 * hit[rows.label].mean(), 100 * hit[~rows.label].mean(), titles.sum(),
    )  # fmt: skip
    return facts
