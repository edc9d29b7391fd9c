"""Label sources: named rules that give each pair a preference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import LabelError
from interestingness.schema import Pairs
from interestingness.tables.tables import Tables


@dataclass(frozen=True, eq=False)
class Labels:
    """Preferences for some pairs.

    Attributes:
        preference: probability that left is preferred, in [0, 1]; NaN none, shape (pairs,).
        weight: non-negative, 1 unless the source sets it, shape (pairs,).
        consensus: share of a pair's votes on its majority side, in [0.5, 1]; NaN where the source
            has no votes, shape (pairs,).
        facts: plain values to print beside the labels (order term, number of ties, …).
        rectified: what the loss takes in place of the preference, where it is the sum of several
            losses (``labels.prediction_powered``): any finite number, NaN where there is no label,
            shape (pairs,). None takes the preference.
    """

    preference: NDArray[np.float64]
    weight: NDArray[np.float64]
    consensus: NDArray[np.float64]
    facts: Mapping[str, Any] = field(default_factory=dict)
    rectified: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        known = self.preference[~np.isnan(self.preference)]
        if len(known) and (known.min() < 0 or known.max() > 1):
            raise LabelError(
                f"preferences from {known.min():g} to {known.max():g}",
                expected="probabilities that left is preferred, in [0, 1], or NaN",
                todo="correct the label source",
            )
        if not (self.weight >= 0).all():
            raise LabelError(
                "a label weight is negative or NaN",
                expected="weights of 0 or more",
                todo="correct the label source",
            )

    @classmethod
    def of(cls, preference: NDArray[np.float64], **facts: Any) -> Labels:
        """Labels with weight 1 and no consensus."""
        return cls(preference, np.ones(len(preference)), np.full(len(preference), np.nan), facts)

    def __len__(self) -> int:
        return len(self.preference)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where the source has a label, ties included, shape (pairs,)."""
        return ~np.isnan(self.preference)

    @property
    def target(self) -> NDArray[np.float64]:
        """What a model is trained on: rectified labels where there are any, else preferences."""
        return self.preference if self.rectified is None else self.rectified

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Where it prefers one side, shape (pairs,)."""
        return self.known & (self.preference != 0.5)

    def sides(self) -> Labels:
        """The same with certain preferences: 1, 0 or, for a tie, 0.5."""
        return replace(self, preference=0.5 + 0.5 * np.sign(self.preference - 0.5))


class LabelSource(ABC):
    """A named rule that gives each pair a preference.

    A source reads tables and nothing else: it uses no network and trains no neural network. To add
    your own, write a subclass, name it in a YAML file of the group ``label_source``, and test it
    with ``interestingness.testing.LabelSourceContract``.

    Attributes:
        name: shown in tables.
        tables: the prepared data set.
        planted: whether it reads the truth of a simulation, which real data do not have: studies
            show it and never recommend it.
    """

    planted: bool = False

    def __init__(self, tables: Tables, *, name: str) -> None:
        """Keep the tables; they are read by ``labels``."""
        self.name = name
        self.tables = tables

    def fit(self, pairs: Pairs) -> Self:
        """Estimate the rule's parameters (calibration, order term) from training pairs only.

        Sources without parameters return themselves.
        """
        return self

    @abstractmethod
    def labels(self, pairs: Pairs) -> Labels:
        """Preferences for these pairs, in their order; NaN for pairs without a label."""

    def image_scores(self) -> NDArray[np.float64] | None:
        """One number per image of the tables, NaN where there is none, shape (images,); None if
        the source labels pairs only."""
        return None

    def simulated(self) -> str:
        """Sentence to print with every number if simulated raters made the labels, else ""."""
        return ""

    @abstractmethod
    def missing(self) -> str | None:
        """None if the tables have everything that the source reads; else one sentence with the
        missing table or column and the command that obtains it."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the rule and of the tables that it reads."""
