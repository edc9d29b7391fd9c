"""Label sources that read the human votes of a few training pairs beside models' labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import ConfigError, LabelError
from interestingness.labels.source import LabelSource
from interestingness.labels.votes import VoteSource
from interestingness.schema import Pairs
from interestingness.tables.tables import Tables

MIN_HUMAN_PAIRS = 10


class CalibratedSource(LabelSource):
    """Models' labels, and human votes on a random sample of the training pairs.

    Attributes:
        sources: of models, by name.
        human: of people.
        human_pairs: size of the sample; None takes every training pair with human votes.
        seed: of the sample.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        name: str,
        sources: dict[str, LabelSource],
        human: LabelSource,
        human_pairs: int | None,
        seed: int,
    ) -> None:
        """Keep the parts.

        Raises:
            ConfigError: for too few ``human_pairs``, or a source that reads human votes on the same
                question.
        """
        super().__init__(tables, name=name)
        self.sources, self.human = sources, human
        self.human_pairs, self.seed = human_pairs, seed
        if human_pairs is not None and human_pairs < MIN_HUMAN_PAIRS:
            raise ConfigError(
                f"human_pairs = {human_pairs}",
                expected=f"{MIN_HUMAN_PAIRS} or more, or null for all",
                todo=f"label_source.human_pairs={MIN_HUMAN_PAIRS}",
            )
        for key, source in sources.items():
            if _reads_the_same_people(source, human):
                raise ConfigError(
                    f"source {key!r} of {name} reads human votes on the question that calibrates",
                    expected="human votes under label_source.human only, where they are kept apart",
                    todo=f"remove it (~label_source.sources.{key}) or set its kind to model",
                )

    def missing(self) -> str | None:
        """What is missing for the sources and the human votes."""
        parts = {**self.sources, "human": self.human}
        lacking = [f"{key}: {m}" for key, s in parts.items() if (m := s.missing()) is not None]
        return "; ".join(lacking) or None

    def simulated(self) -> str:
        """The sentence of the first simulated source."""
        said = (source.simulated() for source in (*self.sources.values(), self.human))
        return next(filter(None, said), "")

    def sample(self, pairs: Pairs, among: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Draw the rows of the pairs whose human votes are read.

        Args:
            pairs: training pairs in an order that depends on the images alone.
            among: pairs that may be drawn, shape (pairs,); None takes all.

        Raises:
            LabelError: if too few have human votes.
        """
        known = self.human.fit(pairs).labels(pairs).known
        voted = np.flatnonzero(known if among is None else known & among)
        if len(voted) < MIN_HUMAN_PAIRS:
            more = "" if among is None else f" and labels of {', '.join(self.sources)}"
            raise LabelError(
                f"label source {self.name!r}: {len(voted)} of {len(pairs)} training pairs have "
                f"human votes{more}",
                expected=f"at least {MIN_HUMAN_PAIRS}",
                todo="obtain human votes on more pairs, or choose another label source",
            )
        if self.human_pairs is None or len(voted) <= self.human_pairs:
            return voted
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.permutation(voted)[: self.human_pairs])

    def need_fitted(self, fitted: object) -> None:
        """Refuse labels before ``fit``.

        Raises:
            LabelError: where nothing is fitted.
        """
        if fitted is None:
            raise LabelError(
                f"label source {self.name!r} is not calibrated",
                expected="fit(training pairs) before labels(pairs)",
                todo="call fit with the training pairs",
            )


def in_image_order(pairs: Pairs) -> Pairs:
    """The pairs in an order that depends neither on theirs nor on which image is left."""
    low, high = np.minimum(pairs.left, pairs.right), np.maximum(pairs.left, pairs.right)
    return pairs[np.lexsort((high, low))]


def _reads_the_same_people(source: LabelSource, human: LabelSource) -> bool:
    return (
        isinstance(source, VoteSource)
        and isinstance(human, VoteSource)
        and source.kind != "model"
        and source.question == human.question
    )
