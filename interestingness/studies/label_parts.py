"""Take growing subsets of a label source, to see what fewer votes or scores would give."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from interestingness.data.splits import PairSplit
from interestingness.datasets.pairing import random_regular_pairs
from interestingness.labels.calibrated import CalibratedSource
from interestingness.labels.source import Labels, LabelSource
from interestingness.schema import Pairs
from interestingness.studies.study import Material

Rows = NDArray[np.int64]


class Parts:
    """Nested subsets of one source's training labels, split by split.

    A source of votes grows pair by pair. A source that scores images grows image by image: random
    pairs of its images are made, since scoring n images labels all pairs of them. A mix, or a
    prediction-powered source, grows by the pairs whose human votes calibrate it.

    Attributes:
        mixed: whether it reads human votes beside models' labels.
        scored: whether it scores images.
        usable: which pairs have features on both sides, shape (pairs,).
    """

    def __init__(self, material: Material, source: LabelSource, usable: NDArray[np.bool_]) -> None:
        """Keep the source; nothing is read yet.

        Args:
            material: data and splits.
            source: whose labels grow.
            usable: which pairs have features on both sides, shape (pairs,).
        """
        self._material, self._source, self.usable = material, source, usable
        self.mixed = isinstance(source, CalibratedSource)
        self.scored = not self.mixed and source.image_scores() is not None
        self._orders: dict[int, Rows] = {}

    def split(self, number: int) -> PairSplit:
        """Return the split of a repetition."""
        return self._material.split(number, self._material.tables)

    def order(self, number: int) -> Rows:
        """Shuffle the rows of a split's labelled training pairs (scores: images)."""
        if number not in self._orders:
            pairs, train = self._material.pairs, self._train(number)
            voice = (
                self._source.human if isinstance(self._source, CalibratedSource) else self._source
            )
            labels = voice.fit(pairs[train]).labels(pairs[train])
            rows = train[labels.known]
            found = pairs[rows].images_used().astype(np.int64) if self.scored else rows
            rng = np.random.default_rng((self._material.seed, number))
            self._orders[number] = rng.permutation(found)
        return self._orders[number]

    def collected(self) -> float:
        """Count the votes (of scores: images) behind the source on all pairs, tested ones too."""
        pairs = self._material.pairs
        if self.scored:
            scores = self._source.image_scores()
            assert scores is not None
            return float((~np.isnan(scores[pairs.images_used()])).sum())
        voice = self._source.human if isinstance(self._source, CalibratedSource) else self._source
        labels = voice.labels(pairs)
        if isinstance(self._source, CalibratedSource):
            return float(labels.weight[labels.known].sum())
        return float(labels.facts.get("votes", int(labels.known.sum())))

    def labels(self, number: int, size: int) -> tuple[Pairs, Labels, float]:
        """Return training pairs, labels from the first ``size`` of the order, and votes used."""
        if isinstance(self._source, CalibratedSource):
            return self._mixed(self._source, number, size)
        if self.scored:
            pairs = self._pairs_among(np.sort(self.order(number)[:size]), number)
            return pairs, self._source.fit(pairs).labels(pairs), float(size)
        pairs = self._material.pairs[np.sort(self.order(number)[:size])]
        labels = self._source.fit(pairs).labels(pairs)
        return pairs, labels, float(labels.facts.get("votes", len(pairs)))

    def _mixed(self, mix: CalibratedSource, number: int, size: int) -> tuple[Pairs, Labels, float]:
        pairs = self._material.pairs[self._train(number)]
        part = copy.copy(mix)
        part.human_pairs, part.seed = size, mix.seed + number
        labels = part.fit(pairs).labels(pairs)
        human = part.human.labels(pairs)
        return pairs, labels, size * float(human.weight[human.known].mean())

    def _pairs_among(self, images: Rows, number: int) -> Pairs:
        """Draw random pairs of these images, none of them a test pair."""
        pairs = self._material.pairs
        degree = max(round(2 * len(pairs) / len(pairs.images_used())), 1)
        drawn = images[random_regular_pairs(len(images), degree, seed=number)]
        ids = pairs.image_ids
        made, _, _ = Pairs.from_ids(ids[drawn[:, 0]].tolist(), ids[drawn[:, 1]].tolist(), ids)
        held_out = pairs[self.split(number).test].find(made.key) >= 0
        return made[~held_out]

    def _train(self, number: int) -> Rows:
        return np.flatnonzero(self.split(number).train & self.usable)
