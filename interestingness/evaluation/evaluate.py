"""Compare a trained model's scores with every reference on the test pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import LabelError
from interestingness.evaluation.comparison import Rows, compare, finite
from interestingness.evaluation.powered import powered_accuracy
from interestingness.evaluation.predicted import Predicted, sigmoid
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import (
    Estimate,
    Evaluation,
    GroupResult,
    Histogram,
    Mistake,
    PoweredAccuracy,
    RankedImage,
)
from interestingness.schema import Array, Pairs

MOST_GROUPS = 20
"""Groups with results of their own, those with the most test pairs."""


@dataclass(frozen=True, eq=False)
class ImageGroups:
    """Groups of images that results are given for.

    Attributes:
        column: of the image table.
        of: group of each image, None for none, shape (images,).
        apart: whether scores of different groups cannot be compared: pairs lie within groups.
    """

    column: str
    of: NDArray[np.object_]
    apart: bool


def evaluate(
    score: Array | Predicted,
    pairs: Pairs,
    test: NDArray[np.bool_] | NDArray[np.integer],
    references: Mapping[str, Reference],
    *,
    main: str | None = None,
    judge: str | None = None,
    has_zero: bool = False,
    groups: ImageGroups | None = None,
    series: NDArray[np.object_] | None = None,
    shown: int = 12,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Compare image scores with every reference on the test pairs.

    Args:
        score: the model's score per image of ``pairs``, in logits, shape (images,); NaN or
            infinite where the image has none: its pairs are counted as unscored and left out. Or
            predictions of both images and pairs.
        pairs: all pairs.
        test: rows of the test pairs, or a mask over all pairs.
        references: by name, in the order of the table.
        main: reference that mistakes are counted against; where it is None or has no labels, the
            first that can.
        judge: reference whose labels sharpen the accuracy against ``main``, if that labels a random
            sample of the test pairs; None for none.
        has_zero: whether a score above 0 says yes to an image (``PairLoss.has_zero``).
        groups: of images, each of which gets results of its own.
        series: of each image, None for none, shape (images,): pairs inside one get an accuracy of
            their own, because a scorer may order scenes well and frames of one scene not at all.
        shown: how many images and mistakes to keep for showing.
        resamples: bootstrap resamples of images.
        seed: of the bootstrap.

    Returns:
        Plain values; a value that cannot be computed is None, with a reason or note.

    Raises:
        LabelError: if there is not one score per image, ``main`` or ``judge`` is not a reference,
            or they have too few pairs in common.
    """
    predicted = score if isinstance(score, Predicted) else _predicted(score, pairs)
    if main is not None and main not in references:
        raise LabelError(
            f"the main reference {main!r} is not among the references",
            expected=f"one of {', '.join(references) or 'none'}",
            todo="name one of them, or add it",
        )
    score = predicted.score
    test = np.asarray(test)
    rows: Rows = np.flatnonzero(test) if test.dtype == bool else test.astype(np.int64)
    used = pairs[rows].images_used().astype(np.int64)
    images = used[~np.isnan(score[used])]
    options: dict[str, Any] = {"has_zero": has_zero, "resamples": resamples, "seed": seed}
    ranked = groups is None or not groups.apart
    results = tuple(
        compare(name, reference, predicted, pairs, rows, ranked=ranked, series=series, **options)
        for name, reference in references.items()
    )
    by_group = tuple(
        GroupResult(
            group,
            tuple(
                compare(name, reference, predicted, pairs, own, **options)
                for name, reference in references.items()
            ),
        )
        for group, own in _rows_by_group(groups, pairs, rows)
    )
    able = [r.name for r in results if r.compared]
    if main not in able:
        main = able[0] if able else None
    if judge is not None:
        found = _powered(predicted, pairs, rows, references, main, judge, resamples, seed)
        results = tuple(replace(r, powered=found) if r.name == main else r for r in results)
    lower = _share_lower(score[images], None if ranked or groups is None else groups.of[images])
    highest, middle, lowest = _extremes(score, lower, pairs, images, shown)
    return Evaluation(
        pairs=len(rows),
        images=len(images),
        unscored_images=len(used) - len(images),
        main=main,
        references=results,
        mistakes=_mistakes(predicted, pairs, rows, references.get(main or ""), shown),
        highest=highest,
        middle=middle,
        lowest=lowest,
        histogram=_histogram(score[images]) if ranked else Histogram(),
        group_column=groups.column if groups is not None else None,
        groups=by_group,
        apart=not ranked,
    )


def _powered(
    predicted: Predicted,
    pairs: Pairs,
    rows: Rows,
    references: Mapping[str, Reference],
    main: str | None,
    judge: str,
    resamples: int,
    seed: int,
) -> PoweredAccuracy:
    able = [name for name, r in references.items() if r.labels is not None and name != main]
    given = {name: reference.labels for name, reference in references.items()}
    people, many = given.get(main or ""), given.get(judge)
    if people is None or many is None or judge == main:
        raise LabelError(
            f"judge={judge}, beside the main reference {main}",
            expected=f"another reference with labels: {', '.join(able) or 'there is none'}",
            todo="name one of them, or leave judge out",
        )
    found = powered_accuracy(
        predicted.margin, people, many, judge, pairs, rows, resamples=resamples, seed=seed
    )
    ends = found.interval
    estimate = Estimate(ends.estimate, finite(ends.low), finite(ends.high))
    return PoweredAccuracy(judge, estimate, found.power, found.labelled, found.pairs)


def _predicted(score: Array, pairs: Pairs) -> Predicted:
    score = np.asarray(score, dtype=np.float64)
    if score.shape != (len(pairs.image_ids),):
        raise LabelError(
            f"scores of shape {score.shape} for {len(pairs.image_ids)} images",
            expected="one score per image, NaN where there is none",
            todo="score the images of the same data set",
        )
    return Predicted.of(score, pairs)


def _rows_by_group(groups: ImageGroups | None, pairs: Pairs, rows: Rows) -> list[tuple[str, Rows]]:
    """Return the test pairs inside each group, by name; of many groups the largest."""
    if groups is None:
        return []
    left, right = groups.of[pairs.left[rows]], groups.of[pairs.right[rows]]
    inside: dict[str, list[int]] = {}
    for row, one, other in zip(rows.tolist(), left.tolist(), right.tolist(), strict=True):
        if one is not None and one == other:
            inside.setdefault(str(one), []).append(row)
    largest = sorted(inside, key=lambda name: -len(inside[name]))[:MOST_GROUPS]
    return [(name, np.asarray(inside[name])) for name in sorted(largest)]


def _share_lower(values: Array, group: NDArray[np.object_] | None) -> Array:
    """Return the share of images, or of those of the same group, that score lower."""
    if group is None:
        return np.searchsorted(np.sort(values), values, side="left") / max(len(values), 1)
    share = np.zeros(len(values))
    for name in set(group.tolist()):
        own = np.flatnonzero([other == name for other in group.tolist()])
        share[own] = _share_lower(values[own], None)
    return share


def _extremes(
    score: Array, lower: Array, pairs: Pairs, images: Rows, shown: int
) -> tuple[tuple[RankedImage, ...], tuple[RankedImage, ...], tuple[RankedImage, ...]]:
    """Select the highest, middle and lowest test images, each best first and none twice.

    Args:
        score: of every image.
        lower: share of the images that each of ``images`` is compared with that scores lower.
        pairs, images, shown: as in ``evaluate``; rows of the images to choose from.
    """
    if not len(images):
        return (), (), ()
    values = score[images]
    order = np.lexsort((-values, -lower))
    each = min(shown, max(1, len(order) // 3))
    bottom = max(each, len(order) - each)
    rest = order[each:bottom]
    start = max(0, (len(rest) - each) // 2)
    groups = (order[:each], rest[start : start + each], order[bottom:])
    highest, middle, lowest = (
        tuple(
            RankedImage(str(pairs.image_ids[images[i]]), float(values[i]), float(lower[i]))
            for i in group
        )
        for group in groups
    )
    return highest, middle, lowest


def _mistakes(
    predicted: Predicted, pairs: Pairs, rows: Rows, reference: Reference | None, shown: int
) -> tuple[Mistake, ...]:
    """Return the wrong pairs, the most confident first."""
    if reference is None or reference.labels is None:
        return ()
    labels = reference.labels
    left, right = pairs.left[rows], pairs.right[rows]
    score, margin = predicted.score, predicted.margin[rows]
    preference = labels.preference[rows]
    wrong = labels.decided[rows] & (np.sign(margin) * np.sign(preference - 0.5) < 0)
    at = np.flatnonzero(wrong)
    at = at[np.argsort(-np.abs(margin[at]), kind="stable")][:shown]
    probability = sigmoid(margin)
    found = []
    for i in at.tolist():
        pair = pairs.pair(int(rows[i]))
        found.append(
            Mistake(
                pair.pair_id,
                pair.left,
                pair.right,
                float(score[left[i]]),
                float(score[right[i]]),
                float(margin[i]),
                float(probability[i]),
                float(preference[i]),
                finite(labels.consensus[rows[i]]),
            )
        )
    return tuple(found)


def _histogram(values: Array) -> Histogram:
    if not len(values):
        return Histogram()
    # numpy cannot divide a range into bins that is narrower than the floating-point precision
    spread = np.ptp(values) > 1e-9 * np.abs(values).max()
    bins = int(np.clip(np.sqrt(len(values)), 5, 30)) if spread else 1
    counts, edges = np.histogram(values, bins=bins)
    return Histogram(tuple(map(float, edges)), tuple(map(int, counts)))
