"""Read features computed elsewhere and match them to a data set's images by name."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError

FORMS = (
    ".npz with `features` (images, dim) and `files` (images,); "
    ".npy with a .txt of the same name, one image per line; "
    "or .parquet with `image_id` and a list column `features`"
)


@dataclass(frozen=True, eq=False)
class PrecomputedFeatures:
    """Features in the order of a data set's images.

    Attributes:
        name: of the file, for people.
        features: one row per image, zeros where there is none, shape (images, dim).
        present: which images have features, shape (images,).
        unknown: number of vectors whose name belongs to no image of the data set.
        fingerprint: hash of all names and numbers of the file, independent of its path.
    """

    name: str
    features: NDArray[np.float32]
    present: NDArray[np.bool_]
    unknown: int
    fingerprint: str

    @property
    def dim(self) -> int:
        """Return the length of a feature vector."""
        return int(self.features.shape[1])

    @property
    def missing(self) -> int:
        """Return the number of images without features."""
        return int((~self.present).sum())

    @property
    def note(self) -> str:
        """Return one sentence for a run's output."""
        return (
            f"features from {self.name}: {self.dim} numbers for {int(self.present.sum())} images; "
            f"{self.missing} image{' has' if self.missing == 1 else 's have'} none, "
            f"{self.unknown} vector{' belongs' if self.unknown == 1 else 's belong'} to no image"
        )


def load_features(path: str | Path, image_ids: Sequence[str]) -> PrecomputedFeatures:
    """Read a feature file and put its rows in the order of the images.

    A name matches an image id as it is; else by the last part of its path; else by that without
    its suffix, as long as no two names or images would share it.

    Args:
        path: see ``FORMS``.
        image_ids: the data set's images, shape (images,).

    Raises:
        DataError: absent, of another form, names given twice, no match at all, a vector that is
            not finite.
    """
    path = Path(path)
    names, matrix = _read(path)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or len(matrix) != len(names):
        raise DataError(
            f"{path}: features of shape {matrix.shape} and type {matrix.dtype} for "
            f"{len(names)} names",
            expected=FORMS,
            todo="save one row of numbers per image",
        )
    matrix = matrix.astype(np.float32, copy=False)
    bad = ~np.isfinite(matrix).all(axis=1)
    if bad.any():
        raise DataError(
            f"{path}: {int(bad.sum())} vectors are not finite, the first of "
            f"{names[int(np.argmax(bad))]!r}",
            expected="finite numbers",
            todo="compute these features again, or leave the images out of the file",
        )
    rows = _match(path, names, [str(v) for v in image_ids])
    present = rows >= 0
    if not present.any():
        raise DataError(
            f"{path}: none of its {len(names)} names is an image of the data set "
            f"(first name {names[0] if names else None!r})",
            expected=f"names like {str(image_ids[0]) if len(image_ids) else None!r}",
            todo="name the vectors after the image files",
        )
    features = np.zeros((len(rows), matrix.shape[1]), dtype=np.float32)
    features[present] = matrix[rows[present]]
    digest = hashlib.sha256("\0".join(names).encode())
    digest.update(np.ascontiguousarray(matrix).data)
    unknown = len(names) - len(np.unique(rows[present]))
    return PrecomputedFeatures(path.name, features, present, unknown, digest.hexdigest()[:32])


def _read(path: Path) -> tuple[list[str], NDArray[Any]]:
    if not path.is_file():
        raise DataError(
            f"model.features={path}: there is no such file",
            expected=FORMS,
            todo="correct the path",
        )
    try:
        if path.suffix == ".parquet":
            return _read_parquet(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return [str(v) for v in archive["files"]], archive["features"]
        if path.suffix == ".npy":
            names = path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
            return names, np.load(path, allow_pickle=False)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: cannot be read as features ({' '.join(str(error).split())[:160]})",
            expected=FORMS,
            todo="save the features in one of these forms, without pickled objects",
        ) from None
    raise DataError(f"{path}: features as {path.suffix!r}", expected=FORMS, todo="convert the file")


def _read_parquet(path: Path) -> tuple[list[str], NDArray[Any]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["image_id", "features"])
    column = table["features"].combine_chunks()
    lengths = np.unique(column.value_lengths().to_numpy(zero_copy_only=False))
    if column.null_count or len(lengths) > 1:
        raise ValueError(f"vectors of different lengths {lengths[:3].tolist()} or none")
    width = int(lengths[0]) if len(lengths) else 0
    values = column.flatten().to_numpy(zero_copy_only=False)
    return [str(v) for v in table["image_id"].to_pylist()], values.reshape(len(table), width)


def _match(path: Path, names: list[str], image_ids: list[str]) -> NDArray[np.int64]:
    """Return the row of each image's vector, or -1, shape (images,)."""
    row_of: dict[str, int] = {}
    for row, name in enumerate(names):
        if name in row_of:
            raise DataError(
                f"{path}: two vectors are named {name!r}",
                expected="distinct names",
                todo="remove one of them",
            )
        row_of[name] = row
    rows = np.array([row_of.get(i, -1) for i in image_ids], dtype=np.int64)
    for shorten in (_file_name, _stem):
        if (rows >= 0).any():
            break
        # A shortened name that two vectors or two images share is ambiguous.
        short_rows = _distinct((shorten(n), row) for n, row in row_of.items())
        short_ids = _distinct((shorten(i), at) for at, i in enumerate(image_ids))
        for short, at in short_ids.items():
            rows[at] = short_rows.get(short, -1)
    return rows


def _distinct(items: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    twice = set()
    for name, value in items:
        if name in found:
            twice.add(name)
        found[name] = value
    return {name: value for name, value in found.items() if name not in twice}


def _file_name(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _stem(name: str) -> str:
    return PurePosixPath(_file_name(name)).stem
