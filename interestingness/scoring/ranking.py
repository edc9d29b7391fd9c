"""A ranking of pictures: a row for every file, and a contact sheet of the best and the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.number_text import write_number
from interestingness.scoring.culling import TEXTS, Culled, Why
from interestingness.stats.standing import beats_median, percentile
from interestingness.studies.result import Bars, Column, Gallery, Shown, StudyResult, Table

Link = Callable[[int], str]

BINS = 24
LISTED = 150
"""Images in the sheet's table; the file of scores has all of them."""
UNREADABLE = 200
"""Files without a score that the sheet lists."""


@dataclass(frozen=True)
class ReferenceScores:
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
        near: row of the best image that shows nearly the same, if that is better than the image;
            −1 for none, shape (images,).
        problems: why a file has no score, by image id.
        logits: whether scores are logits of a choice between two images.
        reference: scores of other images to compare with, if any.
        culled: which images are kept, if that was asked.
    """

    image_ids: Sequence[str]
    scores: NDArray[np.float64]
    near: NDArray[np.int64]
    problems: Mapping[str, str]
    logits: bool
    reference: ReferenceScores | None = None
    culled: Culled | None = None

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Rows from the highest score to the lowest, those without a score at the end."""
        return np.argsort(-self.scores, kind="stable")

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Place of each row in the order, 1 for the highest score, shape (images,)."""
        found = np.empty(len(self.scores), dtype=np.int64)
        found[self.order] = np.arange(1, len(self.scores) + 1)
        return found

    @property
    def scored(self) -> int:
        """How many images have a score."""
        return int((~np.isnan(self.scores)).sum())

    @cached_property
    def percentile(self) -> NDArray[np.float64]:
        """Share of these images that score lower, shape (images,)."""
        return percentile(self.scores, self.scores)

    def columns(self, most: int | None = None) -> dict[str, Any]:
        """The score table by column, the highest first, files without a score last.

        Args:
            most: rows; None takes all.
        """
        rows = self.order[:most]
        known = ~np.isnan(self.scores[rows])
        other = self.reference
        against = percentile(self.scores[rows], [] if other is None else other.scores)
        beats = beats_median(self.scores) if self.logits else np.full(len(self.scores), np.nan)
        near = [None if at < 0 else self.image_ids[at] for at in self.near[rows].tolist()]
        return {
            "rank": np.where(known, np.arange(1, len(rows) + 1), 0),
            "image_id": [self.image_ids[i] for i in rows.tolist()],
            "score": self.scores[rows],
            "percentile": self.percentile[rows],
            "reference_percentile": against,
            "beats_median": beats[rows],
            "near_duplicate_of": near,
            "problem": [self.problems.get(self.image_ids[i]) for i in rows.tolist()],
            **self._culling(rows),
        }

    def _culling(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Columns of what is kept, if that was asked."""
        if self.culled is None:
            return {}
        series, why = self.culled.series, self.culled.why[rows].tolist()
        leaders = [] if series is None else series[rows].tolist()
        return {
            "decision": ["keep" if kept else "reject" for kept in self.culled.kept[rows].tolist()],
            "why": [TEXTS[Why(code)] for code in why],
            "own_stars": self.culled.stars[rows].astype(np.int64),
            "series": [self.image_ids[i] for i in leaders] or [None] * len(rows),
        }

    def sheet(
        self, *, used: Sequence[tuple[str, str]], shown: int, file: str, link: Link = lambda _: ""
    ) -> StudyResult:
        """The contact sheet.

        Args:
            used: what the scores come from, name and text.
            shown: pictures in each of the three galleries.
            file: where all scores are.
            link: address of an image's file by its row, "" for none.
        """
        known = ~np.isnan(self.scores)
        copies = int((self.near >= 0).sum())
        lacking = int((~known).sum())
        answer = f"{int(known.sum()):,} images scored"
        if copies:
            answer += f", {copies:,} of them nearly the same as a better one"
        answer += f"; {lacking:,} could not be read." if lacking else "."
        if self.culled is not None:
            answer += f" {self.culled.sentence()}."
        return StudyResult(
            name="ranking",
            title=f"{int(known.sum()):,} images by score",
            answer=answer,
            used=used,
            tables=[self._highest(file), *self._unreadable(file)],
            figures=[self._histogram()] if known.any() else [],
            galleries=self._galleries(shown, link),
            notes=[
                "A score orders images by the taste of those who labelled the training images. "
                "It has no meaning outside of that."
            ],
            pictures_first=True,
        )

    def _highest(self, file: str) -> Table:
        scored = self.scored
        columns = self.columns(min(LISTED, scored))
        names = [name for name in columns if name not in {"problem", "why", "own_stars", "series"}]
        cells = zip(*(columns[name] for name in names), strict=True)
        rows = [dict(zip(names, row, strict=True)) for row in cells]
        other = self.reference
        spec = [
            Column("rank", "Rank", "count"),
            Column("image_id", "Image"),
            Column("score", "Score", "number"),
            Column("percentile", "Percentile", "percent", "share of these images that score lower"),
            Column(
                "reference_percentile",
                "Against the reference",
                "percent",
                f"share of the {len(other.scores):,} images of {other.name} that score lower"
                if other
                else "",
            ),
            Column(
                "beats_median",
                "Beats the median",
                "percent",
                "probability that raters like those the scorer learnt from prefer this image to "
                "one with the median score of these",
            ),
            Column("near_duplicate_of", "Nearly the same as"),
        ]
        if self.culled is not None:
            spec.append(Column("decision", "Decision"))
        more = len(rows) < scored
        title = f"The highest {len(rows)} of {scored:,} images" if more else "All images"
        notes = [f"Every image is in {file}."]
        return Table("images", title, spec, rows, notes=notes, file=file, total=scored)

    def _unreadable(self, file: str) -> list[Table]:
        """Files without a score, if there are any."""
        names = [name for name in self.image_ids if name in self.problems]
        if not names:
            return []
        rows = [{"image_id": n, "problem": self.problems[n]} for n in names[:UNREADABLE]]
        notes = [] if len(rows) == len(names) else [f"All {len(names):,} of them are in {file}."]
        spec = [Column("image_id", "File"), Column("problem", "Problem")]
        return [Table("unreadable", "Files without a score", spec, rows, notes)]

    def _galleries(self, shown: int, link: Link) -> list[Gallery]:
        order = self.order
        order = order[~np.isnan(self.scores[order])]
        distinct = order[self.near[order] < 0]
        middle = max(0, (len(distinct) - shown) // 2)
        parts = [("Highest", distinct[:shown])]
        if len(distinct) > shown:
            parts.append(("Lowest", distinct[-min(shown, len(distinct) - shown) :]))
        if len(distinct) > 3 * shown:
            parts.insert(1, ("Middle", distinct[middle : middle + shown]))
        if self.culled is not None:
            parts.insert(0, ("Kept", order[self.culled.kept[order]][:shown]))
        note = "Images that nearly equal a better one are left out here."
        return [
            Gallery(
                title,
                note=note if (self.near >= 0).any() and title != "Kept" else "",
                images=[Shown(self.image_ids[i], self._caption(i), link(i)) for i in rows.tolist()],
            )
            for title, rows in parts
        ]

    def _caption(self, row: int) -> str:
        score = write_number(self.scores[row], "number")
        return f"{score}, place {self.place[row]:,} of {self.scored:,}"

    def _histogram(self) -> Bars:
        known = self.scores[~np.isnan(self.scores)]
        counts, edges = np.histogram(known, bins=min(BINS, max(1, len(known) // 2)))
        ends = [write_number(edge, "number") for edge in edges.tolist()]
        labels = [f"{low} to {high}" for low, high in pairwise(ends)]
        return Bars(
            "histogram", "Scores", "How many images have which score.", labels, counts.tolist()
        )
