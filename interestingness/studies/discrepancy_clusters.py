"""Compare two sources and their models on each cluster of texts or images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from interestingness.schema import Array, Pairs
from interestingness.stats.bootstrap import Interval, accuracy_interval
from interestingness.stats.refits import training_variance
from interestingness.studies.held_out_ranks import HeldOutRanks
from interestingness.studies.texts import Texts

UNKNOWN = Interval(float("nan"), float("nan"), float("nan"), 0.95, 0)


@dataclass(frozen=True, eq=False)
class Sides:
    """Preferences of the two sources and ranks by their models.

    Attributes:
        reference, source: preference of each for left, in [0, 1] or NaN, shape (pairs,).
        reference_ranks, source_ranks: held-out ranks by the model of each.
    """

    reference: Array
    source: Array
    reference_ranks: HeldOutRanks
    source_ranks: HeldOutRanks

    @property
    def reference_rank(self) -> Array:
        """Return relative ranks by the reference's model, 0 for the most interesting, (images,)."""
        return self.reference_ranks.rank

    @property
    def source_rank(self) -> Array:
        """Return relative ranks by the source's model, shape (images,)."""
        return self.source_ranks.rank

    @property
    def lead(self) -> Array:
        """Return how much higher the source's model ranks an image, in (−1, 1), (images,)."""
        return self.reference_rank - self.source_rank

    @property
    def lead_refits(self) -> tuple[Array, Array]:
        """Return the lead after training on resampled images and pairs, (images, refits) each."""
        one, other = self.reference_ranks, self.source_ranks
        return one.by_image - other.by_image, one.by_pair - other.by_pair


@dataclass(frozen=True, eq=False)
class ClusterFacts:
    """One cluster.

    Attributes:
        number: from 0, the largest first.
        words: its salient words.
        texts: how many texts (or images) it holds.
        images: rows of the different images that they are about.
        pairs: number of pairs (or votes, for reasons) behind the agreement.
        agreement: share of them on which both sources choose the same side.
        agreed_winner: of the pairs on which they agree and that have one image of the cluster:
            share in which that image wins.
        reference_rank, source_rank: mean relative ranks of its images; 0.5 is chance, or for
            reasons the mean over all clusters.
        lead: mean rank by the reference minus that by the source; positive if the source's model
            likes them more.
        verdict: see the function ``verdict``.
    """

    number: int
    words: tuple[str, ...]
    texts: int
    images: NDArray[np.int64]
    pairs: int
    agreement: Interval
    agreed_winner: Interval
    reference_rank: Interval
    source_rank: Interval
    lead: Interval
    verdict: str

    @property
    def title(self) -> str:
        """Name the cluster by number and words: ``3 boat, sea``."""
        return f"{self.number + 1} {', '.join(self.words)}".strip()


def verdict(reference: Interval, source: Interval, lead: Interval, names: tuple[str, str]) -> str:
    """Decide who likes a cluster, as far as the intervals allow.

    Args:
        reference, source: mean relative ranks, 0 the most interesting; chance is 0.5.
        lead: the reference's minus the source's.
        names: of the two sources.

    Returns:
        "both like" (both intervals better than 0.5), "both dislike" (both worse), else
        "<name> more" if the lead differs from 0, else "undecided".
    """
    if reference.high < 0.5 and source.high < 0.5:
        return "both like"
    if reference.low > 0.5 and source.low > 0.5:
        return "both dislike"
    if lead.low > 0:
        return f"{names[1]} more"
    if lead.high < 0:
        return f"{names[0]} more"
    return "undecided"


def cluster_facts(
    texts: Texts,
    cluster: NDArray[np.int64],
    words: Sequence[tuple[str, ...]],
    pairs: Pairs,
    sides: Sides,
    *,
    names: tuple[str, str],
    reader: int,
    seed: int,
    repeats: int = 1000,
) -> list[ClusterFacts]:
    """Compute the facts of every cluster, the largest first.

    A reason is given for an image that won, so images with reasons rank high whatever the reason.
    Their ranks are therefore shifted: 0.5 is the mean over the images of all clusters.

    Args:
        texts: what was clustered.
        cluster: numbers from 0, shape (texts,).
        words: salient words of each cluster.
        pairs: all pairs.
        sides: preferences and ranks of the two sources.
        names: of reference and source.
        reader: whose answer a reason is compared with: 0 the reference, 1 the source;
            descriptions ignore it.
        seed: of the resamples.
        repeats: number of resamples.
    """
    found = []
    members = [np.unique(texts.image[cluster == number]) for number in range(len(words))]
    given = bool((texts.pair >= 0).all())
    shift = [
        0.5 - float(np.nanmean(rank[np.concatenate(members)])) if given else 0.0
        for rank in (sides.reference_rank, sides.source_rank)
    ]
    for number, (named, images) in enumerate(zip(words, members, strict=True)):
        rows = np.flatnonzero(cluster == number)
        if given:
            other = (sides.reference, sides.source)[reader]
            agreed, count = _reasons_agreement(texts, rows, pairs, other, seed, repeats)
            winner = UNKNOWN
        else:
            agreed, count = _pair_agreement(images, pairs, sides, seed, repeats)
            winner = _agreed_winner(images, pairs, sides, seed, repeats)
        reference, source = (
            mean_rank(r.rank[images] + by, r.by_image[images], r.by_pair[images])
            for r, by in zip((sides.reference_ranks, sides.source_ranks), shift, strict=True)
        )
        lead = mean_rank(
            sides.lead[images] + shift[0] - shift[1],
            *(refit[images] for refit in sides.lead_refits),
        )
        found.append(
            ClusterFacts(
                number,
                named,
                len(rows),
                images,
                count,
                agreed,
                winner,
                reference,
                source,
                lead,
                verdict(reference, source, lead, names),
            )
        )
    return found


def decided(sides: Sides) -> NDArray[np.bool_]:
    """Select pairs on which both sources prefer a side, shape (pairs,)."""
    known = ~np.isnan(sides.reference) & ~np.isnan(sides.source)
    return known & (sides.reference != 0.5) & (sides.source != 0.5)


def _pair_agreement(
    images: NDArray[np.int64], pairs: Pairs, sides: Sides, seed: int, repeats: int
) -> tuple[Interval, int]:
    """Compute agreement over the pairs with an image of the cluster, each counted once."""
    rows = np.flatnonzero(
        decided(sides) & (np.isin(pairs.left, images) | np.isin(pairs.right, images))
    )
    interval = accuracy_interval(
        sides.source[rows] - 0.5,
        sides.reference[rows],
        pairs.left[rows],
        pairs.right[rows],
        seed=seed,
        repeats=repeats,
    )
    return interval, len(rows)


def _agreed_winner(
    images: NDArray[np.int64], pairs: Pairs, sides: Sides, seed: int, repeats: int
) -> Interval:
    """Compute how often the cluster's image wins where both sources agree.

    Pairs with both images in the cluster are left out: one of them always wins.
    """
    left, right = np.isin(pairs.left, images), np.isin(pairs.right, images)
    same = (sides.reference > 0.5) == (sides.source > 0.5)
    rows = np.flatnonzero(decided(sides) & same & (left != right))
    return accuracy_interval(
        np.where(left[rows], 1.0, -1.0),
        sides.reference[rows],
        pairs.left[rows],
        pairs.right[rows],
        seed=seed,
        repeats=repeats,
    )


def _reasons_agreement(
    texts: Texts,
    rows: NDArray[np.int64],
    pairs: Pairs,
    other: Array,
    seed: int,
    repeats: int,
) -> tuple[Interval, int]:
    """Compute how often the other source prefers the image that the reason supports."""
    pair = texts.pair[rows]
    known = ~np.isnan(other[pair]) & (other[pair] != 0.5)
    pair, image = pair[known], texts.image[rows][known]
    interval = accuracy_interval(
        np.where(pairs.left[pair] == image, 1.0, -1.0),
        other[pair],
        pairs.left[pair],
        pairs.right[pair],
        seed=seed,
        repeats=repeats,
    )
    return interval, len(pair)


def mean_rank(values: Array, by_image: Array, by_pair: Array, *, level: float = 0.95) -> Interval:
    """Average over a cluster's images; the interval covers another sample of images and pairs.

    Two things vary: which images represent the cluster, and which pairs the model was trained on.
    The error of one training is common to all images of a cluster, so resampling only these would
    make intervals far too short: between two halves of the same people, whose ranks
    differ by chance alone, they hold 0 in 61 to 74 % of clusters, and these in 94 to 96 %
    (``python benchmarks/discrepancy_coverage.py``).

    Args:
        values: one number an image, NaN where there is none, shape (images,).
        by_image: the same after training on resampled images, shape (images, refits).
        by_pair: the same after training on resampled pairs, shape (images, refits).
        level: nominal coverage.

    Returns:
        Estimate with Student's interval; unknown for fewer than two images.
    """
    known = ~np.isnan(values)
    images = int(known.sum())
    if images < 2:
        return UNKNOWN
    estimate = float(values[known].mean())
    training = training_variance(by_image[known].mean(axis=0), by_pair[known].mean(axis=0))
    sample = float(values[known].var(ddof=1)) / images
    reach = float(stdtrit(images - 1, (1 + level) / 2) * np.sqrt(training + sample))
    return Interval(estimate, estimate - reach, estimate + reach, level, by_image.shape[1])
