"""Convert what was read of a folder and its tables to our own format."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interestingness.datasets.image_files import (
    ImageFile,
    frame_sizes,
    hashes_of_possible_copies,
)
from interestingness.datasets.preparing import Progress
from interestingness.datasets.score_files import ImageColumns, as_arrow, merged_columns
from interestingness.schema import Pairs
from interestingness.tables.image_names import ImageNames

log = logging.getLogger(__name__)


def image_table(
    folder: Path,
    files: tuple[ImageFile, ...],
    about: Mapping[str, ImageColumns],
    progress: Progress | None,
) -> tuple[pa.Table, dict[str, int]]:
    """Make the image table, one row per file: cheap facts of it, and the user's columns.

    Args:
        folder: absolute folder that the files are relative to.
        files: in the order of the image ids.
        about: tables of scores and groups, in the same order.
        progress: called with the progress.

    Returns:
        The image table, and counts to print.

    Raises:
        DataError: if the tables of scores and groups disagree on a column.
    """
    facts = {}
    sizes, damaged = frame_sizes(folder, files, progress)
    if damaged:
        facts["unreadable_image_headers"] = len(damaged)
        log.warning(
            "%d of %d images cannot be read, the first: %s",
            len(damaged), len(files), ", ".join(damaged[:3]),
        )  # fmt: skip
    hashes = hashes_of_possible_copies(folder, files)
    known = [h for h in hashes if h is not None]
    if len(set(known)) < len(known):
        facts["copies_of_other_images"] = len(known) - len(set(known))
    columns: dict[str, pa.Array] = {
        "image_id": pa.array([file.image_id for file in files]),
        "path": pa.array([file.path for file in files]),
        "sha256": pa.array(hashes, pa.string()),
        "bytes": pa.array([file.size for file in files], pa.int64()),
        "width": pa.array([size and size[0] for size in sizes], pa.int32()),
        "height": pa.array([size and size[1] for size in sizes], pa.int32()),
    }
    columns |= {name: as_arrow(values) for name, values in merged_columns(about).items()}
    return pa.table(columns), facts


def pair_table(pairs: Pairs) -> pa.Table:
    """Make the pair table, one row per pair."""
    return pa.table(
        {
            "pair_id": pa.array(pairs.pair_ids, pa.string()),
            "left": pa.array(pairs.image_ids[pairs.left], pa.string()),
            "right": pa.array(pairs.image_ids[pairs.right], pa.string()),
        }
    )


def score_table(scores: ImageColumns, names: ImageNames) -> pa.Table:
    """Make the score table: one row per score name and image of the user's table."""
    rows = np.sort(scores.row[scores.row >= 0])
    ids = np.asarray(names.image_ids, dtype=object)[rows].tolist()
    parts = []
    for name in scores.scores:
        values: NDArray[np.float64] = scores.columns[name][rows]
        parts.append(
            pa.table(
                {
                    "image_id": pa.array(ids, pa.string()),
                    "name": pa.array([name] * len(ids), pa.string()),
                    "score": pa.array(values, mask=~np.isfinite(values)),
                    "provenance": pa.array([scores.table.path.name] * len(ids), pa.string()),
                }
            )
        )
    return pa.concat_tables(parts)


def star_table(stars: NDArray[np.float64], image_ids: Sequence[str]) -> pa.Table:
    """Make the table of the score "stars" of the images that have stars.

    Args:
        stars: NaN where there are none, shape (images,).
        image_ids: shape (images,).
    """
    rows = np.flatnonzero(~np.isnan(stars)).tolist()
    return pa.table(
        {
            "image_id": pa.array([image_ids[row] for row in rows], pa.string()),
            "name": pa.array(["stars"] * len(rows), pa.string()),
            "score": pa.array(stars[rows]),
            "provenance": pa.array(["metadata of the file"] * len(rows), pa.string()),
        }
    )
