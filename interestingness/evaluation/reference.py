"""References: label sources that models are compared with, each read once for all pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import DataError, LabelError
from interestingness.labels.source import Labels, LabelSource
from interestingness.schema import Pairs
from interestingness.tables.tables import Votes


@dataclass(frozen=True, eq=False)
class Reference:
    """A label source's labels for all pairs, or why it cannot be read.

    Attributes:
        labels: one row per pair; None where the source cannot be read.
        reason: why it cannot be read, one sentence; "" where it can.
        image_scores: one number per image of the pairs' vocabulary, shape (images,), NaN where
            there is none; None if the source labels pairs only.
        votes: the single human votes behind the labels, which give the accuracy of one person;
            None where there are none.
        learnt: whether the model was trained on this source.
    """

    labels: Labels | None
    reason: str = ""
    image_scores: NDArray[np.float64] | None = None
    votes: Votes | None = None
    learnt: bool = False

    @classmethod
    def of(
        cls,
        source: LabelSource | Labels,
        pairs: Pairs,
        *,
        labels: Labels | None = None,
        train: NDArray[np.bool_] | NDArray[np.integer] | None = None,
        image_scores: NDArray[np.float64] | None = None,
        votes: Votes | None = None,
        learnt: bool = False,
    ) -> Reference:
        """Read a source for these pairs; a source that cannot be read keeps its reason.

        A source of numbers is held to their order: how far its labels are graded is a way to train.

        Args:
            source: a label source, or existing labels for ``pairs``.
            pairs: all pairs of the data set.
            labels: labels of the source, then already fitted, for ``pairs``, where they are known.
            train: rows that the source may estimate its own parameters from; None takes it as it
                is (fitted already, or without parameters).
            image_scores: instead of the source's own, shape (images,).
            votes: single human votes, for the accuracy of one person.
            learnt: whether the model was trained on it.

        Raises:
            LabelError: if there is not one given label per pair, or one given score per image.
        """
        if isinstance(source, Labels):
            labels = source
        else:
            missing = source.missing() if labels is None else None
            if missing is not None:
                return cls(None, reason=missing, learnt=learnt)
            try:
                if labels is None:
                    source = source if train is None else source.fit(pairs[train])
                    labels = source.labels(pairs)
                own = _by_image(source, pairs)
                labels = labels if own is None else labels.sides()
                image_scores = own if image_scores is None else image_scores
            except (DataError, LabelError) as error:
                return cls(None, reason=" ".join(str(error).split()), learnt=learnt)
        _check_length("labels", len(labels), len(pairs), "pairs")
        if image_scores is not None:
            _check_length("image scores", len(image_scores), len(pairs.image_ids), "images")
        return cls(labels, image_scores=image_scores, votes=votes, learnt=learnt)


def _by_image(source: LabelSource, pairs: Pairs) -> NDArray[np.float64] | None:
    """Return the source's image scores in the order of the pairs' images."""
    scores = source.image_scores()
    if scores is None:
        return None
    known = source.tables.image_ids
    if len(known) == len(pairs.image_ids) and (known == pairs.image_ids).all():
        return scores
    row_of = {name: row for row, name in enumerate(known.tolist())}
    rows = np.array([row_of.get(name, -1) for name in pairs.image_ids.tolist()], dtype=np.int64)
    return np.where(rows >= 0, scores[rows], np.nan)


def _check_length(what: str, found: int, expected: int, unit: str) -> None:
    if found != expected:
        raise LabelError(
            f"{found} {what} for {expected} {unit}",
            expected=f"one for each of the {unit}, in their order",
            todo="compute them for the same pairs",
        )
