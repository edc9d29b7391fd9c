"""``dataset=visual_interestingness``: the three files of Abdullahu and Grabner 2025 (ICCV).

The download holds the images' addresses on Flickr, not the images. Columns are found in the
headers; ``SCORES`` and ``RATERS`` hold the known ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interestingness.datasets.archives import published_files
from interestingness.datasets.download.outcomes import Item
from interestingness.datasets.preparing import Progress, input_key, prepare_once
from interestingness.datasets.url_images import UrlImages, find_images
from interestingness.disk import sha256_of
from interestingness.errors import DataError
from interestingness.schema import Pairs
from interestingness.tables.list_cells import ListTable, answer_of, read_list_table
from interestingness.tables.tables import Manifest, Tables

VERSION = 2
NAME = "visual_interestingness"
FILES = ("Images_Metadata.csv", "Single_Interestingness.csv", "Relative_Interestingness.csv")
DOWNLOAD = (
    "download https://drive.google.com/uc?id=1KJot5VeUSCUg11IuDYqmlS024MTqhUnQ (763 kB) and name "
    "it, or the folder it unpacks to: dataset=visual_interestingness dataset.folder=…"
)
SCORES = {
    "CuPL_Score": "cupl",
    "CI_Score": "commonly_interesting",
    "Memorability_Score": "memorability",
    "Aesthetic_Score": "aesthetic",
    "Num_Views": "views",
    "Num_Favorites": "favorites",
    "Num_Comments": "comments",
}
"""Their column → our score."""
RATERS = {
    "GPT": "gpt-4o-2024-11-20",
    "Llama": "llama-3.2-11b-vision-instruct",
    "DeepSeek": "deepseek-vl2-tiny",
}
"""Their prefix of a model's answers → rater id; any other prefix is a model of that name."""
PEOPLE = "Human"
PUBLISHED = {
    "5620359": (0.051496, 0.313124, 0.830520, 0.531907, 8354, 4, 0),
    "9142920": (0.088578, 0.427054, 0.793944, 0.645713, 283, 0, 0),
    "13541424": (0.054629, 0.494198, 0.829453, 0.416582, 1162, 1, 1),
    "26597779": (0.021285, 0.127285, 0.783517, 0.314706, 6763, 0, 0),
    "41972814": (0.049260, 0.295821, 0.678636, 0.560285, 576, 0, 0),
}
"""The first rows as published: by them the real files are told from files of the same layout."""
NOT_PUBLISHED = "NOT THE PUBLISHED FILES: files of their layout with other content"


class AnswerCells(NamedTuple):
    """The answers of one cell, as rows for a table.

    Attributes:
        rater: rater ids, a person's place in the list for people.
        answer: the answer; None for nothing usable.
        reason: why; None where there is none.
        sample: repetition by the same rater.
    """

    rater: list[str]
    answer: list[str | None]
    reason: list[str | None]
    sample: list[int]


def prepare_visual_interestingness(
    root: str | Path,
    *,
    folder: str | Path,
    images: str | Path | None = None,
    download: bool,
    progress: Progress | None = None,
) -> Tables:
    """Prepare tables of the published files.

    Five answers per item become five votes or judgments: people are told apart within an item only,
    and are named by their place in its list. Another text than the expected words is a vote
    without an answer. ``ImageID1`` was shown first.

    Args:
        root: where prepared data sets are kept.
        folder: with the three CSV files; or the zip file itself.
        images: folder of images named by id (``5620359.jpg``); None for none. Pairs with an
            image that is lost are then left out, and counted.
        download: fetch images that are not in that folder.
        progress: called with the progress of the download.

    Raises:
        DataError: if a file is absent, lacks a column, or has a cell that cannot be read.
    """
    cache = Path(root).expanduser()
    source = published_files(folder, FILES, cache, todo=DOWNLOAD)
    about = read_list_table(source / FILES[0], ["ImageID", *SCORES])
    pictures = find_images(images, _items(about), download=download, progress=progress)
    inputs: dict[str, Any] = {"version": VERSION, "images": pictures.key}
    for name in FILES:
        inputs[name] = sha256_of(source / name)

    def build(_: Path) -> tuple[Manifest, Mapping[str, pa.Table]]:
        return _build(source, about, pictures)

    return prepare_once(cache, f"{NAME}-{input_key(inputs)}", build)


def _items(about: ListTable) -> list[Item]:
    urls = about.texts("ImageURL")
    return [Item(name, url or "") for name, url in zip(_image_ids(about), urls, strict=True)]


def _image_ids(about: ListTable) -> list[str]:
    ids = about.whole_numbers("ImageID")
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise DataError(
            f"{about.path}: ImageID {twice[0]} occurs {Counter(ids)[twice[0]]} times",
            expected="one row for each image",
            todo=DOWNLOAD,
        )
    return ids


def _build(
    source: Path, about: ListTable, pictures: UrlImages
) -> tuple[Manifest, Mapping[str, pa.Table]]:
    single = read_list_table(source / FILES[1], ["ImageID", f"{PEOPLE}_Answers"])
    couples = read_list_table(source / FILES[2], ["ImageID1", "ImageID2", f"{PEOPLE}_Answers"])
    ids = _image_ids(about)
    scores = {
        ours: [about.number(at, theirs) for at in range(len(ids))]
        for theirs, ours in SCORES.items()
    }
    ones, others = (couples.whole_numbers(name) for name in ("ImageID1", "ImageID2"))
    _check_known(single, single.whole_numbers("ImageID"), ids)
    _check_known(couples, ones + others, ids)
    shown = list(zip(ones, others, strict=True))
    pairs, row, _ = Pairs.from_ids(ones, others, ids)
    votes = _votes(couples, shown, pairs, row)
    given, whole = len(pairs), pictures.whole(pairs)
    names = np.asarray(pairs.pair_ids, dtype=object)[whole]
    votes = votes.filter(pc.is_in(votes["pair_id"], value_set=pa.array(names, pa.string())))
    pairs = pairs[whole]
    judgments, unusable = _judgments(single)
    published = _is_published(ids, scores)
    tables = {
        "images": pa.table(
            {
                "image_id": pa.array(ids, pa.string()),
                **pictures.columns(ids),
                "url": pa.array(about.texts("ImageURL"), pa.string()),
                "description": pa.array(about.texts("ImageDescription"), pa.string()),
            }
        ),
        "pairs": pa.table(
            {
                "pair_id": pa.array(pairs.pair_ids, pa.string()),
                "left": pa.array(pairs.image_ids[pairs.left].tolist(), pa.string()),
                "right": pa.array(pairs.image_ids[pairs.right].tolist(), pa.string()),
            }
        ),
        "votes": votes,
        "judgments": judgments,
        "scores": pa.table(
            {
                "image_id": pa.array(ids * len(scores), pa.string()),
                "name": [name for name in scores for _ in ids],
                "score": pa.array([v for values in scores.values() for v in values], pa.float64()),
            }
        ),
    }
    facts = {
        **pictures.facts(ids),
        "pairs_with_a_lost_image": given - len(pairs),
        "votes_without_answer": votes["choice"].null_count,
        "judgments_without_answer": unusable,
        "pairs_given_again": len(shown) - given,
        "published": published,
    }
    simulated = "" if published else NOT_PUBLISHED
    return Manifest(NAME, "photographs", simulated, pictures.folder, facts=facts), tables


def _check_known(rows: ListTable, names: list[str], ids: list[str]) -> None:
    unknown = sorted(set(names) - set(ids))
    if unknown:
        raise DataError(
            f"{rows.path}: image {unknown[0]} is not in {FILES[0]} ({len(unknown)} such images)",
            expected="three files of one download",
            todo=DOWNLOAD,
        )


def _votes(couples: ListTable, shown: list[tuple[str, str]], pairs: Pairs, row: Any) -> pa.Table:
    columns: dict[str, list[Any]] = {
        name: []
        for name in ("pair_id", "rater_id", "choice", "first", "rater_kind", "reason", "sample")
    }
    names = pairs.pair_ids
    said: Counter[tuple[str, str]] = Counter()
    for at, (one, other) in enumerate(shown):
        first, second = ("left", "right") if one < other else ("right", "left")
        side = {"first": first, "second": second}
        pair = names[int(row[at])]
        for prefix in couples.prefixes("_Answers"):
            found = _answers(couples, at, prefix, said[pair, prefix], tuple(side))
            said[pair, prefix] += len(found.answer)
            number = len(found.answer)
            columns["pair_id"] += [pair] * number
            columns["rater_id"] += found.rater
            columns["choice"] += [side[word] if word else None for word in found.answer]
            columns["first"] += [first] * number
            columns["rater_kind"] += ["human" if prefix == PEOPLE else "model"] * number
            columns["reason"] += found.reason
            columns["sample"] += found.sample
    types = {"sample": pa.int32()}
    return pa.table({k: pa.array(v, types.get(k, pa.string())) for k, v in columns.items()})


def _judgments(single: ListTable) -> tuple[pa.Table, int]:
    columns: dict[str, list[Any]] = {
        name: [] for name in ("image_id", "rater_id", "answer", "rater_kind", "reason", "sample")
    }
    for at, image in enumerate(single.whole_numbers("ImageID")):
        for prefix in single.prefixes("_Answers"):
            found = _answers(single, at, prefix, 0, ("yes", "no"))
            number = len(found.answer)
            columns["image_id"] += [image] * number
            columns["rater_id"] += found.rater
            columns["answer"] += [None if word is None else word == "yes" for word in found.answer]
            columns["rater_kind"] += ["human" if prefix == PEOPLE else "model"] * number
            columns["reason"] += found.reason
            columns["sample"] += found.sample
    types = {"sample": pa.int32(), "answer": pa.bool_()}
    table = pa.table({k: pa.array(v, types.get(k, pa.string())) for k, v in columns.items()})
    return table, table["answer"].null_count


def _answers(
    rows: ListTable, at: int, prefix: str, before: int, words: tuple[str, ...]
) -> AnswerCells:
    """Read one cell of answers with their reasons.

    Args:
        rows: the file.
        at: row.
        prefix: whose answers.
        before: number of their answers on this item in earlier rows.
        words: what counts as an answer.
    """
    given = [answer_of(text, words) for text in rows.texts_in(at, f"{prefix}_Answers")]
    beside = f"{prefix}_Explanations"
    why = rows.texts_in(at, beside) if beside in rows.table else []
    # Unless there is one reason per answer, it is unknown which answer a reason belongs to.
    reasons = [text.strip() or None for text in why] if len(why) == len(given) else []
    places = range(before, before + len(given))
    people = prefix == PEOPLE
    return AnswerCells(
        [f"person-{p + 1}" if people else RATERS.get(prefix, prefix.lower()) for p in places],
        given,
        reasons or [None] * len(given),
        [0 if people else p for p in places],
    )


def _is_published(ids: list[str], scores: Mapping[str, list[float | None]]) -> bool:
    """Return whether the first published rows and their numbers are present."""

    def differences() -> Iterator[float]:
        for name, expected in PUBLISHED.items():
            at = ids.index(name)
            for column, number in zip(scores.values(), expected, strict=True):
                value = column[at]
                yield float("inf") if value is None else abs(value - number)

    return set(PUBLISHED) <= set(ids) and max(differences()) < 1e-5
