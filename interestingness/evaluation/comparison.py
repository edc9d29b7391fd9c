"""Compare a model's image scores with one reference: numpy and ``stats`` only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.evaluation.predicted import Predicted, sigmoid
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import (
    ConsensusLevel,
    Estimate,
    OnePerson,
    ReferenceResult,
    ReliabilityBin,
    SeriesAccuracy,
    YesOrNo,
)
from interestingness.schema import Array, Pairs
from interestingness.stats.bootstrap import accuracy_interval
from interestingness.stats.calibration import (
    brier,
    expected_calibration_error,
    reliability_curve,
)
from interestingness.stats.correlation import kendall, spearman
from interestingness.stats.decisions import decision_interval, decisions
from interestingness.stats.rater_reliability import one_person
from interestingness.stats.retrieval import average_precision, ndcg

Rows = NDArray[np.int64]

APART = "no rank correlation: scores of different groups are not comparable"
LEVELS = 6
"""With more distinct consensus values than this (many raters), levels are tenths."""


def compare(
    name: str,
    reference: Reference,
    predicted: Predicted,
    pairs: Pairs,
    rows: Rows,
    *,
    has_zero: bool = False,
    ranked: bool = True,
    series: NDArray[np.object_] | None = None,
    resamples: int,
    seed: int,
) -> ReferenceResult:
    """Compare predictions with one reference.

    Args:
        name: shown in tables.
        reference: its labels for all pairs, or why there are none.
        predicted: scores of images and margins of all pairs, finite or NaN.
        pairs: all pairs.
        rows: rows of the test pairs.
        has_zero: whether a score above 0 says yes to an image.
        ranked: whether scores of all these images can be compared with each other.
        series: of each image, None for none, shape (images,); None where they are unknown.
        resamples: bootstrap resamples of images.
        seed: of the bootstrap.
    """
    labels = reference.labels
    if labels is None:
        return ReferenceResult(name, reference.learnt, reason=reference.reason)
    score, margin = predicted.score, predicted.margin
    scored = ~np.isnan(margin[rows])
    decided = labels.decided[rows]
    ties = int((labels.known[rows] & ~decided).sum())
    used = rows[decided & scored]
    counts: dict[str, Any] = {"ties": ties, "unscored": int((decided & ~scored).sum())}
    if not len(used):
        reason = _why_none(len(rows), int(decided.sum()), ties)
        return ReferenceResult(name, reference.learnt, reason=reason, **counts)

    known = rows[labels.known[rows] & scored]
    probability = sigmoid(margin[known])
    preference = labels.preference[known]
    curve = reliability_curve(probability, preference)
    ranks: dict[str, Any] = {"notes": (APART,)}
    if ranked:
        ranks = _ranking(reference, score, pairs, rows, known)
    if has_zero and reference.image_scores is not None:
        ranks["yes_or_no"] = _yes_or_no(reference.image_scores, score, pairs[rows], resamples, seed)
    return ReferenceResult(
        name,
        reference.learnt,
        pairs=len(used),
        images=len(pairs[used].images_used()),
        accuracy=_accuracy(predicted, pairs, reference, used, resamples, seed),
        ece=finite(expected_calibration_error(probability, preference)),
        brier=finite(brier(probability, preference)),
        reliability=tuple(
            ReliabilityBin(*map(float, row))
            for row in zip(curve.predicted, curve.observed, curve.weight, strict=True)
        ),
        consensus=_by_consensus(predicted, pairs, reference, used, resamples, seed),
        one_person=_one_person(reference, pairs, used),
        within_series=_within_series(predicted, pairs, reference, used, series, resamples, seed),
        **counts,
        **ranks,
    )


def _yes_or_no(
    truth: Array, score: Array, test: Pairs, resamples: int, seed: int
) -> YesOrNo | None:
    """Compare signs of scores with a binary reference; None if the reference is graded."""
    images = test.images_used()
    images = images[~np.isnan(score[images]) & ~np.isnan(truth[images])]
    # over all images, not only the test images: the grades of a few may look binary
    values = np.unique(truth[~np.isnan(truth)])
    if len(values) != 2 or not len(images):
        return None
    images = images[np.argsort(score[images], kind="stable")]  # as in ``_accuracy``
    flag = (truth[images] == values[1]).astype(np.float64)
    interval = decision_interval(score[images], flag, seed=seed, repeats=resamples)
    found = decisions(score[images], flag)
    return YesOrNo(
        len(images),
        float(flag.mean()),
        Estimate(finite(interval.estimate), finite(interval.low), finite(interval.high)),
        finite(found.precision),
        finite(found.recall),
    )


def finite(value: float) -> float | None:
    """Return a plain float, or None for NaN and infinities."""
    return float(value) if math.isfinite(value) else None


def _why_none(pairs: int, decided: int, ties: int) -> str:
    if not pairs:
        return "there is no test pair"
    if decided:
        return f"it decides {decided} of {pairs} test pairs, none with scores on both images"
    if ties:
        return f"it decides none of {pairs} test pairs ({ties} are ties)"
    return f"it has no label for any of {pairs} test pairs"


def _accuracy(
    predicted: Predicted,
    pairs: Pairs,
    reference: Reference,
    used: Rows,
    resamples: int,
    seed: int,
) -> Estimate:
    assert reference.labels is not None
    place = np.argsort(
        np.argsort(predicted.score, kind="stable")
    )  # names do not decide what is resampled
    interval = accuracy_interval(
        predicted.margin[used],
        reference.labels.preference[used],
        place[pairs.left[used]],
        place[pairs.right[used]],
        seed=seed,
        repeats=resamples,
    )
    return Estimate(finite(interval.estimate), finite(interval.low), finite(interval.high))


def _by_consensus(
    predicted: Predicted, pairs: Pairs, reference: Reference, used: Rows, resamples: int, seed: int
) -> tuple[ConsensusLevel, ...]:
    """Return accuracy by the share of votes on the majority side, lowest first."""
    assert reference.labels is not None
    consensus = reference.labels.consensus[used]
    percent = np.round(100 * consensus, 1)
    levels = np.unique(percent[~np.isnan(percent)])
    if len(levels) <= LEVELS:
        groups = [(f"{level:g} %", percent == level) for level in levels]
    else:
        # (50, 60], (60, 70], …: a majority of exactly half is a tie and not among the decided
        upper = np.ceil(np.round(percent / 10, 3))
        groups = [
            (f"{10 * (top - 1):g}–{10 * top:g} %", upper == top)
            for top in np.unique(upper[~np.isnan(upper)])
        ]
    return tuple(
        ConsensusLevel(
            label,
            int(at.sum()),
            _accuracy(predicted, pairs, reference, used[at], resamples, seed),
        )
        for label, at in groups
    )


def _within_series(
    predicted: Predicted,
    pairs: Pairs,
    reference: Reference,
    used: Rows,
    series: NDArray[np.object_] | None,
    resamples: int,
    seed: int,
) -> SeriesAccuracy | None:
    """Return the accuracy on pairs of one series; None where there are none."""
    if series is None:
        return None
    left, right = series[pairs.left[used]], series[pairs.right[used]]
    inside = np.array(
        [a is not None and a == b for a, b in zip(left, right, strict=True)], dtype=bool
    )
    if not inside.any():
        return None
    own = used[inside]
    accuracy = _accuracy(predicted, pairs, reference, own, resamples, seed)
    return SeriesAccuracy(len(own), len(set(left[inside].tolist())), accuracy)


def _one_person(reference: Reference, pairs: Pairs, used: Rows) -> OnePerson | None:
    """Compare one rater with the majority of the others, on the pairs of the accuracy."""
    votes = reference.votes
    if votes is None:
        return None
    there = votes[pairs[used].find(votes.key) >= 0]
    value = finite(one_person(there.key, there.rater, there.preference))
    if value is None:
        return None
    return OnePerson(value, raters=len(np.unique(there.rater)), pairs=len(np.unique(there.key)))


def _ranking(
    reference: Reference, score: Array, pairs: Pairs, rows: Rows, known: Rows
) -> dict[str, Any]:
    """Compute rank correlations and retrieval measures over the scored test images."""
    assert reference.labels is not None
    images = pairs[rows].images_used()
    images = images[~np.isnan(score[images])]
    notes = []
    if reference.image_scores is not None:
        basis, truth = "scores", reference.image_scores[images].astype(np.float64)
    else:
        preference = reference.labels.preference[known]
        sides = np.concatenate([pairs.left[known], pairs.right[known]])
        wins = np.concatenate([preference, 1 - preference])
        size = len(pairs.image_ids)
        number = np.bincount(sides, minlength=size)[images].astype(np.float64)
        won = np.bincount(sides, weights=wins, minlength=size)[images]
        basis = "win share"
        truth = np.where(number > 0, won / np.maximum(number, 1), np.nan)
    measures: dict[str, Any] = {
        "ranking": basis,
        "spearman": finite(spearman(score[images], truth)),
        "kendall": finite(kendall(score[images], truth)),
    }
    if measures["spearman"] is None:
        notes.append("no rank correlation: the model's or the reference's scores do not vary")
    if basis == "scores":
        flags = np.unique(truth[~np.isnan(truth)])
        if len(flags) > 1:
            gain = (truth - flags[0]) / (flags[-1] - flags[0])
            measures["ndcg"] = finite(ndcg(score[images], gain))
            if len(flags) == 2:
                measures["average_precision"] = finite(average_precision(score[images], gain))
    measures["notes"] = tuple(notes)
    return measures
