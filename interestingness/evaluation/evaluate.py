"""Compare a trained model's scores with every reference on the test pairs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import LabelError
from interestingness.evaluation.comparison import Floats, Rows, compare, finite, sigmoid
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import Evaluation, Histogram, Mistake, RankedImage
from interestingness.schema import Pairs


def evaluate(
    score: Floats,
    pairs: Pairs,
    test: NDArray[np.bool_] | NDArray[np.integer],
    references: Mapping[str, Reference],
    *,
    main: str | None = None,
    has_zero: bool = False,
    shown: int = 12,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Compare image scores with every reference on the test pairs.

    Args:
        score: the model's score per image of ``pairs``, in logits, shape (images,); NaN or
            infinite where the image has none: its pairs are counted as unscored and left out.
        pairs: all pairs.
        test: rows of the test pairs, or a mask over all pairs.
        references: by name, in the order of the table.
        main: reference that mistakes are counted against; where it is None or has no labels, the
            first that can.
        has_zero: whether a score above 0 says yes to an image (``PairLoss.has_zero``).
        shown: how many images and mistakes to keep for showing.
        resamples: bootstrap resamples of images.
        seed: of the bootstrap.

    Returns:
        Plain values; a value that cannot be computed is None, with a reason or note.

    Raises:
        LabelError: if there is not one score per image, or ``main`` is not a reference.
    """
    score = np.asarray(score, dtype=np.float64)
    if score.shape != (len(pairs.image_ids),):
        raise LabelError(
            f"scores of shape {score.shape} for {len(pairs.image_ids)} images",
            expected="one score per image, NaN where there is none",
            todo="score the images of the same data set",
        )
    if main is not None and main not in references:
        raise LabelError(
            f"the main reference {main!r} is not among the references",
            expected=f"one of {', '.join(references) or 'none'}",
            todo="name one of them, or add it",
        )
    score = np.where(np.isfinite(score), score, np.nan)
    test = np.asarray(test)
    rows: Rows = np.flatnonzero(test) if test.dtype == bool else test.astype(np.int64)
    used = pairs[rows].images_used().astype(np.int64)
    images = used[~np.isnan(score[used])]
    results = tuple(
        compare(
            name, reference, score, pairs, rows, has_zero=has_zero, resamples=resamples, seed=seed
        )
        for name, reference in references.items()
    )
    able = [r.name for r in results if r.compared]
    if main not in able:
        main = able[0] if able else None
    highest, middle, lowest = _extremes(score, pairs, images, shown)
    return Evaluation(
        pairs=len(rows),
        images=len(images),
        unscored_images=len(used) - len(images),
        main=main,
        references=results,
        mistakes=_mistakes(score, pairs, rows, references.get(main or ""), shown),
        highest=highest,
        middle=middle,
        lowest=lowest,
        histogram=_histogram(score[images]),
    )


def _extremes(
    score: Floats, pairs: Pairs, images: Rows, shown: int
) -> tuple[tuple[RankedImage, ...], tuple[RankedImage, ...], tuple[RankedImage, ...]]:
    """Select the highest, middle and lowest test images, each best first and none twice."""
    if not len(images):
        return (), (), ()
    values = score[images]
    ascending = np.sort(values)
    lower = np.searchsorted(ascending, values, side="left") / len(images)
    order = np.argsort(-values, kind="stable")
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
    score: Floats, pairs: Pairs, rows: Rows, reference: Reference | None, shown: int
) -> tuple[Mistake, ...]:
    """Return the wrong pairs, the most confident first."""
    if reference is None or reference.labels is None:
        return ()
    labels = reference.labels
    left, right = pairs.left[rows], pairs.right[rows]
    margin = score[left] - score[right]
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


def _histogram(values: Floats) -> Histogram:
    if not len(values):
        return Histogram()
    # numpy cannot divide a range into bins that is narrower than the floating-point precision
    spread = np.ptp(values) > 1e-9 * np.abs(values).max()
    bins = int(np.clip(np.sqrt(len(values)), 5, 30)) if spread else 1
    counts, edges = np.histogram(values, bins=bins)
    return Histogram(tuple(map(float, edges)), tuple(map(int, counts)))
