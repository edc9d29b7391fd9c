"""A label source from counts (favourites, clicks) and exposures (views, impressions)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.source import Labels, LabelSource
from interestingness.schema import Array, Pairs
from interestingness.stats.columns import exact_ties
from interestingness.stats.exposure import (
    RateModel,
    check_counts,
    fit_rates,
    owner_effects,
    rate_residuals,
)
from interestingness.tables.score_file import read_scores
from interestingness.tables.tables import Tables

EXCESS = ("error", "skip")


@dataclass(frozen=True, eq=False)
class Impressions:
    """Columns about the images of the tables, all of shape (images,).

    Attributes:
        count: NaN where there is none.
        exposure: NaN where there is none.
        age: in days, or as given; None without such a column.
        owner: number of the owner, −1 where unknown; None without such a column.
        excess: images that were left out because they were counted more often than shown.
    """

    count: Array
    exposure: Array
    age: Array | None
    owner: NDArray[np.int64] | None
    excess: int


class EngagementSource(LabelSource):
    """P(the left image's rate is higher than the right one's), corrected for owner and age.

    A raw count of favourites depends mainly on how often an image was *seen*. So the rate
    (favourites of views, clicks of impressions) of each image is estimated with a beta-binomial
    model (``stats.exposure``). It shrinks rates of rarely shown images towards the rate expected
    for their age and owner, and pairs are compared by the difference from that expectation. Pairs
    of rarely shown images get preferences near 0.5 instead of being decided by chance.

    The model and the owners' effects are fitted on images of training pairs. For an owner without
    such images the effect is estimated from all images of that owner, none of which is trained on.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        name: str,
        counts: str,
        exposure: str,
        age: str | None,
        owner: str | None,
        on_excess: str,
        table: str | None = None,
    ) -> None:
        """Choose the columns.

        Args:
            tables: the prepared data set.
            name: shown in tables.
            counts: score that counts favourites, likes or clicks.
            exposure: score that counts views or impressions.
            age: column of the image table with the day of upload (the newest is day 0), or with
                the age as a number; None leaves age out.
            owner: column of the image table with the owner of the image; None leaves it out.
            on_excess: "error", or "skip" to drop images with a count above their exposure.
            table: your own CSV or Parquet file ``image,<counts>,<exposure>``; None reads the data
                set's score table.

        Raises:
            ConfigError: for another ``on_excess``, or the same column twice.
        """
        super().__init__(tables, name=name)
        if on_excess not in EXCESS or counts == exposure:
            raise ConfigError(
                f"counts={counts} exposure={exposure} on_excess={on_excess}",
                expected=f"two different columns, and on_excess one of {', '.join(EXCESS)}",
                todo="correct label_source.counts, label_source.exposure or label_source.on_excess",
            )
        self.counts, self.exposure = counts, exposure
        self.age, self.owner = age, owner
        self.table, self.on_excess = table, on_excess
        self._model: RateModel | None = None
        self._effect: Array | None = None

    def fit(self, pairs: Pairs) -> Self:
        """Estimate rates, age slope and owners from the images of these pairs.

        Raises:
            LabelError: if a column is missing or impossible, or none of the images was shown.
        """
        self._fit(np.isin(self.tables.image_ids, pairs.image_ids[pairs.images_used()]))
        return self

    def labels(self, pairs: Pairs) -> Labels:
        """Preferences; NaN where an image was not shown, or its age or owner is unknown.

        A source that was not fitted estimates from all images.

        Raises:
            LabelError: if a column is missing or impossible.
        """
        quality, variance = self._quality()
        left, right = self._rows(pairs)
        quality, variance = np.append(quality, np.nan), np.append(variance, np.nan)
        margin = quality[left] - quality[right]
        preference = exact_ties(ndtr(margin / np.sqrt(variance[left] + variance[right])))
        model, shown = self._model, self._shown
        assert model is not None
        return Labels.of(
            preference,
            pairs_unknown=int(np.isnan(preference).sum()),
            images_never_shown=int((shown.exposure == 0).sum()),
            images_without_numbers=int(np.isnan(shown.count + shown.exposure).sum()),
            images_counted_more_than_shown=shown.excess,
            mean_rate=float(expit(model.intercept)),
            rate_worth_exposures=model.concentration,
            age_slope=model.age_slope,
            owner_sd=model.owner_sd,
        )

    def image_scores(self) -> Array:
        """Each image's logit of the rate minus its expectation, shape (images,)."""
        return self._quality()[0]

    def missing(self) -> str | None:
        """Which column is missing, and what the data set has."""
        names = self.tables.score_names() if self.table is None else [self.counts, self.exposure]
        lacking = [f"score {c!r}" for c in (self.counts, self.exposure) if c not in names]
        columns = self.tables.images.column_names
        lacking += [f"column {c!r}" for c in (self.age, self.owner) if c and c not in columns]
        if not lacking:
            return None
        others = [c for c in columns if c not in ("image_id", "path", "sha256")]
        return (
            f"there is no {' and no '.join(lacking)}; the data set has the scores "
            f"{', '.join(names) or 'none'} and the columns {', '.join(others) or 'none'}. Name "
            "them with label_source.counts=…, .exposure=…, .age=…, .owner=…, or give a file "
            "image,<counts>,<exposure> as label_source.table=…"
        )

    def fingerprint(self) -> str:
        """Hash of the rule and of the columns that it reads."""
        rule = json.dumps([self.age is not None, self.owner is not None, self.on_excess])
        digest = hashlib.sha256(rule.encode())
        if self.missing() is None:
            digest.update("\0".join(self.tables.image_ids.tolist()).encode())
            shown = self._shown
            for column in (shown.count, shown.exposure, shown.age, shown.owner):
                if column is not None:
                    known = np.where(np.isnan(column), np.nan, column + 0.0)
                    digest.update(known.tobytes())
        return digest.hexdigest()[:16]

    def __getstate__(self) -> dict[str, Any]:
        """Without the columns, which are read again where they are needed."""
        state = self.__dict__.copy()
        state.pop("_shown", None)
        return state

    @cached_property
    def _shown(self) -> Impressions:
        missing = self.missing()
        if missing is not None:
            raise LabelError(f"label source {self.name!r}: {missing}")
        count, exposure = (self._numbers(column) for column in (self.counts, self.exposure))
        excess = count > exposure
        if self.on_excess == "skip":
            count = np.where(excess, np.nan, count)
        try:
            check_counts(count, exposure)
        except LabelError as error:
            raise self._named(error, hint=": label_source.on_excess=skip") from None
        age = None if self.age is None else _days(self.tables.images[self.age].to_pylist())
        owner = None
        if self.owner is not None:
            names = self.tables.images[self.owner].to_pylist()
            number: dict[Any, int] = {None: -1}
            for cell in names:
                number.setdefault(cell, len(number) - 1)
            owner = np.array([number[cell] for cell in names], dtype=np.int64)
        return Impressions(count, exposure, age, owner, int(excess.sum()))

    def _named(self, error: LabelError, hint: str = "") -> LabelError:
        return LabelError(
            f"label source {self.name!r} ({self.counts} of {self.exposure}): {error.found}",
            expected=error.expected,
            todo=error.todo + hint,
        )

    def _numbers(self, column: str) -> Array:
        if self.table is None:
            return self.tables.scores(column)
        return read_scores(Path(self.table), column, self.tables)[0]

    def _fit(self, chosen: NDArray[np.bool_]) -> None:
        shown = self._shown
        count, exposure, age, owner = shown.count, shown.exposure, shown.age, shown.owner
        some = chosen if owner is None else chosen & (owner >= 0)
        try:
            self._model = fit_rates(
                count[some],
                exposure[some],
                age=None if age is None else age[some],
                owner=None if owner is None else owner[some],
            )
        except LabelError as error:
            raise self._named(error) from None
        if owner is None:
            return
        seen = np.isin(owner, owner[some])
        # an owner with training images is estimated from these alone, so that no label of a
        # training pair depends on a held-out image
        telling = (owner >= 0) & (chosen | ~seen)
        self._effect = owner_effects(
            self._model,
            np.where(telling, count, np.nan),
            exposure,
            np.maximum(owner, 0),
            owners=max(int(owner.max()) + 1, 1),
            age=age,
        )

    def _quality(self) -> tuple[Array, Array]:
        if self._model is None:
            self._fit(np.ones(len(self.tables.image_ids), dtype=bool))
        assert self._model is not None
        shown = self._shown
        count, exposure, age, owner = shown.count, shown.exposure, shown.age, shown.owner
        effect: Array | float = 0.0
        if owner is not None:
            assert self._effect is not None
            effect = np.where(owner >= 0, self._effect[np.maximum(owner, 0)], np.nan)
        return rate_residuals(self._model, count, exposure, age=age, effect=effect)

    def _rows(self, pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the pairs' images; −1 (the NaN) for images that the tables do not have."""
        row_of = {name: row for row, name in enumerate(self.tables.image_ids.tolist())}
        rows = np.array([row_of.get(name, -1) for name in pairs.image_ids.tolist()], np.int64)
        return rows[pairs.left], rows[pairs.right]


def _days(cells: list[Any]) -> Array:
    """Ages in days before the newest date, or the numbers as they are; NaN for empty cells.

    Raises:
        LabelError: for text that is no date, or a negative age.
    """
    try:
        values = np.array([_number(cell) for cell in cells], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise LabelError(
            f"the column of ages or dates has a value that is neither ({error})",
            expected="numbers, or dates such as 2025-03-01",
            todo="name another column: label_source.age=…",
        ) from None
    if any(isinstance(cell, (str, date)) for cell in cells):
        return np.asarray(np.nanmax(values) - values)
    if (values < 0).any():
        raise LabelError(
            f"{int((values < 0).sum())} ages are negative",
            expected="ages of 0 or more, or dates",
            todo="correct the column, or name another: label_source.age=…",
        )
    return values


def _number(cell: Any) -> float:
    if cell is None:
        return float("nan")
    if isinstance(cell, str):
        cell = datetime.fromisoformat(cell)
    if isinstance(cell, date) and not isinstance(cell, datetime):
        cell = datetime(cell.year, cell.month, cell.day)
    if isinstance(cell, datetime):
        # without a zone: as if UTC, so that ages do not depend on where this runs
        moment = cell.replace(tzinfo=None) - (cell.utcoffset() or timedelta(0))
        return (moment - datetime(1970, 1, 1)).total_seconds() / 86_400
    return float(cell)
