"""``dataset=prepared``: a folder that holds tables in our own format already."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from interestingness.errors import DataError
from interestingness.tables.tables import Manifest, Tables

DOMAINS = ("photographs", "synthetic")


def prepare_prepared(
    root: str | Path, *, progress: Callable[[int, int], None] | None = None
) -> Tables:
    """Open the folder and check all its tables, so that no table fails in the middle of a run.

    Args:
        root: folder with ``dataset.json`` and Parquet tables (docs/data_format.md).
        progress: not called.

    Raises:
        DataError: no manifest, a table that is damaged or violates the format, a pair out of
            order or given twice, a vote on an unknown pair, or a score, rating or judgment of an
            unknown image.
    """
    tables = Tables(os.path.expanduser(root))  # noqa: PTH111  leaves ~nobody as it is
    _check_domain(tables.manifest, tables.root)
    known = set(tables.image_ids.tolist())
    if len(known) < 2:
        raise DataError(
            f"{tables.root / 'images.parquet'}: {len(known)} image(s)",
            expected="at least two images",
            todo="add images",
        )
    _ = tables.pairs
    if tables.has("votes"):
        _ = tables.vote_table
    for kind in ("scores", "ratings", "judgments"):
        if not tables.has(kind):
            continue
        ids = tables.table(kind)["image_id"].to_pylist()
        unknown = [name for name in ids if name not in known]
        if unknown:
            raise DataError(
                f"{tables.root / kind}.parquet: {len(unknown)} rows are on images that "
                f"images.parquet does not have, the first on {unknown[0]!r}",
                expected="image ids of images.parquet",
                todo="add the images, or remove the rows",
            )
    return tables


def _check_domain(manifest: Manifest, root: Path) -> None:
    if manifest.domain not in DOMAINS:
        raise DataError(
            f"{root / 'dataset.json'}: domain {manifest.domain!r}",
            expected=f"one of {', '.join(DOMAINS)}",
            todo="say what kind of images these are: it decides which weights may be used",
        )
