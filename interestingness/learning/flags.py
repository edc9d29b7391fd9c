"""Check that preferences come from a yes or no for each image, as ``loss=binary`` assumes."""

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
    """Refuse labels that prefer an image in one pair and not in another.

    Args:
        name: of the label source.
        preference: probability that left is preferred, in [0, 1]; NaN none, shape (pairs,).
        pairs: the same pairs.
        image_scores: the source's score of each image, NaN none; None if it labels pairs only.

    Returns:
        A sentence to print if the labels cannot show whether this holds, else "".

    Raises:
        ConfigError: for scores of more than two values, or images that are preferred in some pairs
            and not in others.
    """
    if image_scores is not None:
        values = len(np.unique(image_scores[~np.isnan(image_scores)]))
        if values <= 2:
            return ""
        raise _refused(f"label source {name!r} has {values:,} different scores, not two")
    mixed, labelled = _both(preference, pairs)
    if mixed:
        raise _refused(
            f"label source {name!r} prefers {mixed:,} of {labelled:,} images in one pair and not "
            "in another"
        )
    return (
        f"loss=binary takes the preferred image of each pair as interesting and the other one as "
        f"not interesting; label source {name!r} labels pairs only, so this cannot be checked"
    )


def _both(preference: NDArray[np.float64], pairs: Pairs) -> tuple[int, int]:
    """How many images win and lose, and how many do either; ties do not count."""
    left, right = preference > 0.5, preference < 0.5
    wins, loses = (np.zeros(len(pairs.image_ids), dtype=bool) for _ in range(2))
    wins[pairs.left[left]] = wins[pairs.right[right]] = True
    loses[pairs.right[left]] = loses[pairs.left[right]] = True
    return int((wins & loses).sum()), int((wins | loses).sum())


def _refused(found: str) -> ConfigError:
    return ConfigError(
        f"loss=binary, and {found}",
        expected="a yes or no for each image: a score with two values, such as label_source=lafin",
        todo="a column of 0 and 1: label_source=scores label_source.column=NAME; or "
        "loss=bradley_terry, which learns from comparisons",
    )
