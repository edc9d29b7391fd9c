"""A label source from one number for each image."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.signals import normal_scores
from interestingness.labels.source import Labels, LabelSource
from interestingness.schema import Pairs
from interestingness.tables.number_cells import check_decimal
from interestingness.tables.score_file import read_scores
from interestingness.tables.tables import Tables

LINKS = ("order", "sigmoid", "normal")
GRADED = 1 / 3
"""Temperature of the link "normal" that measured best (benchmarks/default_head.py --links)."""


class ScoreSource(LabelSource):
    """The image with the higher score is preferred; equal scores are a tie."""

    def __init__(
        self,
        tables: Tables,
        *,
        name: str,
        column: str,
        table: str | None = None,
        decimal: str | None = None,
        higher_is_better: bool | None = None,
        link: str = "order",
        temperature: float | None = None,
        advice: str | None = None,
        planted: bool = False,
    ) -> None:
        """Choose the score and how it becomes a preference.

        Args:
            tables: the prepared data set.
            name: shown in tables.
            column: name of the score in the score table, or a column of ``table``.
            table: your own CSV or Parquet file ``image,<column>``; None reads the data set's score
                table.
            decimal: the decimal sign of ``table``, "," or ".", where its numbers leave it open.
            higher_is_better: False where 1 is the best, as with school grades and places; None is
                True.
            link: "order" (1, 0 or 0.5); "sigmoid": σ((s_left − s_right) / (temperature · SD)), SD
                that of the score over the data set's images; "normal": the same of normal scores,
                the normal quantiles of the scores' ranks, so that skewed scores do no harm.
            temperature: above 0; 1 gives a difference of one SD the odds e : 1. None is 1/3 for
                "normal"; "sigmoid" needs one; "order" has none.
            advice: what to do if the data set has no such score.
            planted: whether the score is the truth of a simulation.

        Raises:
            ConfigError: for an unknown link, a temperature that does not go with it, or another
                decimal sign.
        """
        super().__init__(tables, name=name)
        if link not in LINKS:
            raise ConfigError(
                f"link {link!r}",
                expected=f"one of {', '.join(LINKS)}",
                todo="correct label_source.link",
            )
        if link == "normal" and temperature is None:
            temperature = GRADED
        fits = temperature is None if link == "order" else temperature is not None
        if not fits or (temperature is not None and not temperature > 0):
            raise ConfigError(
                f"link {link!r} with temperature {temperature}",
                expected="a temperature above 0 for sigmoid and normal, none for order",
                todo="label_source.link=sigmoid label_source.temperature=1",
            )
        check_decimal("label_source.decimal", decimal)
        self.column = column
        self.decimal = decimal
        self.sign = -1.0 if higher_is_better is False else 1.0
        self.table = table
        self.link = link
        self.temperature = temperature
        self.advice = advice
        self.planted = planted

    def labels(self, pairs: Pairs) -> Labels:
        """Preferences of pairs; NaN where one of the images has no score.

        Raises:
            LabelError: if no score has this name, or it is the same for every image.
        """
        scores = self._known_scores()
        left, right = self._rows(pairs)
        if self.temperature is None:
            preference = 0.5 + 0.5 * np.sign(scores[left] - scores[right])
        else:
            graded = scores / np.nanstd(scores) if self.link == "sigmoid" else normal_scores(scores)
            preference = expit((graded[left] - graded[right]) / self.temperature)
        unknown = np.isnan(preference)
        tied = int((preference == 0.5).sum())
        return Labels.of(
            preference,
            tied_pairs=tied,
            pairs_without_score=int(unknown.sum()),
            scored_images=int((~np.isnan(self._scores)).sum()),
            **self._file_facts,
        )

    def image_scores(self) -> NDArray[np.float64]:
        """The scores, in the order of ``tables.image_ids``, shape (images,); NaN where none.

        With ``higher_is_better=False`` they are negative.
        """
        self._need_column()
        return self._scores.copy()

    def missing(self) -> str | None:
        """Which score is missing, and how to obtain it."""
        if self.table is not None or self.column in self.tables.score_names():
            return None
        names = ", ".join(self.tables.score_names()) or "none"
        no_numbers = self.tables.manifest.facts.get("scores") or {}
        cell = dict(no_numbers.get("columns_without_numbers") or {}).get(self.column)
        why = f" (its column of this name has {cell}, which is not a number)" if cell else ""
        return (
            f"no score is called {self.column!r}{why}; the data set has: {names}. {self._advice()}"
        )

    def fingerprint(self) -> str:
        """Hash of the rule and of the scores that it reads (not of other scores)."""
        rule = json.dumps([self.link, self.temperature])
        digest = hashlib.sha256(rule.encode())
        if self.missing() is None:
            digest.update("\0".join(self.tables.image_ids.tolist()).encode())
            scores = self._scores
            # one bit pattern for every NaN, and one for both zeros
            digest.update(np.where(np.isnan(scores), np.nan, scores + 0.0).tobytes())
        return digest.hexdigest()[:16]

    def __getstate__(self) -> dict[str, Any]:
        """Without the scores, which are read again where they are needed."""
        state = self.__dict__.copy()
        state.pop("_read", None)
        return state

    @cached_property
    def _read(self) -> tuple[NDArray[np.float64], dict[str, int]]:
        if self.table is None:
            return self.sign * self.tables.scores(self.column), {}
        scores, facts = read_scores(
            Path(self.table),
            self.column,
            self.tables,
            decimal=self.decimal,
            decimal_option="label_source.decimal",
        )
        return self.sign * scores, facts

    @property
    def _scores(self) -> NDArray[np.float64]:
        return self._read[0]

    @property
    def _file_facts(self) -> dict[str, int]:
        return self._read[1]

    def _known_scores(self) -> NDArray[np.float64]:
        """Check that scores differ between images, and append a NaN for images without a row."""
        self._need_column()
        known = self._scores[~np.isnan(self._scores)]
        if len(known) == 0 or known.min() == known.max():
            what = "is empty" if len(known) == 0 else f"is {known[0]:g} for all {len(known)} images"
            raise LabelError(
                f"label source {self.name!r}: score {self.column!r} {what}",
                expected="scores that differ between images",
                todo="choose another column, or score the images again",
            )
        if np.isinf(known).any():
            raise LabelError(
                f"label source {self.name!r}: score {self.column!r} is infinite for "
                f"{int(np.isinf(known).sum())} images",
                expected="finite scores, or none",
                todo="correct the score table",
            )
        return np.append(self._scores, np.nan)

    def _need_column(self) -> None:
        missing = self.missing()
        if missing is not None:
            raise LabelError(f"label source {self.name!r}: {missing}")

    def _rows(self, pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the pairs' images in the scores; -1 (the NaN) for images without a row."""
        own = self.tables.image_ids
        if len(own) == len(pairs.image_ids) and (own == pairs.image_ids).all():
            return pairs.left.astype(np.int64), pairs.right.astype(np.int64)
        row_of = {name: row for row, name in enumerate(own.tolist())}
        rows = np.array([row_of.get(name, -1) for name in pairs.image_ids.tolist()], np.int64)
        return rows[pairs.left], rows[pairs.right]

    def _advice(self) -> str:
        if self.advice is not None:
            return self.advice
        return (
            "Choose one of these with label_source.column=…, or name a file of your own: "
            "label_source.table=scores.csv"
        )
