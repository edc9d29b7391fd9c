"""A label source that combines several sources, calibrated on a few human votes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.calibrated import CalibratedSource, in_image_order
from interestingness.labels.signals import human_weight, signal
from interestingness.labels.source import Labels, LabelSource
from interestingness.schema import Array, Pairs
from interestingness.stats.agreement import accuracy
from interestingness.stats.calibration import log_loss
from interestingness.stats.columns import exact_ties
from interestingness.stats.folds import image_disjoint_folds
from interestingness.stats.logistic import antisymmetric_logistic, choose_ridge
from interestingness.tables.tables import Tables

RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
FOLDS = 4
ROUNDS = 6
"""Rounds of cross-validation; with a few thousand human pairs one is enough."""


@dataclass(frozen=True)
class SourceReliability:
    """One row of ``MixSource.comparison``: how well a source predicts the human votes.

    Attributes:
        source: its name; "mix" for all together.
        pairs: human pairs that it labels.
        slope: of the human logit on its standardised signal alone; negative if it orders images the
            other way round; NaN for the mix.
        slope_in_mix: slope together with the other sources.
        order_term: b of its rater with most votes, NaN if unknown.
        log_loss: in nats on human pairs that share no image with those it was calibrated on; ln 2
            is chance. NaN with too few pairs to cross-validate.
        accuracy: on the same pairs.
    """

    source: str
    pairs: int
    slope: float
    slope_in_mix: float
    order_term: float
    log_loss: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class _Calibration:
    """Parameters from ``fit``: scales and slopes (sources,), human votes of the given pairs."""

    scale: Array
    slope: Array
    ridge: float
    concentration: float
    human: Pairs
    human_preference: Array
    human_votes: Array
    comparison: tuple[SourceReliability, ...]


class MixSource(CalibratedSource):
    """Logit of the preference = Σ slope · signal of the source, slopes from a few human votes.

    A source's signal is the logit of its preference or, for a source that scores images, the
    difference of normal scores. It is divided by its root mean square over the training pairs and
    is 0 where the source has no label. Slopes come from a ridge logistic regression without an
    intercept (so that swapping images swaps the label) on the human votes of the training pairs;
    the ridge has the lowest log loss on pairs that share no image with the fitted ones. Human votes
    on a pair that was given to ``fit`` are added as likelihood: with n votes of mean h the label is
    (κ p + n h) / (κ + n), where p is the mix and κ the concentration of human opinion around it
    (beta-binomial, estimated on the same pairs).

    Human votes on other pairs are never used.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        name: str,
        sources: Mapping[str, LabelSource] | Sequence[LabelSource],
        human: LabelSource,
        human_pairs: int | None,
        seed: int,
    ) -> None:
        """Keep the parts; tables are read by ``fit``.

        Args:
            tables: the prepared data set.
            name: shown in tables.
            sources: label sources to combine, by name.
            human: label source to calibrate on; its weights are numbers of votes, as "share" has.
            human_pairs: how many training pairs with human votes to use; None uses all.
            seed: of the choice of these pairs, and of the folds.

        Raises:
            ConfigError: for no source, too few ``human_pairs``, or a source that reads human votes
                on the same question.
        """
        named = sources if isinstance(sources, Mapping) else {s.name: s for s in sources}
        if not named:
            raise ConfigError(
                "a mix of no sources",
                expected="at least one",
                todo="name them under label_source.sources",
            )
        super().__init__(
            tables,
            name=name,
            sources=dict(named),
            human=human,
            human_pairs=human_pairs,
            seed=seed,
        )
        self._calibration: _Calibration | None = None

    def fit(self, pairs: Pairs) -> Self:
        """Fit each source on these pairs, then calibrate on their human votes.

        Raises:
            LabelError: if a source or the human votes are missing, or fewer than ten of the pairs
                have human votes.
        """
        missing = self.missing()
        if missing is not None:
            raise LabelError(f"label source {self.name!r}: {missing}")
        pairs = in_image_order(pairs)
        for source in self.sources.values():
            source.fit(pairs)
        x, known = self._signals(pairs)
        scale = np.sqrt((x**2).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
        scale = np.where(scale > 0, scale, 1.0)
        chosen = self.sample(pairs)
        labels = self.human.fit(pairs[chosen]).labels(pairs[chosen])
        self._calibration = _calibrate(
            {k: _order_term(s, pairs[chosen]) for k, s in self.sources.items()},
            pairs[chosen],
            x[chosen] / scale,
            known[chosen],
            labels,
            scale,
            self.seed,
        )
        return self

    def labels(self, pairs: Pairs) -> Labels:
        """The mix, combined with human votes of ``fit``; NaN where no source has a label.

        Raises:
            LabelError: before ``fit``.
        """
        fitted = self._fitted()
        x, known = self._signals(pairs)
        preference = expit((x / fitted.scale) @ fitted.slope)
        at = fitted.human.find(pairs.key)
        asked = at >= 0
        n = np.where(asked, fitted.human_votes[at], 0.0)
        h = np.where(asked, fitted.human_preference[at], 0.5)
        kappa = fitted.concentration
        merged = (kappa * preference + n * h) / (kappa + n)
        return Labels.of(
            np.where(known.any(axis=1) | asked, exact_ties(merged), np.nan),
            human_pairs=len(fitted.human),
            pairs_with_human_votes=int(asked.sum()),
            ridge=fitted.ridge,
            concentration=kappa,
            comparison=self.comparison(),
        )

    def comparison(self) -> list[dict[str, Any]]:
        """One row for each source and one for the mix, as plain values; see ``Reliability``.

        Each row's ridge was chosen on the folds that it is evaluated on, so that all rows are
        slightly optimistic in the same way.
        """
        return [asdict(line) for line in self._fitted().comparison]

    def fingerprint(self) -> str:
        """Hash of the rule and of the tables that its sources read."""
        parts = {key: source.fingerprint() for key, source in self.sources.items()}
        rule = ["mix", parts, self.human.fingerprint(), self.human_pairs, self.seed]
        return hashlib.sha256(json.dumps(rule, sort_keys=True).encode()).hexdigest()[:16]

    def _signals(self, pairs: Pairs) -> tuple[Array, NDArray[np.bool_]]:
        """Signals, 0 where there is none, and where there is one, shape (pairs, sources) each."""
        x = np.column_stack([signal(source, pairs) for source in self.sources.values()])
        known = ~np.isnan(x)
        return np.where(known, x, 0.0), known

    def _fitted(self) -> _Calibration:
        self.need_fitted(self._calibration)
        assert self._calibration is not None
        return self._calibration


def _calibrate(
    order_terms: Mapping[str, float],
    pairs: Pairs,
    x: Array,
    known: NDArray[np.bool_],
    human: Labels,
    scale: Array,
    seed: int,
) -> _Calibration:
    p, n = human.preference, human.weight
    rounds = ROUNDS if len(pairs) < 4000 else 1
    folds = list(
        image_disjoint_folds(pairs.left, pairs.right, folds=FOLDS, repeats=rounds, seed=seed)
    )
    names = list(order_terms)
    slope_alone = []
    scored = []
    for columns_ in [*([i] for i in range(len(names))), list(range(len(names)))]:
        ridge, rows, margins = choose_ridge(x[:, columns_], p, folds, ridges=RIDGES, weight=n)
        slope = antisymmetric_logistic(x[:, columns_], p, ridge=ridge, weight=n)
        slope_alone.append(float(slope[0]))
        scored.append(
            (
                log_loss(expit(margins), p[rows], weight=n[rows]),
                accuracy(margins, p[rows], weight=n[rows]),
            )
        )
    lines = [
        SourceReliability(
            name,
            int(known[:, i].sum()),
            slope_alone[i],
            float(slope[i]),
            order_terms[name],
            *scored[i],
        )
        for i, name in enumerate(names)
    ]
    nan = float("nan")
    lines.append(SourceReliability("mix", int(known.any(axis=1).sum()), nan, nan, nan, *scored[-1]))
    return _Calibration(
        scale,
        slope,
        ridge,
        human_weight(expit(margins), p[rows], n[rows]),
        pairs,
        p,
        n,
        tuple(lines),
    )


def _order_term(source: LabelSource, pairs: Pairs) -> float:
    terms = source.labels(pairs).facts.get("order_term")
    return float(next(iter(terms.values()))["b"]) if terms else float("nan")
