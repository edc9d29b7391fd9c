"""Simulated images with a known truth, a linear ranker, and how well it ranks what it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interestingness.labels.source import Labels
from interestingness.learning.linear_solver.fit import fit_linear
from interestingness.schema import Array, Pairs
from interestingness.stats.agreement import accuracy
from interestingness.stats.correlation import spearman
from interestingness.stats.pair_choice import next_pairs

SIGNAL, DIM = 16, 64
"""Features that the truth depends on, and all features: the rest is noise to the ranker."""
UNSEEN = 0.2
"""Share of the truth's variance that no feature shows."""
STRENGTHS = (1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True, eq=False)
class SimulatedImages:
    """Images with features and a truth, and pairs of the first of them in the order of asking.

    Attributes:
        features: shape (images + held_out, DIM).
        truth: utility, shape (images + held_out,).
        pairs: over the first images, near-regular whichever number of them is asked.
    """

    features: Array
    truth: Array
    pairs: Pairs

    @classmethod
    def of(
        cls, images: int, held_out: int, pairs: int, rng: np.random.Generator
    ) -> SimulatedImages:
        """Draw one."""
        features, truth = truth_in_features(images + held_out, rng)
        chosen = next_pairs(
            [], [], [], images=images, pairs=pairs, seed=int(rng.integers(2**31)), random_share=1
        )
        return cls(features, truth, pairs_of(chosen.left, chosen.right, images))

    def held_out(self, images: int) -> tuple[Array, Array]:
        """Features and truth of the images that no label is about."""
        return self.features[images:], self.truth[images:]


def truth_in_features(images: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Normal features, and a utility of variance 1 that is linear in some of them and noise."""
    features = rng.normal(size=(images, DIM))
    weights = rng.normal(size=SIGNAL)
    seen = features[:, :SIGNAL] @ weights / np.linalg.norm(weights)
    return features, np.sqrt(1 - UNSEEN) * seen + np.sqrt(UNSEEN) * rng.normal(size=images)


def pairs_of(left: NDArray[np.int64], right: NDArray[np.int64], images: int) -> Pairs:
    """Distinct pairs of numbered images; keys are numbers too, hashes would only take time."""
    names = np.array([f"{i:05d}" for i in range(images)], dtype=object)
    key = (left * images + right).astype(np.uint64)
    return Pairs(names, left.astype(np.int32), right.astype(np.int32), key)


def ranker(features: Array, pairs: Pairs, labels: Labels, *, seed: int) -> Array:
    """One of ``rankers``, shape (dim,)."""
    return rankers(features, pairs, [labels], seed=seed)[0]


def rankers(features: Array, pairs: Pairs, labels: Sequence[Labels], *, seed: int) -> Array:
    """Weights of linear rankers, L2 of each chosen by inner validation on its labels alone.

    Args:
        features: shape (images, dim).
        pairs: that the labels are about.
        labels: of the same pairs, by different rules.
        seed: of the inner validation.

    Returns:
        Shape (labels, dim); NaN where labels are all alike and there is nothing to learn.
    """
    preference = np.stack([each.preference for each in labels], axis=1)
    weight = np.stack([np.where(each.known, each.weight, 0.0) for each in labels], axis=1)
    fitted = fit_linear(
        features,
        pairs,
        preference,
        weight,
        l2="auto",
        seed=seed,
        strengths=STRENGTHS,
        # where there are too few pairs to validate, the strongest
        otherwise=STRENGTHS[-1],
    )
    return fitted.weights[0].astype(np.float64)


def judged(weights: Array, features: Array, truth: Array) -> tuple[float, float]:
    """Accuracy over all pairs of images, and Spearman, against the truth."""
    score = features @ weights
    low, high = np.triu_indices(len(truth), 1)
    right = (truth[low] > truth[high]).astype(np.float64)
    return accuracy(score[low] - score[high], right), spearman(score, truth)
