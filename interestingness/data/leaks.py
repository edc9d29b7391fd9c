"""Find leaks: what two parts of a split have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

from interestingness.data.splits import NAMES, PairSplit
from interestingness.errors import DataError
from interestingness.schema import Pairs


@dataclass(frozen=True)
class Leak:
    """Number of things of one kind that are in two parts at once.

    Attributes:
        what: "images", "pairs", "identical files", or a column of the image table.
        train_validation, train_test, validation_test: distinct things in both of these parts.
    """

    what: str
    train_validation: int
    train_test: int
    validation_test: int

    @property
    def any(self) -> bool:
        """Return whether two parts share anything."""
        return bool(self.train_validation or self.train_test or self.validation_test)


def leak_report(
    split: PairSplit, pairs: Pairs, images: pa.Table, *, columns: Sequence[str] = ()
) -> tuple[Leak, ...]:
    """Count images, pairs, groups and identical files that are in two parts of a split.

    Args:
        split: of these pairs.
        pairs: all pairs of a data set.
        images: its image table, in the order of ``pairs.image_ids``.
        columns: of the image table whose values should be in one part only (concept, owner).

    Returns:
        One row each for images, pairs and the columns; one for identical files if the image table
        has hashes. Identical files count as such under different names only, since an
        image in two parts is counted before.

    Raises:
        DataError: for a column that the image table does not have.
    """
    occurs = split.image_parts(pairs)
    rows = [
        _leak("images", {name: set(np.flatnonzero(s).tolist()) for name, s in occurs.items()}),
        _leak("pairs", {name: set(pairs.key[m].tolist()) for name, m in split.parts().items()}),
    ]
    for column in columns:
        if column not in images.column_names:
            raise DataError(
                f"the image table has no column {column!r}",
                expected=f"one of {', '.join(images.column_names)}",
                todo="name another column",
            )
        cells = np.asarray(images[column].to_pylist(), dtype=object)
        parts = {name: set(cells[s].tolist()) - {None} for name, s in occurs.items()}
        rows.append(_leak(column, parts))
    if "sha256" in images.column_names and images["sha256"].null_count < images.num_rows:
        hashes = images["sha256"].to_pylist()
        rows.append(_copies(hashes, {n: np.flatnonzero(s).tolist() for n, s in occurs.items()}))
    return tuple(rows)


def _leak(what: str, parts: dict[str, set[object]]) -> Leak:
    counts = [len(parts[one] & parts[other]) for one, other in combinations(NAMES, 2)]
    return Leak(what, *counts)


def _copies(hashes: list[str | None], rows: dict[str, list[int]]) -> Leak:
    files: dict[str, dict[str, set[int]]] = {name: {} for name in NAMES}
    for name in NAMES:
        for row in rows[name]:
            digest = hashes[row]
            if digest is not None:
                files[name].setdefault(digest, set()).add(row)
    counts = []
    for one, other in combinations(NAMES, 2):
        common = files[one].keys() & files[other].keys()
        counts.append(sum(files[one][h] != files[other][h] for h in common))
    return Leak("identical files", *counts)
