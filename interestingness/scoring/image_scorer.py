"""Score pictures in parts, so that memory is bounded and features are cached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from interestingness.data.encoding import Picture
from interestingness.data.feature_cache import FeatureCache
from interestingness.data.images import Skips
from interestingness.data.part import ALL, Part
from interestingness.errors import WeightsError
from interestingness.models.scorer import Scorer
from interestingness.scoring.near_duplicates import NearDuplicates

PART = 16_384
"""Images whose features are in memory at once."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of pictures.

    Attributes:
        scores: in the unit of the head, NaN where a picture cannot be read, shape (pictures,).
        near: number of the best picture that shows nearly the same as each, if that is better; −1
            for none, shape (pictures,).
        encoded: distinct pictures that were encoded; the others were in the cache.
    """

    scores: NDArray[np.float64]
    near: NDArray[np.int64]
    encoded: int


class ExactHead:
    """Feature → score in double precision, rounded to single.

    Copies of a picture then have equal scores in whatever batch they are.
    """

    def __init__(self, scorer: Scorer) -> None:
        """Copy scaling and head."""
        scaler, head = deepcopy(scorer.scaler).cpu(), deepcopy(scorer.head).cpu()
        self._scorer = Scorer(None, scaler, head, embedding=scorer.embedding).double().eval()

    @torch.inference_mode()
    def scores(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores of features (images, dim), shape (images,)."""
        found = self._scorer.score(torch.from_numpy(np.array(features, dtype=np.float64)))
        return found.float().double().numpy()


class ImageScorer:
    """Scores pictures with a scorer that has a backbone, through the feature cache.

    If the command is stopped and started again, it resumes: features are on disk, and a score is
    computed from one of them.
    """

    def __init__(
        self,
        scorer: Scorer,
        cache: FeatureCache,
        *,
        device: str = "cpu",
        workers: int | str = "auto",
        part: Part = ALL,
    ) -> None:
        """Take the parts.

        Args:
            scorer: backbone, scaling and head.
            cache: where features are kept.
            device: where the backbone computes.
            workers: threads that decode; "auto" takes one per core.
            part: the share of the pictures that this process scores.

        Raises:
            WeightsError: if the scorer has no backbone.
        """
        if scorer.backbone is None:
            raise WeightsError(
                "a scorer of cached features was asked to score image files",
                expected="a scorer with a backbone",
                todo="train with model/backbone=…, or use evaluate.py on the features",
            )
        self.cache, self.backbone = cache, scorer.backbone
        self._head = ExactHead(scorer)
        self.device, self.workers = device, workers
        self._writer = part.name

    def score(
        self,
        pictures: Sequence[Path | Picture],
        *,
        skips: Skips,
        near: NearDuplicates | None = None,
        progress: Any = None,
    ) -> Scored:
        """One score per picture.

        Args:
            pictures: image files, or pictures from elsewhere.
            skips: collects pictures that cannot be read, and raises an error if they are too many.
            near: finds near-duplicates; None does not look for them.
            progress: called with the number done, the total, and a label.

        Raises:
            DataError: if more pictures than ``skips`` allows cannot be read.
        """
        scores = np.full(len(pictures), np.nan)
        before = self.cache.encoded
        for start in range(0, len(pictures), PART):
            part = slice(start, min(start + PART, len(pictures)))
            told = _shifted(progress, start, len(pictures))
            # The share of unreadable files is checked over all files, not within a part.
            bad = replace(skips, max_share=1.0, reasons={})
            rows, there = self.cache.features(
                pictures[part],
                self.backbone,
                workers=self.workers,
                device=self.device,
                progress=told,
                skips=bad,
                writer=self._writer,
            )
            skips.update(bad.reasons)
            scores[part] = np.where(there, self._head.scores(rows), np.nan)
            if near is not None:
                near.add(rows, scores[part])
        skips.check(len(pictures))
        alike = np.full(len(pictures), -1) if near is None else near.better
        return Scored(scores, alike, self.cache.encoded - before)


def _shifted(
    told: Callable[[int, int, str], None] | None, start: int, total: int
) -> Callable[[int, int, str], None] | None:
    """Report the progress of a part as progress of the whole."""
    if told is None:
        return None
    return lambda done, _, what: told(start + done, total, what)
