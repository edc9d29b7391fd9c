"""Scorers of a data set's images, and the material they are given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.data.encoding import Encoder, Picture
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips
from interestingness.models.backbone import Backbone, check_domain
from interestingness.tables.tables import Tables


@dataclass(eq=False)
class ScorerMaterial:
    """A data set's images, and the means to read and encode them.

    Attributes:
        tables: the prepared data set.
        cache: of features and scores by image content.
        device: of the networks.
        skips: collects images that cannot be read.
        progress: called with the number done, the total, and a label.
    """

    tables: Tables
    cache: FeatureCache
    device: str
    skips: Skips
    progress: Any = None

    def __post_init__(self) -> None:
        paths = self.tables.images["path"].to_pylist()
        self.rows: NDArray[np.int64] = np.flatnonzero([path is not None for path in paths])
        """Images that have a file; the others get no score."""

    def pictures(self) -> Sequence[Picture]:
        """Pictures of ``rows``, named as in the data set."""
        return _Pictures(self.tables, self.rows)

    def features(self, encoder: Encoder) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Features of every image, shape (images, dim), and which images have them.

        Raises:
            WeightsError: for a backbone trained on another kind of images.
        """
        if isinstance(encoder, Backbone):
            check_domain(encoder, self.tables.manifest.domain)
        total = len(self.tables.image_ids)
        found, there = self.cache.features(
            self.pictures(),
            encoder,
            batch_size=getattr(encoder, "batch_size", 64),
            device=self.device,
            progress=self.progress,
            skips=self.skips,
        )
        features = np.zeros((total, encoder.dim), dtype=np.float32)
        present = np.zeros(total, dtype=bool)
        features[self.rows], present[self.rows] = found, there
        return features, present


class TableScorer(ABC):
    """Gives each image of a data set a number; higher means more of the scored quality.

    To add your own, write a subclass of this class or of ``picture_scorer.PictureScorer`` and name
    it in a YAML file of the group ``scorer``.

    Attributes:
        column: name of the score in the score table, which a label source reads.
        licence: of the weights that determine the score; it is printed, but not stored.
    """

    column: str
    licence: str

    @abstractmethod
    def describe(self) -> str:
        """One line for people: which network, which weights, which settings."""

    @abstractmethod
    def identity(self) -> str:
        """Text that is equal exactly if an image gets equal scores."""

    @abstractmethod
    def scores(self, material: ScorerMaterial) -> NDArray[np.float64]:
        """One number per image in the order of ``material.tables.image_ids``, NaN where there is
        none, shape (images,)."""


class _Pictures(Sequence[Picture]):
    """Pictures of a data set, created one by one, because a list of a million needs much memory."""

    def __init__(self, tables: Tables, rows: NDArray[np.int64]) -> None:
        self._tables, self._rows = tables, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        row = int(self._rows[at])
        path: Path = self._tables.image_path(row)
        file = Picture.file(path)
        return Picture(str(self._tables.image_ids[row]), file.read, path)
