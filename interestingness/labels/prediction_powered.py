"""A label source in which few human votes correct a model's many labels (prediction-powered)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import LabelError
from interestingness.labels.calibrated import CalibratedSource, in_image_order
from interestingness.labels.source import Labels, LabelSource
from interestingness.ranges import Share
from interestingness.schema import Array, Pairs
from interestingness.tables.tables import Tables


@dataclass(frozen=True, eq=False)
class _Fitted:
    """The sample of human pairs with their labels, how many pairs the model labels, and λ."""

    human: Pairs
    preference: Array
    pairs: int
    power: float


class PredictionPoweredSource(CalibratedSource):
    """Labels that make a loss λ · L_model(all pairs) + [L_human(sample) − λ · L_model(sample)].

    L is Bradley–Terry's mean loss over N pairs with labels p of the model, and over the n of them
    that people labelled too, with their labels y. A pair's loss is ``softplus(m) − label · m`` for
    the margin m, so that everything a pair adds is again one such loss. In units of 1/n::

        other pairs     weight λ n / N             label p
        human pairs     weight 1 − λ + λ n / N     label (y − λ p + λ p n / N) / weight

    The weight is never negative: the sum stays convex, but labels of human pairs may leave [0, 1]
    and are ``Labels.rectified``. λ = 0 is people alone.

    The bracket is 0 on average if the human pairs are a random sample of all pairs, however biased
    the model is. L2 adds a bias of its own, so that nothing is claimed of the result.

    Source:
        Angelopoulos, Duchi and Zrnic 2023 (PPI++), whose estimator this is.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        name: str,
        model: LabelSource,
        human: LabelSource,
        human_pairs: int | None,
        power: Share | Literal["auto"],
        seed: int,
    ) -> None:
        """Keep the parts; tables are read by ``fit``.

        Args:
            tables: the prepared data set.
            name: shown in tables.
            model: labels all pairs.
            human: labels the sample.
            human_pairs: how many training pairs with human votes to use; None uses all.
            power: λ, in [0, 1]; "auto" is the slope of people's labels on the model's.
            seed: of the choice of the human pairs.

        Raises:
            ConfigError: for too few ``human_pairs``, or a model that reads the same human votes.
        """
        super().__init__(
            tables,
            name=name,
            sources={"model": model},
            human=human,
            human_pairs=human_pairs,
            seed=seed,
        )
        self.power = power
        self._state: _Fitted | None = None

    def fit(self, pairs: Pairs) -> Self:
        """Fit the model's source, draw the human pairs and choose λ.

        Raises:
            LabelError: if a part is missing, or fewer than ten pairs have labels of both.
        """
        missing = self.missing()
        if missing is not None:
            raise LabelError(f"label source {self.name!r}: {missing}")
        pairs = in_image_order(pairs)
        said = self.sources["model"].fit(pairs).labels(pairs)
        chosen = self.sample(pairs, said.known)
        human = pairs[chosen]
        y = self.human.fit(human).labels(human).preference
        power = slope(y, said.preference[chosen]) if self.power == "auto" else float(self.power)
        self._state = _Fitted(human, y, int(said.known.sum()), power)
        return self

    def labels(self, pairs: Pairs) -> Labels:
        """People's labels on the pairs of the sample, the model's on all others, and rectified.

        Raises:
            LabelError: before ``fit``.
        """
        fitted = self._fitted()
        p = self.sources["model"].labels(pairs).preference
        at = fitted.human.find(pairs.key)
        asked = at >= 0
        y = np.where(asked, fitted.preference[at], np.nan)
        share, power = len(fitted.human) / fitted.pairs, fitted.power
        weight = np.where(asked, 1 - power, 0.0) + power * share
        mass = np.where(asked, y - power * p, 0.0) + power * share * p
        rectified = np.where(weight > 0, mass / np.where(weight > 0, weight, 1.0), p)
        return Labels(
            np.where(asked, y, p),
            np.where(np.isnan(p), 0.0, weight),
            np.full(len(pairs), np.nan),
            {
                "human_pairs": len(fitted.human),
                "model_pairs": fitted.pairs,
                "power": power,
                "sample": "random, of the training pairs with human votes",
                "unbiased": "no: the head has L2",
            },
            rectified,
        )

    def asked(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Which pairs have human votes that are read, shape (pairs,)."""
        return np.asarray(self._fitted().human.find(pairs.key) >= 0)

    def _fitted(self) -> _Fitted:
        self.need_fitted(self._state)
        assert self._state is not None
        return self._state

    def fingerprint(self) -> str:
        """Hash of the rule and of the tables that its sources read."""
        parts = self.sources["model"].fingerprint(), self.human.fingerprint()
        rule = ["prediction_powered", parts, self.human_pairs, self.power, self.seed]
        return hashlib.sha256(json.dumps(rule).encode()).hexdigest()[:16]


def slope(human: Array, model: Array) -> float:
    """The λ in [0, 1] that leaves least noise in the gradient at equal scores.

    It is the slope of people's labels on the model's, both counted from ½, without an intercept
    (which image is left means nothing). Which pairs the noise is in does not matter for it.
    """
    apart = model - 0.5
    square = float(apart @ apart)
    return float(np.clip((human - 0.5) @ apart / square, 0.0, 1.0)) if square > 0 else 0.0
