"""A ranking of pictures: a row for every file, and a contact sheet of the best and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from interestingness.stats.standing import beats_median, percentile
from interestingness.studies.result import Bars, Column, Gallery, Shown, StudyResult, Table

BINS = 24


@dataclass(frozen=True)
class Reference:
    """Scores of other images by the same scorer.

    Attributes:
        name: for people.
        scores: shape (others,).
    """

    name: str
    scores: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Images with their scores, in the order of their names.

    Attributes:
        image_ids: shape (images,).
        scores: NaN where a file could not be read, shape (images,).
        near: row of the first image that shows nearly the same, −1 for none, shape (images,).
        problems: why a file has no score, by image id.
        logits: whether scores are logits of a choice between two images.
        reference: scores of other images to compare with, if any.
    """

    image_ids: Sequence[str]
    scores: NDArray[np.float64]
    near: NDArray[np.int64]
    problems: Mapping[str, str]
    logits: bool
    reference: Reference | None = None

    def table(self) -> Table:
        """One row per image, the highest first, files without a score last."""
        standing = percentile(self.scores, self.scores)
        beats = beats_median(self.scores) if self.logits else np.full(len(self.scores), np.nan)
        other = self.reference
        against = percentile(self.scores, [] if other is None else other.scores)
        rows = [
            {
                "rank": None if np.isnan(self.scores[i]) else place + 1,
                "image_id": self.image_ids[i],
                "score": float(self.scores[i]),
                "percentile": float(standing[i]),
                "reference_percentile": float(against[i]),
                "beats_median": float(beats[i]),
                "near_duplicate_of": None if self.near[i] < 0 else self.image_ids[self.near[i]],
                "problem": self.problems.get(self.image_ids[i]),
            }
            for place, i in enumerate(self.order())
        ]
        columns = [
            Column("rank", "Rank", "count"),
            Column("image_id", "Image"),
            Column("score", "Score", "number"),
            Column("percentile", "Percentile", "percent", "share of these images that score lower"),
            Column(
                "reference_percentile",
                "Against the reference",
                "percent",
                f"share of the images of {other.name} that score lower" if other else "",
            ),
            Column(
                "beats_median",
                "Beats the median",
                "percent",
                "probability that raters like those the scorer learnt from prefer this image to "
                "one with the median score of these",
            ),
            Column("near_duplicate_of", "Nearly the same as"),
            Column("problem", "Problem"),
        ]
        return Table("scores", "All images", columns, rows)

    def order(self) -> NDArray[np.int64]:
        """Rows from the highest score to the lowest, those without a score at the end."""
        return np.argsort(-self.scores, kind="stable")

    def sheet(self, *, used: Sequence[tuple[str, str]], shown: int) -> StudyResult:
        """The contact sheet.

        Args:
            used: what the scores come from, name and text.
            shown: pictures in each of the three galleries.
        """
        known = ~np.isnan(self.scores)
        copies = int((self.near >= 0).sum())
        lacking = int((~known).sum())
        answer = f"{int(known.sum()):,} images scored"
        if copies:
            answer += f", {copies:,} of them nearly the same as an earlier one"
        answer += f"; {lacking:,} could not be read." if lacking else "."
        return StudyResult(
            name="ranking",
            title=f"{int(known.sum()):,} images by score",
            answer=answer,
            used=used,
            tables=[self.table()],
            figures=[self._histogram()] if known.any() else [],
            galleries=self._galleries(shown),
            notes=[
                "A score orders images by the taste of those who labelled the training images. "
                "It has no meaning outside of that."
            ],
        )

    def _galleries(self, shown: int) -> list[Gallery]:
        order = self.order()
        order = order[~np.isnan(self.scores[order])]
        distinct = order[self.near[order] < 0]
        middle = max(0, (len(distinct) - shown) // 2)
        parts = [("Highest", distinct[:shown])]
        if len(distinct) > shown:
            parts.append(("Lowest", distinct[-min(shown, len(distinct) - shown) :]))
        if len(distinct) > 3 * shown:
            parts.insert(1, ("Middle", distinct[middle : middle + shown]))
        note = "Images that nearly equal an earlier one are left out here."
        return [
            Gallery(
                title,
                note=note if (self.near >= 0).any() else "",
                images=[Shown(self.image_ids[i], f"{self.scores[i]:.2f}") for i in rows],
            )
            for title, rows in parts
        ]

    def _histogram(self) -> Bars:
        known = self.scores[~np.isnan(self.scores)]
        counts, edges = np.histogram(known, bins=min(BINS, max(1, len(known) // 2)))
        labels = [f"{a:.2f} to {b:.2f}" for a, b in pairwise(edges)]
        return Bars(
            "histogram", "Scores", "How many images have which score.", labels, counts.tolist()
        )
