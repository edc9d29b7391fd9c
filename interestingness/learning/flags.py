"""Whether preferences come from a yes or no per image, as a loss with a zero takes them to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interestingness.errors import ConfigError
from interestingness.schema import Pairs


def check_flags(
    name: str,
    preference: NDArray[np.float64],
    pairs: Pairs,
    image_scores: NDArray[np.float64] | None,
) -> str:
    """Refuse labels that call an image interesting in one pair and not in the next.

    Args:
        name: of the label source.
        preference: probability that left is preferred, in [0, 1]; NaN none, shape (pairs,).
        pairs: the same pairs.
        image_scores: the source's own number of each image, NaN none; None if it speaks of pairs.

    Returns:
        A sentence to print where that cannot be known, else "".

    Raises:
        ConfigError: for scores of more than two values, or images preferred here and not there.
    """
    if image_scores is not None:
        values = len(np.unique(image_scores[~np.isnan(image_scores)]))
        if values <= 2:
            return ""
        raise _refused(f"label source {name!r} has {values:,} different scores, no yes or no")
    mixed, labelled = _both(preference, pairs)
    if mixed:
        raise _refused(
            f"label source {name!r} prefers {mixed:,} of {labelled:,} images in one pair and not "
            "in another"
        )
    return (
        f"loss=binary takes the preferred image of each pair for interesting and the other one "
        f"for not; label source {name!r} speaks of pairs only, and does not say that of an image"
    )


def _both(preference: NDArray[np.float64], pairs: Pairs) -> tuple[int, int]:
    """How many images are preferred and not preferred, and how many either; ties say nothing."""
    left, right = preference > 0.5, preference < 0.5
    wins, loses = (np.zeros(len(pairs.image_ids), dtype=bool) for _ in range(2))
    wins[pairs.left[left]] = wins[pairs.right[right]] = True
    loses[pairs.right[left]] = loses[pairs.left[right]] = True
    return int((wins & loses).sum()), int((wins | loses).sum())


def _refused(found: str) -> ConfigError:
    return ConfigError(
        f"loss=binary, and {found}",
        expected="a yes or no of each image: a score with two values, such as label_source=lafin",
        todo="a column of 0 and 1: label_source=scores label_source.column=NAME; or "
        "loss=bradley_terry, which learns from comparisons",
    )
