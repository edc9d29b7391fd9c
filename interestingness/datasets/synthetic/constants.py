"""Constants of the simulated raters, and their origin.

Found by ``python scripts/calibrate_raters.py --fit`` (targets: ICCV 2025 paper, tables 2 and 3);
``python scripts/calibrate_raters.py`` prints what they achieve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Mix = tuple[float, float]


def _mixes() -> dict[str, Mix]:
    return {
        "aesthetic": (-0.369, 0.662),
        "commonly_interesting": (-0.176, 0.374),
        "cupl": (0.352, -0.104),
        "memorability": (-0.121, -0.076),
        "views": (0.231, 0.384),
        "favorites": (-0.429, 0.621),
        "comments": (-0.041, 0.564),
    }


def _singles() -> dict[str, Mix]:
    return {
        "human": (1.346, 0.237),
        "gpt-4o-simulated": (3.389, 2.205),
        "llama-3.2-simulated": (1.582, 0.478),
        "deepseek-vl2-simulated": (0.884, 1.139),
    }


@dataclass(frozen=True)
class Calibration:
    """Every fitted number of the simulation.

    Attributes:
        sharpness: probit slope of a worker on the planted utility.
        taste_spread: standard deviation of a worker's weight on each taste of ``tastes.OWN``
            (chosen, not fitted).
        human_order: probit advantage of the image that a worker sees first (chosen, not fitted).
        judge_truth: weight of the planted utility in GPT-4o's, relative to 1 of ``tastes.JUDGE``.
        judge_bias: advantage of the second image, in standard deviations of GPT-4o's utility.
        judge_noise: standard deviation between repeated calls, same unit.
        mixes: for each score the weights of planted utility and of GPT-4o's utility, relative to 1
            of its own taste.
        singles: for each rater level and slope of P(yes) for one image.
        image_noise: share of variance of a score that no attribute explains (chosen).
    """

    sharpness: float = 0.455
    taste_spread: float = 0.12
    human_order: float = 0.06
    judge_truth: float = 0.408
    judge_bias: float = 0.679
    judge_noise: float = 0.228
    mixes: Mapping[str, Mix] = field(default_factory=_mixes)
    singles: Mapping[str, Mix] = field(default_factory=_singles)
    image_noise: float = 0.04


CALIBRATED = Calibration()
