"""``scorer=clip_linear``: a published linear or MLP head on CLIP."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interestingness.models.backbone import check_domain
from interestingness.models.backbones import OpenClipBackbone
from interestingness.models.published_heads import published_head
from interestingness.models.scorer import Scorer
from interestingness.scoring.image_scorer import ImageScorer
from interestingness.scoring.table_scorer import ScorerMaterial, TableScorer


class ClipLinear(TableScorer):
    """A published head by its name, on the image tower that it was trained on."""

    def __init__(self, *, head: str, column: str, weights: str, file: str | None = None) -> None:
        """Load head and tower.

        Args:
            head: a name of ``models.published_heads``.
            column: name of the score.
            weights: of the tower: "hub" or the path of a file.
            file: local copy of the head; None takes the cache or downloads it.

        Raises:
            WeightsError: if there is no such head, or a file is absent or not the published one.
        """
        published = published_head(head)
        self.column, self._head = column, published
        self._backbone = OpenClipBackbone(
            published.architecture, pretrained="openai", weights=weights, licence="MIT"
        )
        self._scorer = published.scorer(self._backbone, path=file)
        self.licence = f"{published.file.licence} (head), {self._backbone.licence} (tower)"

    def describe(self) -> str:
        """Head, unit of the score, tower."""
        return f"{self._head.name} ({self._head.unit}) on {self._backbone.describe()}"

    def identity(self) -> str:
        """Hashes of head and tower."""
        return f"clip_linear {self._head.file.sha256} {self._backbone.fingerprint()}"

    def scores(self, material: ScorerMaterial) -> NDArray[np.float64]:
        """In the unit of the head."""
        return score_images(self._scorer, material)


def score_images(scorer: Scorer, material: ScorerMaterial) -> NDArray[np.float64]:
    """A head's number for every image, NaN where it cannot be read, shape (images,).

    Raises:
        WeightsError: for a scorer without a backbone, or one trained on another kind of images.
    """
    images = ImageScorer(scorer, material.cache, device=material.device)
    check_domain(images.backbone, material.tables.manifest.domain)
    scores = np.full(len(material.tables.image_ids), np.nan)
    found = images.score(material.pictures(), skips=material.skips, progress=material.progress)
    scores[material.rows] = found.scores
    return scores
