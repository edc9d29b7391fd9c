"""``study=learning_curve``: accuracy by votes and dollars on one's own data; when to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.calibrated import MIN_HUMAN_PAIRS, CalibratedSource
from interestingness.labels.source import Labels, LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.models.scaling import FeatureScaler
from interestingness.number_text import write_number
from interestingness.schema import Array, Pairs
from interestingness.stats.agreement import accuracy
from interestingness.stats.power_law import Doubling, doubling
from interestingness.stats.repetitions import mean_interval
from interestingness.studies.label_parts import Parts
from interestingness.studies.result import (
    Cell,
    Column,
    Curve,
    Curves,
    Spread,
    StudyResult,
    Table,
)
from interestingness.studies.study import Material, Study, StudyInterrupted

REACHED = (
    Column("source", "source"),
    Column("pairs", "pairs", "count", "labelled training pairs; of a mix human ones"),
    Column("votes", "votes", "count", "behind them; of scores and rates the images"),
    Column(
        "collected",
        "to collect",
        "count",
        "votes to collect so that so many train: pairs that test, or straddle the parts of the "
        "split, need votes too",
    ),
    Column("dollars", "dollars", "dollars", "for what is to collect, where a price is known"),
    Column("accuracy", "accuracy", "percent", "mean ± SD over splits"),
)
"""Columns of what a source reached with so many votes."""
COLLECT = "What is to collect: pairs that test need votes too."
FEWEST_POINTS = 4
"""Sizes that a curve is fitted to, at least."""


@dataclass(frozen=True, eq=False)
class Points:
    """Accuracy and cost of one source at each size.

    Attributes:
        pairs: labelled training pairs (of a mix: pairs with human votes), mean over the splits,
            shape (sizes,).
        votes: behind them, mean over the splits, shape (sizes,).
        collected: votes that a person must collect so that so many train, shape (sizes,).
        dollars: their cost, NaN where a price is unknown, shape (sizes,).
        accuracy: NaN where nothing could be learnt, shape (splits, sizes).
        unit: what is counted as votes.
    """

    pairs: Array
    votes: Array
    collected: Array
    dollars: Array
    accuracy: Array
    unit: str = "votes"

    def cells(self, at: int) -> dict[str, Cell]:
        """Make the cells of one size; see ``REACHED``."""
        return {
            "pairs": round(float(self.pairs[at])),
            "votes": float(self.votes[at]),
            "collected": float(self.collected[at]),
            "dollars": float(self.dollars[at]),
            "accuracy": Spread.of(self.accuracy[:, at]),
        }


class LearningCurve(Study):
    """Measure held-out accuracy for growing subsets of the training labels, by source."""

    def __init__(
        self,
        *,
        splits: int,
        sizes: int,
        smallest: int,
        reference: str,
        worth: float,
        prices: Mapping[str, float | None],
        sources: Sequence[str] | None,
    ) -> None:
        """Keep the settings.

        Args:
            splits: repetitions, each with a split and an order of the pairs of its own.
            sizes: points of each curve, in equal steps of the logarithm, 4 or more.
            smallest: pairs (of scores: images) of the first point.
            reference: what the test pairs are compared with.
            worth: points of accuracy that twice the votes must bring to be worth it.
            prices: dollars of one vote, by source (``human`` also for a mix); a source that
                states its own price needs none here.
            sources: names of those to train on; None takes all.

        Raises:
            ConfigError: for numbers out of range.
        """
        least = min(splits - 1, sizes - FEWEST_POINTS + 1, smallest - 1)
        known = [p for p in prices.values() if p is not None]
        if least < 1 or worth < 0 or any(p < 0 for p in known):
            raise ConfigError(
                f"splits={splits} sizes={sizes} smallest={smallest} worth={worth} "
                f"prices={dict(prices)}",
                expected=f"two splits, {FEWEST_POINTS} sizes and two pairs or more; worth and "
                "prices of 0 or more",
                todo="correct the option of study.…",
            )
        self.splits, self.sizes, self.smallest = splits, sizes, smallest
        self.reference, self.worth = reference, worth
        self.prices = {name: float(p) for name, p in prices.items() if p is not None}
        self.sources = sources

    def run(self, material: Material) -> StudyResult:
        """Train on growing subsets of each source.

        Raises:
            LabelError: if the reference or every source has nothing to read here.
            StudyInterrupted: with the sources and splits that were done.
        """
        reference = material.references.named(self.reference, "study.reference")
        preference = material.labels(reference).preference
        chosen = self._chosen(material)
        pairs, present = material.pairs, material.features.present
        usable = present[pairs.left] & present[pairs.right]
        found: dict[str, Points] = {}
        lacking: dict[str, str] = {}
        told = material.progress("learning curves, Ctrl-C keeps what is done:")
        try:
            for i, (name, source) in enumerate(chosen.items()):
                parts = Parts(material, source, usable)
                sizes = self._sizes(parts, self.splits)
                if isinstance(sizes, str):
                    lacking[name] = sizes
                    continue
                rows: list[Array] = []
                try:
                    for number in range(self.splits):
                        rows.append(self._split(material, parts, sizes, number, preference))
                        told(i * self.splits + number + 1, len(chosen) * self.splits)
                finally:
                    if len(rows) > 1:
                        found[name] = self._points(name, source, parts, np.stack(rows))
        except KeyboardInterrupt:
            if not found:
                raise
            note = self._interrupted(found, [n for n in chosen if n not in {*found, *lacking}])
            result = self._result(material, found, lacking, f"Interrupted: {note}.")
            raise StudyInterrupted(result, note) from None
        return self._result(material, found, lacking)

    def _split(
        self, material: Material, parts: Parts, sizes: Sequence[int], number: int, preference: Array
    ) -> Array:
        """Return pairs, votes and accuracy at each size on one split, shape (3, sizes)."""
        pairs = material.pairs
        test = np.flatnonzero(parts.split(number).test & parts.usable)
        self._need_decided(preference[test])
        found = np.full((3, len(sizes)), np.nan)
        for j, size in enumerate(sizes):
            learnt, labels, votes = parts.labels(number, size)
            score = _scores(material, learnt, labels, seed=material.seed + number)
            margin = score[pairs.left[test]] - score[pairs.right[test]]
            found[:2, j] = size if parts.mixed else len(learnt), votes
            if not np.isnan(margin).all():
                found[2, j] = accuracy(margin, preference[test])
        return found

    def _points(self, name: str, source: LabelSource, parts: Parts, rows: Array) -> Points:
        """Average pairs and votes over the splits, shape (splits, 3, sizes), and price them."""
        pairs, votes, _ = rows.mean(axis=0)
        collected = votes * parts.collected() / votes[-1]
        dollars = self._dollars(name, source, collected)
        unit = "scored images" if parts.scored else "votes"
        return Points(pairs, votes, collected, dollars, rows[:, 2], unit)

    def _interrupted(self, found: Mapping[str, Points], missing: Sequence[str]) -> str:
        name, points = list(found.items())[-1]
        said = f"{name} on {len(points.accuracy)} of {self.splits} splits"
        return said + (f"; not reached: {', '.join(missing)}" if missing else "")

    def _need_decided(self, preference: Array) -> None:
        if not (~np.isnan(preference) & (preference != 0.5)).any():
            raise LabelError(
                f"{self.reference!r} decides none of {len(preference)} test pairs: all are ties, "
                "or it has no label for them",
                expected="test pairs on which it prefers one side",
                todo="study.reference=… with another one, or another split",
            )

    def _chosen(self, material: Material) -> dict[str, LabelSource]:
        there = material.need_sources()
        names = list(there) if self.sources is None else list(self.sources)
        return {name: material.sources.named(name, "study.sources") for name in names}

    def _sizes(self, parts: Parts, splits: int) -> list[int] | str:
        """Choose sizes that every split can give, or say why there are none."""
        first = max(self.smallest, MIN_HUMAN_PAIRS) if parts.mixed else self.smallest
        try:
            most = min(len(parts.order(number)) for number in range(splits))
        except LabelError as error:
            return " ".join(str(error).split())
        if most < first * 2:
            what = "scored training images" if parts.scored else "labelled training pairs"
            return f"{most} {what} are too few for a curve from {first} on"
        steps = np.geomspace(first, most, self.sizes)
        return np.unique(np.round(steps).astype(np.int64)).tolist()

    def _dollars(self, name: str, source: LabelSource, votes: Array) -> Array:
        """Compute the dollars of votes; for a mix also those of the models that it reads."""
        if isinstance(source, CalibratedSource):
            own = self.prices.get(source.human.name, np.nan) * votes
            parts = [s for s in source.sources.values() if isinstance(s, VoteSource)]
            whole = [s.labels(s.tables.pairs).facts["votes"] for s in parts]
            prices = [self._price(s.name, s) for s in parts]
            return own + sum(n * p for n, p in zip(whole, prices, strict=True))
        if isinstance(source, VoteSource):
            return self._price(name, source) * votes
        return np.full(len(votes), self.prices.get(name, np.nan)) * votes

    def _price(self, name: str, source: VoteSource) -> float:
        stated = source.price_per_call
        return self.prices.get(name, np.nan if stated is None else stated)

    def _result(
        self,
        material: Material,
        found: Mapping[str, Points],
        lacking: Mapping[str, str],
        *notes: str,
    ) -> StudyResult:
        ahead = {name: self._ahead(points, material.seed) for name, points in found.items()}
        rows = [
            self._row(name, points, ahead[name])
            for name, points in sorted(found.items(), key=lambda item: -_last(item[1]))
        ]
        planted = {name for name, source in material.sources.there.items() if source.planted}
        rows += [{"source": name, "advice": why} for name, why in lacking.items()]
        return StudyResult(
            name="learning_curve",
            title="How many labels?",
            answer=" ".join(
                f"{row['source']}: {row['advice']}"
                for row in [r for r in rows[: len(found)] if r["source"] not in planted][:3]
            )
            or "No source has enough labels for a curve.",
            used=[
                ("data", material.tables.manifest.name),
                ("reference", self.reference),
                ("split", f"{material.split(0, material.tables).rule}; {self.splits} splits"),
                ("features", material.features.note),
            ],
            tables=[self._advice(rows), _everything(found)],
            figures=_figures(found, self.reference),
            notes=[
                *notes,
                "A part of a source is its first n labelled training pairs in a random order, "
                "drawn anew in every split. The test pairs are those of the split, whatever n.",
                "Of a source that scores images, n counts images, and random pairs of these are "
                "learnt from, as many an image as the data set has.",
                "Of a mix, n counts the pairs with human votes that calibrate it; what its other "
                "sources label is used in full.",
                "L2 is chosen inside each part by inner validation; features are standardised.",
                "Intervals resample the splits. Splits share images, so they are too narrow to "
                "speak of other data sets.",
                "To collect: all votes of the source times the part of its training votes that is "
                "learnt from.",
                *_silent(material.sources.absent),
            ],
            simulated=material.simulated,
        )

    def _ahead(self, points: Points, seed: int) -> Doubling | None:
        whole = ~np.isnan(points.accuracy).any(axis=0)
        if whole.sum() < FEWEST_POINTS:
            return None
        return doubling(points.votes[whole], points.accuracy[:, whole], seed=seed)

    def _row(self, name: str, points: Points, ahead: Doubling | None) -> dict[str, Cell]:
        row: dict[str, Cell] = {
            "source": name,
            **points.cells(-1),
            "advice": "nothing could be learnt from most parts: no advice",
        }
        if ahead is None:
            return row
        gain = ahead.gain
        hundred = replace(
            gain, estimate=100 * gain.estimate, low=100 * gain.low, high=100 * gain.high
        )
        row |= {
            "gain": hundred,
            "limit": replace(ahead.limit, high=min(ahead.limit.high, 1.0)),
            "advice": self._told(points, ahead),
        }
        return row

    def _told(self, points: Points, ahead: Doubling) -> str:
        """Give advice in words, or say that it is open if the interval holds both answers."""
        low, high = 100 * ahead.gain.low, 100 * ahead.gain.high
        # a mix has paid for its models already: only the votes that are added cost more
        each = np.diff(points.dollars[[0, -1]])[0] / np.diff(points.collected[[0, -1]])[0]
        more = points.collected[-1]
        cost = "" if np.isnan(each) else f" for ${write_number(each * more, 'dollars')}"
        brings = f"{write_number(more, 'count')} more {points.unit}{cost} would bring "
        brings += f"{write_number(low, 'signed')} to {write_number(high, 'signed')} points"
        reached = mean_interval(points.accuracy[:, -1], fewest=2)
        if not reached.low > 0.5:
            return "no sign of learning: the accuracy cannot be told from chance."
        if high < self.worth:
            return f"stop: {brings}, less than {self.worth:g}."
        if low >= self.worth:
            return f"go on: {brings}."
        return f"cannot tell: {brings}, and {self.worth:g} lies within."

    def _advice(self, rows: Sequence[Mapping[str, Cell]]) -> Table:
        return Table(
            "learning_curve",
            "With all labels, and with twice as many",
            [
                *REACHED,
                Column("gain", "points by twice as many", "signed", "power law, 95 %"),
                Column("limit", "in the end", "percent", "limit of the power law; far beyond data"),
                Column("advice", "advice"),
            ],
            rows,
        )


def _scores(material: Material, pairs: Pairs, labels: Labels, *, seed: int) -> Array:
    """Score all images with a linear head; NaN if no head can be fitted, (images,)."""
    features = material.features.values
    target, weight = labels.target[:, None], np.where(labels.known, labels.weight, 0.0)[:, None]
    scaler = FeatureScaler("standardize", features.shape[1])
    scaled = scaler.fit(features[pairs.images_used()]).scaled(features)
    fitted = fit_linear(scaled, pairs, target, weight, l2="auto", seed=seed)
    return scaled.astype(np.float64) @ fitted.weights[0, 0].astype(np.float64)


def _silent(absent: Mapping[str, str]) -> list[str]:
    return [f"Nothing to read in this data set: {', '.join(absent)}."] if absent else []


def _last(points: Points) -> float:
    known = points.accuracy[:, -1]
    return float(np.nanmean(known)) if not np.isnan(known).all() else 0.0


def _everything(found: Mapping[str, Points]) -> Table:
    rows: list[dict[str, Cell]] = [
        {"source": name, **points.cells(j)}
        for name, points in found.items()
        for j in range(len(points.pairs))
    ]
    return Table("learning_curve_all", "All sizes", REACHED, rows)


def _figures(found: Mapping[str, Points], reference: str) -> list[Curves]:
    return [
        Curves(
            f"accuracy_by_{unit}",
            f"Accuracy against {unit}",
            f"On held-out pairs, against {reference}. Bands: ± SD over splits. {COLLECT}",
            unit,
            "accuracy",
            curves,
            log_x=True,
            x_kind="count" if unit == "votes" else "dollars",
            lines={"chance": 0.5},
        )
        for unit in ("votes", "dollars")
        if (curves := _curves(found, unit))
    ]


def _curves(found: Mapping[str, Points], unit: str) -> list[Curve]:
    """Draw a line for each source with points above 0."""
    curves = []
    for name, points in found.items():
        x = points.collected if unit == "votes" else points.dollars
        spreads = [Spread.of(column) for column in points.accuracy.T]
        mean, sd = (np.array([getattr(s, part) for s in spreads]) for part in ("mean", "sd"))
        some = ~np.isnan(mean) & (x > 0)
        if some.any():
            curves.append(Curve(name, x[some], mean[some], (mean - sd)[some], (mean + sd)[some]))
    return curves
