"""Find the files of images that a data set names by URL only; list lost ones and why."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from interestingness.datasets.download.files import present, stem_of
from interestingness.datasets.download.outcomes import Item, read_outcomes
from interestingness.datasets.preparing import Progress
from interestingness.errors import DataError
from interestingness.schema import Pairs

log = logging.getLogger(__name__)

NEVER_ASKED = "no file"
"""Why an image is lost that no download has tried."""


@dataclass(frozen=True)
class UrlImages:
    """The files of a folder, by image.

    Attributes:
        folder: absolute; "" where no folder was named.
        files: file below the folder (or an absolute path) by image id.
        lost: why there is none, by image id; empty where no folder was named.
    """

    folder: str
    files: Mapping[str, str] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> list[Any]:
        """Return what a prepared data set depends on."""
        return [self.folder, sorted(self.files.items()), sorted(self.lost.items())]

    def columns(self, ids: Sequence[str]) -> dict[str, pa.Array]:
        """Return the columns ``path``, and ``lost`` where a folder was named."""
        columns = {"path": pa.array([self.files.get(name) for name in ids], pa.string())}
        if self.folder:
            columns["lost"] = pa.array([self.lost.get(name) for name in ids], pa.string())
        return columns

    def facts(self, ids: Sequence[str]) -> dict[str, Any]:
        """Count the images without a file, by reason."""
        facts: dict[str, Any] = {"images_without_file": sum(n not in self.files for n in ids)}
        if self.lost:
            facts["lost"] = dict(Counter(self.lost.values()).most_common())
            reasons = ", ".join(f"{count} {why}" for why, count in facts["lost"].items())
            log.warning("%d of %d images are lost: %s", len(self.lost), len(ids), reasons)
        return facts

    def whole(self, pairs: Pairs) -> np.ndarray:
        """Select pairs that have both images; all pairs where no folder was named."""
        if not self.folder:
            return np.ones(len(pairs), dtype=bool)
        there = np.array([name in self.files for name in pairs.image_ids.tolist()], dtype=bool)
        both: np.ndarray = there[pairs.left] & there[pairs.right]
        return both


def find_images(
    images: str | Path | None,
    items: Sequence[Item],
    *,
    download: bool = False,
    progress: Progress | None = None,
) -> UrlImages:
    """Find the files of a data set's images; download them first if asked to.

    Args:
        images: folder of files named by image id, your own or a download; None for none.
        items: all images of the data set.
        download: fetch missing files; images that were permanently lost are not requested again.
        progress: called with the progress of the download.

    Raises:
        DataError: no such folder (without ``download``), no folder to download to, or not a single
            image in it.
    """
    if images is None:
        if download:
            raise DataError(
                "dataset.download=true, but there is no folder for the images",
                expected="a folder",
                todo="name one: dataset.images=…",
            )
        return UrlImages("")
    folder = Path(images).expanduser()
    if download:
        _download(items, folder, progress)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder",
            expected=f"images called by their id, e.g. {stem_of(items[0].image_id)}.jpg",
            todo="correct dataset.images, let dataset.download=true fetch them, or leave it out "
            "and use model=cached_features",
        )
    there = present([folder])
    outcomes = read_outcomes(folder)
    files, lost = {}, {}
    for item in items:
        path = there.get(stem_of(item.image_id))
        known = outcomes.get(item.image_id)
        if path is not None:
            files[item.image_id] = path.name
        elif known is not None and known.kind == "already there" and Path(known.file).is_file():
            files[item.image_id] = known.file
        else:
            lost[item.image_id] = NEVER_ASKED if known is None or known.kept else known.kind
    if not files:
        raise DataError(
            f"{folder}: not one of the {len(items)} images is there",
            expected=f"files called by their id, e.g. {stem_of(items[0].image_id)}.jpg",
            todo="name the right folder, or let dataset.download=true fetch them",
        )
    return UrlImages(str(folder.resolve()), files, lost)


def _download(items: Sequence[Item], folder: Path, progress: Progress | None) -> None:
    # imported here: aiohttp is not needed to read a data set
    from interestingness.datasets.download.outcomes import report
    from interestingness.datasets.download.run import download_images

    log.info("%s", report(download_images(items, folder, progress=progress)))
