"""How much of the spread of a ranking is not chance, and how many votes make it reliable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from interestingness.schema import Array

LEAST = 6.0
"""Votes an image below which errors are too rough to tell."""


@dataclass(frozen=True)
class RankingReliability:
    """Reliability of estimated utilities.

    Attributes:
        reliability: share of the variance of the estimates that is not their error, in [0, 1];
            about the squared correlation with the true utilities.
        votes: that it rests on.
    """

    reliability: float
    votes: float

    def needed(self, reliability: float) -> float:
        """Votes, on the same images and as informative, that would give another reliability.

        Infinity where nothing but chance was found.

        Source:
            Spearman 1910; Brown 1910.
        """
        if self.reliability <= 0:
            return float("inf")
        odds = reliability / (1 - reliability)
        return self.votes * odds * (1 - self.reliability) / self.reliability


def ranking_reliability(utility: Array, error: Array, *, votes: float) -> RankingReliability | None:
    """Compare the errors of utilities with their spread.

    Args:
        utility: of images that votes connect, shape (images,).
        error: standard errors of the differences to their mean, shape (images,).
        votes: all votes on them.

    Returns:
        None for fewer than three images, or fewer than ``LEAST`` votes an image.

    Source:
        Scale separation reliability of paired comparisons (Bramley 2015); it may come out too high
        where pairs were chosen by the votes before.
    """
    if len(utility) < 3 or 2 * votes < LEAST * len(utility):
        return None
    spread = float(np.var(utility))
    share = 0.0 if spread == 0 else 1 - float(np.mean(error**2)) / spread
    return RankingReliability(min(max(share, 0.0), 1.0), votes)
