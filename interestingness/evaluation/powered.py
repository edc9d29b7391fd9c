"""Accuracy against people from votes on few test pairs and a judge's votes on many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import LabelError
from interestingness.labels.source import Labels
from interestingness.schema import Array, Pairs
from interestingness.stats.agreement import correct
from interestingness.stats.powered_share import PoweredShare, powered_share

VALID = "valid where the pairs that people voted on are a random sample of all pairs"


def powered_accuracy(
    margin: Array,
    people: Labels,
    judge: Labels,
    name: str,
    pairs: Pairs,
    rows: NDArray[np.int64],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> PoweredShare:
    """Estimate how often the sign of the margin is the side that people prefer.

    Test pairs without a score or without a label of the judge are left out, whether people voted
    on them or not. A tie of the judge guesses ½.

    Args:
        margin: of all pairs, NaN without a score.
        people: their labels; the pairs that have one must be a random sample of the test pairs.
        judge: labels of many pairs.
        name: of the judge.
        pairs: all pairs.
        rows: rows of the test pairs.
        resamples: bootstrap resamples of images.
        seed: of the bootstrap.

    Raises:
        LabelError: if people decide too few of the pairs that the judge labels.
    """
    used = rows[judge.known[rows] & ~np.isnan(margin[rows])]
    guess = correct(margin[used], judge.preference[used])
    try:
        return powered_share(
            correct(margin[used], people.preference[used]),
            np.where(np.isnan(guess), 0.5, guess),
            pairs.left[used],
            pairs.right[used],
            labelled=people.known[used],
            repeats=resamples,
            seed=seed,
        )
    except LabelError as error:
        raise LabelError(
            f"{error.found}, of the {len(used)} of {len(rows)} test pairs that {name} labels",
            expected=error.expected,
            todo=f"obtain votes of people and of {name} on the same test pairs",
        ) from None
