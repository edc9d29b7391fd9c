"""Tags that distinguish two classes of images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TagOdds:
    """One tag.

    Attributes:
        tag: in lower case.
        yes: images of class 1 that have it.
        no: images of class 0 that have it.
        log_odds: of having it in class 1 against class 0, half an image added to every count.
        z: log odds divided by their standard error.
    """

    tag: str
    yes: int
    no: int
    log_odds: float
    z: float


def predictive_tags(
    tags: Sequence[Sequence[str]], flag: NDArray[np.bool_], *, least: int
) -> list[TagOdds]:
    """Tags in order of falling evidence (|z|) for a class.

    Args:
        tags: of each image.
        flag: class of each image, shape (images,).
        least: least number of images with the tag.

    Source:
        Haldane-Anscombe correction and Woolf's standard error of a log odds ratio.
    """
    counts = (Counter[str](), Counter[str]())
    for some, side in zip(tags, flag.tolist(), strict=True):
        counts[int(side)].update({tag.casefold() for tag in some})
    total = (int((~flag).sum()), int(flag.sum()))
    found = []
    for tag in sorted(counts[0] | counts[1]):
        no, yes = counts[0][tag], counts[1][tag]
        if no + yes < least:
            continue
        cells = np.array([yes, total[1] - yes, no, total[0] - no]) + 0.5
        log_odds = float(np.log(cells[0] * cells[3] / (cells[1] * cells[2])))
        found.append(TagOdds(tag, yes, no, log_odds, log_odds / float(np.sqrt((1 / cells).sum()))))
    return sorted(found, key=lambda one: -abs(one.z))
