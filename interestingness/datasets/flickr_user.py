"""``dataset=flickr_user``: the favourites of 2.5k Flickr users (Abdullahu and Grabner 2024, ECCV).

Each of half a million rows says that a user has marked an image as a favourite. The rows are read
in chunks, twice: first who liked which image, then everything else. Only a few numbers per row
stay in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from interestingness.datasets.download.outcomes import Item
from interestingness.datasets.folder_tables import pair_table
from interestingness.datasets.pairing import random_regular_pairs
from interestingness.datasets.preparing import Progress, input_key, prepare_once
from interestingness.datasets.url_images import UrlImages, find_images
from interestingness.disk import sha256_of
from interestingness.errors import ConfigError, DataError
from interestingness.schema import Pairs
from interestingness.tables.table_format import write_batches
from interestingness.tables.table_streams import TableStream, open_table_stream
from interestingness.tables.tables import Manifest, Tables

RULES = 1
NAME = "flickr_user"
DOWNLOAD = (
    "download https://drive.google.com/uc?id=1wX8Ti3opqCS_AnXU88sixHElbcS_Lj03 "
    "(FlickrUser_definition.csv) and, if wanted, "
    "https://drive.google.com/uc?id=1j8J6i14MqyRtlwPGPfNC5lxqIzX_e1N_ (FlickrUser_additional.csv)"
)
FAVOURITE = "favourite"
"""The question that a favourite is a yes to."""
PHOTO_ID = r"/(?P<id>[0-9]{3,18})_[0-9a-fA-F]+[^/]*$"
"""…/65535/51654698266_0123456789_b.jpg: what stands before the secret."""
NEEDED = ("user_id", "favimg_url")
SCORES = {
    "ci_score": "commonly_interesting",
    "ci_r_score": "commonly_interesting_model",
    "VILA_aesthetic_score": "aesthetic",
    "favimg_num_views": "views",
    "favimg_num_favorites": "favorites",
    "favimg_num_comments": "comments",
}
"""Their column → our score. ``commonly_interesting_model`` is what CI_R predicts."""
USERS = "users"
"""Our score: users of the data set who marked the image."""
ABOUT = {
    "favimg_url": "url",
    "partition": "partition",
    "cluster_label": "cluster",
    "trend_group": "trend_group",
    "VILA_main_feature": "style",
    "CLIP_emotion_main_category": "emotion",
    "favimg_upload_date": "upload_date",
    "favimg_owner_ispro": "owner_is_pro",
    "favimg_owner_occupation": "owner_occupation",
}
"""Their column → our column of the image table. What is known of the users who like is left out."""
BINS = 20


def prepare_flickr_user(
    root: str | Path,
    *,
    definition: str | Path,
    additional: str | Path | None = None,
    images: str | Path | None = None,
    download: bool,
    paired: int | None,
    pairs_per_image: int,
    seed: int,
    progress: Progress | None = None,
) -> Tables:
    """Prepare tables of the published files.

    An image is named by its Flickr id; of several rows on one image the first counts, those of
    ``definition`` before those of ``additional``. Favourites become judgments, each a yes of one
    user to the question "favourite": nobody was asked about other images.

    Args:
        root: where prepared data sets are kept.
        definition: the CSV file with the CI score, gzip'd or not.
        additional: the CSV file with CI_R, or None.
        images: folder of images named by their Flickr id; None for none. Only images in it are
            paired.
        download: fetch images that are not in that folder: half a million.
        paired: how many images are in pairs, drawn equally over the CI score as in Abdullahu and
            Grabner 2025; None for all that have a score.
        pairs_per_image: random pairs of each of them.
        seed: of both draws.
        progress: called with the progress.

    Raises:
        DataError: a file that is absent, is not CSV, lacks a column or has 1 % of broken rows.
        ConfigError: a number out of range.
    """
    for option, value, least in (("paired", paired, 2), ("pairs_per_image", pairs_per_image, 1)):
        if value is not None and value < least:
            raise ConfigError(
                f"dataset.{option}={value}", expected=f"{least} or more", todo="correct the option"
            )
    streams = {"definition": _opened(definition)}
    if additional is not None:
        streams["additional"] = _opened(additional)
    pictures = UrlImages("")
    if images is not None or download:
        items = [item for stream in streams.values() for item in _items(stream)]
        items = list({item.image_id: item for item in reversed(items)}.values())
        pictures = find_images(images, items, download=download, progress=progress)
    inputs = {
        "rules": RULES,
        "files": {kind: sha256_of(stream.path) for kind, stream in streams.items()},
        "images": pictures.key,
        "options": [paired, pairs_per_image, seed],
    }

    def build(folder: Path) -> tuple[Manifest, Mapping[str, pa.Table]]:
        return _build(folder, streams, pictures, paired, pairs_per_image, seed, progress)

    return prepare_once(root, f"{NAME}-{input_key(inputs)}", build)


def _opened(path: str | Path) -> TableStream:
    try:
        return open_table_stream(path, NEEDED)
    except DataError as error:
        raise DataError(error.found, expected=error.expected, todo=DOWNLOAD) from None


def _items(stream: TableStream) -> Iterator[Item]:
    for chunk in stream.chunks(NEEDED):
        ids = _photo_ids(chunk["favimg_url"])
        for number, url in zip(ids.tolist(), chunk["favimg_url"].to_pylist(), strict=True):
            if number >= 0:
                yield Item(str(number), url)


def _photo_ids(urls: pa.Array) -> NDArray[np.int64]:
    """Read Flickr ids from image addresses, -1 where there is none, shape (rows,)."""
    found = pc.struct_field(pc.extract_regex(urls, PHOTO_ID), "id").cast(pa.int64())
    ids: NDArray[np.int64] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
    return ids


@dataclass(frozen=True, eq=False)
class _Likes:
    """Which user marked which image, one entry per row of all files.

    Attributes:
        image: Flickr ids, -1 for a row that cannot be used, shape (rows,).
        user: numbers of users, shape (rows,).
        score: CI score, else CI_R, NaN for none, shape (rows,).
        partition_users: distinct users of each partition.
        users: number of users.
        counts: number of unusual rows by kind.
    """

    image: NDArray[np.int64]
    user: NDArray[np.int32]
    score: NDArray[np.float64]
    partition_users: Mapping[str, int]
    users: int
    counts: Counter[str]


def _likes(streams: Mapping[str, TableStream]) -> _Likes:
    number: dict[str | None, int] = {}
    image, user, score = [], [], []
    of_partition: dict[str, set[int]] = {}
    counts: Counter[str] = Counter()
    for stream in streams.values():
        for chunk in stream.chunks((*NEEDED, "ci_score", "ci_r_score", "partition")):
            ids = _photo_ids(chunk["favimg_url"])
            names = chunk["user_id"].dictionary_encode()
            coded = [number.setdefault(n, len(number)) for n in names.dictionary.to_pylist()]
            known = names.is_valid().to_numpy(zero_copy_only=False)
            codes = np.asarray([*coded, -1], dtype=np.int32)[
                pc.fill_null(names.indices, -1).to_numpy(zero_copy_only=False)
            ]
            counts["rows_without_photo_id"] += int((ids < 0).sum())
            counts["rows_without_user"] += int(((ids >= 0) & ~known).sum())
            ids = np.where(known, ids, -1)
            ci, model = (stream.numbers(chunk[n])[0] for n in ("ci_score", "ci_r_score"))
            image.append(ids)
            user.append(codes)
            score.append(np.where(np.isnan(ci), model, ci))
            _add(of_partition, chunk["partition"], codes, ids)
        counts += stream.counts
    users = {name: len(found) for name, found in of_partition.items()}
    if not image:
        raise _too_few(0, streams)
    joined = np.concatenate(image), np.concatenate(user), np.concatenate(score)
    return _Likes(*joined, users, len(number), counts)


def _too_few(images: int, streams: Mapping[str, TableStream]) -> DataError:
    return DataError(
        f"{images} images in {', '.join(str(s.path) for s in streams.values())}",
        expected="addresses of Flickr images in column favimg_url",
        todo=DOWNLOAD,
    )


def _add(
    of_partition: dict[str, set[int]],
    column: pa.Array,
    users: NDArray[np.int32],
    ids: NDArray[np.int64],
) -> None:
    encoded = column.dictionary_encode()
    at = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    for row, name in enumerate(encoded.dictionary.to_pylist()):
        mine = users[(at == row) & (ids >= 0)]
        of_partition.setdefault(name, set()).update(np.unique(mine).tolist())


def _build(
    folder: Path,
    streams: Mapping[str, TableStream],
    pictures: UrlImages,
    paired: int | None,
    pairs_per_image: int,
    seed: int,
    progress: Progress | None,
) -> tuple[Manifest, Mapping[str, pa.Table]]:
    likes = _likes(streams)
    used = np.flatnonzero(likes.image >= 0)
    ids, first, inverse = np.unique(likes.image[used], return_index=True, return_inverse=True)
    if len(ids) < 2:
        raise _too_few(len(ids), streams)
    # a user and an image are one like, however often they occur
    user = likes.user[used].astype(np.int64)
    _, once = np.unique(inverse * likes.users + user, return_index=True)
    count = np.bincount(inverse[once], minlength=len(ids))
    score = likes.score[used][first]
    differing = np.zeros(len(ids), dtype=bool)
    same = np.isclose(likes.score[used], score[inverse], rtol=0, atol=1e-6, equal_nan=True)
    differing[inverse[~same]] = True
    is_first = np.zeros(len(likes.image), dtype=bool)
    is_first[used[first]] = True
    is_like = np.zeros(len(likes.image), dtype=bool)
    is_like[used[once]] = True
    facts: dict[str, Any] = {
        "rows": len(likes.image),
        "users": likes.users,
        "images": len(ids),
        "likes": len(once),
        "rows_given_again": len(used) - len(once),
        "images_whose_score_differs_between_rows": int(differing.sum()),
        **{name: number for name, number in likes.counts.items() if number},
        "users_of_partitions": dict(sorted(likes.partition_users.items(), key=lambda e: -e[1])),
        "columns_absent": _absent(streams),
    }
    parts = _Parts(streams, is_first, is_like, pictures, ids, count, facts, progress)
    write_batches("images", parts.images(), folder / "images.parquet")
    write_batches("scores", parts.scores(), folder / "scores.parquet")
    write_batches("judgments", parts.judgments(), folder / "judgments.parquet")
    known = ~np.isnan(score)
    if pictures.folder:
        there = np.array([int(name) for name in pictures.files], dtype=np.int64)
        known &= np.isin(ids, there)
        facts |= pictures.facts([str(number) for number in ids.tolist()])
    chosen = equally_over(score, known, paired, seed=seed)
    drawn = chosen[random_regular_pairs(len(chosen), pairs_per_image, seed=seed)]
    names = ids.astype(str).astype(object)
    pairs = Pairs.from_ids(names[drawn[:, 0]].tolist(), names[drawn[:, 1]].tolist())[0]
    facts["pairs"] = {"pairs": len(pairs), "images": len(chosen)}
    manifest = Manifest(NAME, "photographs", image_root=pictures.folder, facts=facts)
    return manifest, {"pairs": pair_table(pairs)}


def _absent(streams: Mapping[str, TableStream]) -> list[str]:
    here = {name for stream in streams.values() for name in stream.header}
    return [name for name in (*SCORES, *ABOUT) if name not in here]


def equally_over(
    score: NDArray[np.float64], known: NDArray[np.bool_], most: int | None, *, seed: int
) -> NDArray[np.int64]:
    """Draw a random sample spread equally over a score's range, as far as there are images.

    Args:
        score: shape (images,).
        known: which images may be drawn, shape (images,).
        most: how many; None for all.
        seed: of the random generator.

    Returns:
        Rows, sorted.

    Source:
        Abdullahu and Grabner 2025 sample 1,000 images "equally over the CI score"; 20 bins of
        equal width are our choice.
    """
    rows = np.flatnonzero(known)
    if len(rows) < 2:
        raise DataError(
            f"{len(rows)} images have a score (and a file) to pair them by",
            expected="at least two",
            todo="check the columns ci_score and ci_r_score, or dataset.images",
        )
    if most is None or most >= len(rows):
        return rows
    rows = np.random.default_rng(seed).permutation(rows)
    values = score[rows]
    edges = np.linspace(values.min(), values.max(), BINS + 1)[1:-1]
    part = np.searchsorted(edges, values, side="right")
    # the k-th of each bin comes before the (k+1)-th of any; larger bins fill up for smaller ones
    order = np.argsort(part, kind="stable")
    starts = np.searchsorted(part[order], np.arange(BINS))
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = np.arange(len(rows)) - starts[part[order]]
    chosen = np.argsort(place, kind="stable")[:most]
    return np.sort(rows[chosen])


@dataclass(eq=False)
class _Parts:
    """The large tables, read from the files in chunks."""

    streams: Mapping[str, TableStream]
    is_first: NDArray[np.bool_]
    is_like: NDArray[np.bool_]
    pictures: UrlImages
    ids: NDArray[np.int64]
    count: NDArray[np.int64]
    facts: dict[str, Any]
    progress: Progress | None

    def _chunks(
        self, columns: Sequence[str], rows: NDArray[np.bool_]
    ) -> Iterator[tuple[str, list[str], dict[str, pa.Array]]]:
        """Yield file, image ids and columns of the chosen rows of each chunk."""
        start = 0
        for kind, stream in self.streams.items():
            for chunk in stream.chunks(("favimg_url", *columns)):
                end = start + len(chunk["favimg_url"])
                wanted = pa.array(rows[start:end])
                start = end
                picked = {name: column.filter(wanted) for name, column in chunk.items()}
                ids = _photo_ids(picked["favimg_url"]).astype(str).tolist()
                yield kind, ids, picked
                if self.progress is not None:
                    self.progress(start, len(rows))

    def images(self) -> Iterator[pa.Table]:
        """Yield batches of the image table."""
        for kind, ids, chunk in self._chunks(tuple(ABOUT), self.is_first):
            columns = {"image_id": pa.array(ids, pa.string()), **self.pictures.columns(ids)}
            columns |= {ours: chunk[theirs] for theirs, ours in ABOUT.items()}
            columns["set"] = pa.array([kind] * len(ids), pa.string())
            yield pa.table(columns)

    def scores(self) -> Iterator[pa.Table]:
        """Yield batches of the score table."""
        here = [name for name in SCORES if any(name in s.header for s in self.streams.values())]
        strange: Counter[str] = Counter()
        for kind, ids, chunk in self._chunks(here, self.is_first):
            values = {}
            for name in here:
                values[SCORES[name]], odd = self.streams[kind].numbers(chunk[name])
                strange[name] += odd
            at = np.searchsorted(self.ids, np.asarray(ids, dtype=np.int64))
            values[USERS] = self.count[at].astype(np.float64)
            flat = np.stack(list(values.values()), axis=1).ravel()
            yield pa.table(
                {
                    "image_id": pa.array([i for i in ids for _ in values], pa.string()),
                    "name": pa.array([n for _ in ids for n in values], pa.string()),
                    "score": pa.array(flat, mask=np.isnan(flat)),
                    "provenance": pa.array([f"FlickrUser_{kind}"] * len(flat), pa.string()),
                }
            )
        if strange.total():
            self.facts["cells_that_are_no_numbers"] = {n: c for n, c in strange.items() if c}

    def judgments(self) -> Iterator[pa.Table]:
        """Yield batches of favourites."""
        for _, ids, chunk in self._chunks(("user_id",), self.is_like):
            yield pa.table(
                {
                    "image_id": pa.array(ids, pa.string()),
                    "rater_id": chunk["user_id"],
                    "answer": pa.array([True] * len(ids), pa.bool_()),
                    "question": pa.array([FAVOURITE] * len(ids), pa.string()),
                }
            )
