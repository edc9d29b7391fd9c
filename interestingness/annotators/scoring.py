"""Image files → one number each, in parts: memory stays flat, and what was encoded is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips
from interestingness.data.near_duplicates import near_duplicates
from interestingness.errors import WeightsError
from interestingness.models.scorer import Scorer

PART = 4096
"""Images whose features are in memory at once."""


class ImageScorer:
    """A scorer with a backbone, over image files and through the feature cache.

    Stopped and started again it goes on where it was: features are on disk, and a score is a
    product of one of them.
    """

    def __init__(
        self,
        scorer: Scorer,
        cache: FeatureCache,
        *,
        device: str = "cpu",
        workers: int | str = "auto",
    ) -> None:
        """Take the parts.

        Args:
            scorer: backbone, scaling and head.
            cache: where features are kept.
            device: where the backbone computes.
            workers: threads that decode; "auto" takes one per core.

        Raises:
            WeightsError: if the scorer has no backbone.
        """
        if scorer.backbone is None:
            raise WeightsError(
                "a scorer of cached features was asked to score image files",
                expected="a scorer with a backbone",
                todo="train with model/backbone=…, or use evaluate.py on the features",
            )
        self.scorer, self.cache = scorer.eval(), cache
        self.device, self.workers = device, workers

    def scores(
        self, paths: Sequence[Path], *, skips: Skips, progress: Any = None
    ) -> NDArray[np.float64]:
        """One score per file.

        Args:
            paths: image files.
            skips: takes those that cannot be read; too many of them stop it.
            progress: called with what is done and the total.

        Returns:
            In the unit of the head, NaN for a file that cannot be read, shape (paths,).

        Raises:
            DataError: if more files than ``skips`` allows cannot be read.
        """
        scores = np.full(len(paths), np.nan)
        for start in range(0, len(paths), PART):
            part = slice(start, start + PART)
            rows, there = self._features(paths[part], skips, _shifted(progress, start, len(paths)))
            # A copy: what the cache maps from disk is read-only, and torch wants none such.
            head = self.scorer.score(torch.from_numpy(np.array(rows)))
            scores[part] = np.where(there, head.detach().double().numpy(), np.nan)
        skips.check(len(paths))
        return scores

    def near_duplicates(
        self, paths: Sequence[Path], *, threshold: float, window: int
    ) -> NDArray[np.int64]:
        """For each file the first earlier one that shows nearly the same, −1 for none."""
        skips = Skips(max_share=1.0)

        def features(start: int, end: int) -> NDArray[np.float32]:
            return self._features(paths[start:end], skips, None)[0]

        return near_duplicates(features, len(paths), threshold=threshold, window=window)

    @torch.inference_mode()
    def _features(
        self, paths: Sequence[Path], skips: Skips, progress: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        backbone = self.scorer.backbone
        assert backbone is not None
        # The share of unreadable files is judged over all files, not within a part.
        part = Skips(max_share=1.0)
        found = self.cache.features(
            paths,
            backbone,
            workers=self.workers,
            device=self.device,
            progress=progress,
            skips=part,
        )
        skips.update(part.reasons)
        return found


def _shifted(progress: Any, start: int, total: int) -> Callable[[int, int, str], None] | None:
    """Progress of a part as progress of the whole."""
    if progress is None:
        return None
    return lambda done, _, what: progress(start + done, total, what)
