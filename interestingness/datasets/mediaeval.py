"""``dataset=mediaeval``: Predicting Media Interestingness 2016/2017, images of film trailers.

Annotations are header-less CSV files, ``video_12,frame.jpg,class,level,…``; frames lie in
their video's folder. Levels come from pairwise answers within a video, so pairs are of one video.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from interestingness.datasets.folder_tables import pair_table
from interestingness.datasets.pairing import random_regular_pairs
from interestingness.datasets.preparing import Progress, input_key, prepare_once
from interestingness.disk import sha256_of
from interestingness.errors import ConfigError, DataError
from interestingness.schema import Pairs
from interestingness.tables.tables import Manifest, Tables
from interestingness.tables.user_tables import TextTable, read_user_table

RULES = 1
NAME = "mediaeval"
SETS = ("devset", "testset")
COLUMNS = ("video", "name", "class", "level")
"""Of a file of annotations, which has no line of names; what follows (ranks) is not used."""
LEVEL, CLASS = "interestingness", "interesting"
"""Our scores: the annotated level, and the class, 1 or 0, that was cut from it."""
TODO = (
    "name the folder with devset and testset, each with annotations/…-image.txt and "
    "videos/video_…/images: dataset=mediaeval dataset.folder=…"
)


def prepare_mediaeval(
    root: str | Path,
    *,
    folder: str | Path,
    pairs_per_image: int,
    seed: int,
    progress: Progress | None = None,
) -> Tables:
    """Prepare tables of the image subtask.

    An image is named ``video_12/frame.jpg``. Columns of the image table to split by: ``video`` (as
    in the task, no video is in two parts) and ``set``. Annotated frames without a file stay in the
    tables but are in no pair; both are counted.

    Args:
        root: where prepared data sets are kept.
        folder: with ``devset`` and ``testset``, or one of them; e.g. ``ME16IN``.
        pairs_per_image: random pairs of each image with others of its video.
        seed: of the pairs.
        progress: not called; it takes seconds.

    Raises:
        DataError: no annotations, a row that cannot be read, a frame annotated twice, no frame.
    """
    if pairs_per_image < 1:
        raise ConfigError(
            f"dataset.pairs_per_image={pairs_per_image}", expected="1 or more", todo="correct it"
        )
    source = Path(folder).expanduser()
    files = {name: path for name in SETS if (path := _annotations(source, name)).is_file()}
    if not files:
        raise DataError(
            f"{source}: no annotations of images",
            expected=" or ".join(str(_annotations(source, name)) for name in SETS),
            todo=TODO,
        )
    frames = [frame for name, path in files.items() for frame in _read(name, path)]
    _check_distinct(frames)
    there = [(source / frame.path).is_file() for frame in frames]
    if not any(there):
        raise DataError(
            f"{source}: none of the {len(frames)} annotated frames is there",
            expected=f"e.g. {source / frames[0].path}",
            todo=TODO,
        )
    inputs = {
        "rules": RULES,
        "folder": str(source.resolve()),
        "files": {k: sha256_of(path) for k, path in files.items()},
        "there": there,
        "options": [pairs_per_image, seed],
    }

    def build(_: Path) -> tuple[Manifest, Mapping[str, pa.Table]]:
        return _build(source, frames, there, pairs_per_image, seed)

    return prepare_once(root, f"{NAME}-{input_key(inputs)}", build)


@dataclass(frozen=True)
class _Frame:
    """One annotated image."""

    part: str
    video: str
    name: str
    interesting: int
    level: float

    @property
    def image_id(self) -> str:
        return f"{self.video}/{self.name}"

    @property
    def path(self) -> str:
        return f"{self.part}/videos/{self.video}/images/{self.name}"


def _annotations(source: Path, part: str) -> Path:
    return source / part / "annotations" / f"{part}-image.txt"


def _read(part: str, path: Path) -> list[_Frame]:
    table = read_user_table(path, names=COLUMNS)
    rows = zip(*(table.cells(name) for name in COLUMNS), strict=True)
    return [_frame(part, table, at, [cell or "" for cell in row]) for at, row in enumerate(rows)]


def _frame(part: str, table: TextTable, at: int, row: Sequence[str]) -> _Frame:
    """Read one row. Names are parts of paths and must not lead out of the folder."""
    video, name = row[:2]
    plain = all(text and "/" not in text and "\\" not in text for text in (video, name))
    good = plain and ".." not in (video, name) and row[2] in ("0", "1")
    try:
        level = float(row[3])
    except ValueError:
        level = math.nan
    if not good or not math.isfinite(level):
        raise DataError(
            f"{table.path}: {table.lines([at])}: {','.join(row)[:80]!r}",
            expected="video_12,frame.jpg,class (0 or 1),level",
            todo="correct the line, or download the file again",
        )
    return _Frame(part, video, name, int(row[2]), level)


def _check_distinct(frames: Sequence[_Frame]) -> None:
    seen: set[str] = set()
    for frame in frames:
        if frame.image_id in seen:
            raise DataError(
                f"frame {frame.image_id} is annotated twice",
                expected="one row for each frame of both sets",
                todo="remove one of the rows",
            )
        seen.add(frame.image_id)


def _build(
    source: Path,
    frames: Sequence[_Frame],
    there: Sequence[bool],
    pairs_per_image: int,
    seed: int,
) -> tuple[Manifest, Mapping[str, pa.Table]]:
    ids = [frame.image_id for frame in frames]
    one, other, alone = _within_videos(frames, there, pairs_per_image, seed)
    if not one:
        raise DataError(
            f"{source}: no video has two frames that are there", expected="frames", todo=TODO
        )
    pairs = Pairs.from_ids(one, other)[0]
    present = [frame.path if here else None for frame, here in zip(frames, there, strict=True)]
    scores = {LEVEL: [f.level for f in frames], CLASS: [float(f.interesting) for f in frames]}
    facts: dict[str, Any] = {
        "images": len(ids),
        "images_without_file": len(ids) - sum(there),
        "videos": len({frame.video for frame in frames}),
        "videos_without_pair": alone,
        **{part: sum(frame.part == part for frame in frames) for part in SETS},
        "share_interesting": sum(frame.interesting for frame in frames) / len(frames),
    }
    tables = {
        "images": pa.table(
            {
                "image_id": pa.array(ids, pa.string()),
                "path": pa.array(present, pa.string()),
                "video": pa.array([frame.video for frame in frames], pa.string()),
                "set": pa.array([frame.part for frame in frames], pa.string()),
            }
        ),
        "pairs": pair_table(pairs),
        "scores": pa.table(
            {
                "image_id": pa.array(ids * len(scores), pa.string()),
                "name": pa.array([name for name in scores for _ in ids], pa.string()),
                "score": pa.array([v for values in scores.values() for v in values]),
            }
        ),
    }
    return Manifest(NAME, "photographs", image_root=str(source.resolve()), facts=facts), tables


def _within_videos(
    frames: Sequence[_Frame], there: Sequence[bool], degree: int, seed: int
) -> tuple[list[str], list[str], int]:
    """Draw both sides of the pairs; also return how many videos have none."""
    by_video: dict[str, list[str]] = {frame.video: [] for frame in frames}
    for frame, here in zip(frames, there, strict=True):
        if here:
            by_video[frame.video].append(frame.image_id)
    one: list[str] = []
    other: list[str] = []
    alone = 0
    for number, (_, names) in enumerate(sorted(by_video.items())):
        if len(names) < 2:
            alone += 1
            continue
        ids = np.asarray(names, dtype=object)
        drawn = random_regular_pairs(len(ids), degree, seed=seed + number)
        one += ids[drawn[:, 0]].tolist()
        other += ids[drawn[:, 1]].tolist()
    return one, other, alone
