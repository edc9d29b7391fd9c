"""Simulate sources: one number per image each, which depends on (seed, index) only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr, pdtrik

from interestingness.datasets.synthetic.constants import Calibration
from interestingness.datasets.synthetic.scenes import Scene
from interestingness.datasets.synthetic.tastes import JUDGE, OWN, TRUTH, Taste, combine

OWNERS = 160
"""Simulated owners; a few own many images."""

_OWN_OF = {
    "aesthetic": "aesthetic",
    "commonly_interesting": "commonly_interesting",
    "cupl": "cupl",
    "memorability": "memorability",
    "views": "popularity",
    "favorites": "aesthetic",
    "comments": "affection",
}
"""Which taste of ``OWN`` a score has beside its share of truth and judge."""

_PLAIN = {
    "aesthetic": (0.50, 0.12),
    "commonly_interesting": (0.35, 0.14),
    "cupl": (0.055, 0.022),
    "memorability": (0.78, 0.07),
}
"""Mean and spread that give a score the range of the published columns."""

_STREAM = {"image": 1, "owner": 2}
FLAG_NOISE = 0.2
"""Share of the flag's variance that no attribute explains."""


@dataclass(frozen=True, eq=False)
class ImageSources:
    """Simulated numbers of each image, all of shape (images,).

    Attributes:
        truth: planted utility, mean 0 and variance 1 over the population.
        judge: GPT-4o's utility, same scale.
        tastes: the tastes of ``OWN`` by name, same scale.
        scores: score name → value, as in the score table.
        owner: number of the owner.
        taken: seconds after the data set's first day.
        leak: a uniform number that decides which leaking tag a flagged image gets.
    """

    truth: NDArray[np.float64]
    judge: NDArray[np.float64]
    tastes: Mapping[str, NDArray[np.float64]]
    scores: Mapping[str, NDArray[np.float64]]
    owner: NDArray[np.int64]
    taken: NDArray[np.int64]
    leak: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Basis:
    """Parts of the sources before any fitted weight, shape (images,) or (images, …).

    Attributes:
        seed: of the scenes.
        truth, judge_own: standardised tastes ``TRUTH`` and ``JUDGE``.
        own: standardised tastes of ``OWN`` by name.
        normal, uniform: what no attribute explains, shapes (images, 8) and (images, 5).
    """

    seed: int
    truth: NDArray[np.float64]
    judge_own: NDArray[np.float64]
    own: Mapping[str, NDArray[np.float64]]
    normal: NDArray[np.float64]
    uniform: NDArray[np.float64]

    @classmethod
    def of(cls, scenes: Sequence[Scene]) -> Basis:
        """Compute the basis of scenes of one seed."""
        normal, uniform = np.empty((len(scenes), 8)), np.empty((len(scenes), 5))
        for row, scene in enumerate(scenes):
            rng = np.random.default_rng((scene.seed, scene.index, _STREAM["image"]))
            normal[row], uniform[row] = rng.normal(size=8), rng.random(5)
        own = {name: taste.of(scenes) for name, taste in OWN.items()}
        return cls(scenes[0].seed, TRUTH.of(scenes), JUDGE.of(scenes), own, normal, uniform)

    def judge(self, constants: Calibration) -> NDArray[np.float64]:
        """Return GPT-4o's utility: planted plus its own, standardised, shape (images,)."""
        total = constants.judge_truth * self.truth + self.judge_own
        return total / judge_taste(constants).moments()[1]

    def latent(self, name: str, constants: Calibration) -> NDArray[np.float64]:
        """Return a score's latent value, variance 1: attributes and a little noise."""
        truth, judge = constants.mixes[name]
        own = _OWN_OF[name]
        parts = ((truth, TRUTH), (judge, judge_taste(constants)), (1.0, OWN[own]))
        deviation = combine(*parts).moments()[1]
        explained = truth * self.truth + judge * self.judge(constants) + self.own[own]
        noise = constants.image_noise
        unexplained = self.normal[:, list(_OWN_OF).index(name)]
        return np.sqrt(1 - noise) * explained / deviation + np.sqrt(noise) * unexplained


def judge_taste(constants: Calibration) -> Taste:
    """Return GPT-4o's taste: the planted one plus its own."""
    return combine((constants.judge_truth, TRUTH), (1.0, JUDGE))


def image_sources(basis: Basis, constants: Calibration) -> ImageSources:
    """Simulate scores, owners and dates.

    Args:
        basis: of the scenes.
        constants: fitted weights.
    """
    # Squaring a uniform number gives few owners many images.
    owner = (OWNERS * basis.uniform[:, 3] ** 2).astype(np.int64)
    scores = {
        name: mean + spread * basis.latent(name, constants)
        for name, (mean, spread) in _PLAIN.items()
    }
    scores |= _social(basis, _followers(basis.seed)[owner], constants)
    scores["true_utility"] = basis.truth
    taken = (basis.uniform[:, 4] * 730 * 86_400).astype(np.int64)
    return ImageSources(
        basis.truth, basis.judge(constants), basis.own, scores, owner, taken, basis.uniform[:, 2]
    )


def _social(
    basis: Basis, followers: NDArray[np.float64], constants: Calibration
) -> dict[str, NDArray[np.float64]]:
    """Simulate counts with heavy tails and many zeros, and the flag that drives them.

    The flag multiplies views by nine; with the taste that both share, flagged images hold about
    97 % of all views (as in LaFin).
    """
    seen = basis.latent("views", constants)
    noise = basis.normal[:, 7]
    flag = np.sqrt(1 - FLAG_NOISE) * seen + np.sqrt(FLAG_NOISE) * noise > 0
    views = np.floor(np.exp(5.2 + 2.2 * flag + 0.9 * seen + 0.25 * followers))
    favorites = _poisson(
        basis.uniform[:, 0],
        np.exp(-0.2 + 0.9 * flag + 1.5 * basis.latent("favorites", constants)),
    )
    comments = _poisson(
        basis.uniform[:, 1],
        np.exp(-0.9 + 0.8 * flag + 1.4 * basis.latent("comments", constants)),
    )
    return {
        "views": views,
        "favorites": favorites,
        "comments": comments,
        "lafin": flag.astype(np.float64),
    }


def _poisson(uniform: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Draw Poisson numbers by inversion; scipy.stats would take a second to import."""
    above = np.ceil(pdtrik(uniform, mean))
    below = np.maximum(above - 1, 0)
    return np.where(pdtr(below, mean) >= uniform, below, above)


def _followers(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng((seed, _STREAM["owner"], 0, 0)).normal(size=OWNERS)
