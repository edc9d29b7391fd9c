"""Simulated judges of pairs whose truth is known; nobody here has seen a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from interestingness.schema import Array, Pairs
from interestingness.stats.simulated_choice import probability_of_first
from interestingness.tables.tables import Votes

SECOND_TWICE = 0.36
"""Share of pairs on which GPT-4o answers "second" in both orders (Abdullahu and Grabner 2025)."""
REPEATS_ITSELF = 0.95
"""Share of pairs on which it gives the same answer when asked the same once more (there too)."""
MARGIN_SD = float(np.sqrt(2.0))
"""Of the difference of two utilities of variance 1."""

_Z = np.linspace(-6.0, 6.0, 1201)
_DENSITY = np.exp(-(_Z**2) / 2) / np.exp(-(_Z**2) / 2).sum()
_FEW = slice(None, None, 40)


@dataclass(frozen=True)
class PlantedJudge:
    """P(left) of a call = σ(slope · margin + s · b of the pair), s = ±1: left shown first or not.

    Attributes:
        name: of the world.
        about: what it does; a sentence that begins with "It".
        slope: logits per unit of utility; large is nearly deterministic.
        b: mean order term, in logits; below 0 favours the image shown second.
        b_spread: standard deviation of the pairs' own order terms around b, as a share of |b|.
        lapse: probability that a call answers about two other images.
    """

    name: str
    about: str
    slope: float
    b: float = 0.0
    b_spread: float = 0.0
    lapse: float = 0.0

    def call(
        self, margin: Array, shown: NDArray[np.int8], own: Array, rng: np.random.Generator
    ) -> tuple[NDArray[np.bool_], Array]:
        """One call per pair.

        Args:
            margin: difference of utilities, left minus right, shape (pairs,).
            shown: +1 where left is shown first, −1 where right is, shape (pairs,).
            own: standard normal number of each pair, the same in all its calls, shape (pairs,).
            rng: of lapses and answers.

        Returns:
            Whether it answers left, and the probability of left that it reports, (pairs,) each.
        """
        lapsed = rng.random(len(margin)) < self.lapse
        about = np.where(lapsed, MARGIN_SD * rng.normal(size=len(margin)), margin)
        order = self.b * (1 + self.b_spread * own)
        probability = probability_of_first(about, sharpness=self.slope, order_term=shown * order)
        return rng.random(len(margin)) < probability, probability

    def expected(self) -> dict[str, float]:
        """Shares that can be held against a real judge, by numerical integration.

        Returns:
            ``second_twice`` and ``first_twice`` (that place chosen in both orders), ``repeats``
            (the same answer when asked the same again), ``right`` (calls that choose the better
            image, over both orders).
        """
        own = np.sqrt(2) * np.array([0.0]) if self.b_spread == 0 else _Z[_FEW]
        weight = np.ones(1) if self.b_spread == 0 else _DENSITY[_FEW] / _DENSITY[_FEW].sum()
        order = self.b * (1 + self.b_spread * own)
        margin = MARGIN_SD * _Z

        def left(shown: int) -> Array:
            clear = probability_of_first(
                margin[:, None], sharpness=self.slope, order_term=shown * order[None, :]
            )
            # a lapse tells nothing of this pair: the mean over all pairs
            return (1 - self.lapse) * clear + self.lapse * (_DENSITY @ clear)[None, :]

        first, second = left(1), left(-1)
        repeats = [(p**2 + (1 - p) ** 2) for p in (first, second)]
        better = np.where(margin[:, None] > 0, (first + second) / 2, 1 - (first + second) / 2)
        mean = {
            "second_twice": (1 - first) * second,
            "first_twice": first * (1 - second),
            "repeats": (repeats[0] + repeats[1]) / 2,
            "right": np.where(margin[:, None] == 0, 0.5, better),
        }
        return {name: float(_DENSITY @ values @ weight) for name, values in mean.items()}

    def with_order_term(self, second_twice: float = SECOND_TWICE) -> PlantedJudge:
        """The same judge with the b that makes it answer "second" twice on this share of pairs."""

        def excess(b: float) -> float:
            return replace(self, b=b).expected()["second_twice"] - second_twice

        return replace(self, b=float(brentq(excess, -40 * self.slope, 0.0, xtol=1e-6)))


def worlds() -> tuple[PlantedJudge, ...]:
    """The judges that rules are tried on, all with GPT-4o's share of "second" in both orders."""
    calm = 1.5
    steady = float(
        brentq(
            lambda k: (
                PlantedJudge("", "", k).with_order_term().expected()["repeats"] - REPEATS_ITSELF
            ),
            1.0,
            60.0,
            xtol=1e-4,
        )
    )
    judges = (
        PlantedJudge(
            "logistic", "answers by chance, along a logistic curve with one order term", calm
        ),
        PlantedJudge("threshold", "is nearly deterministic, with one threshold of place", steady),
        PlantedJudge(
            "lapses", "is as threshold; one call in five is about other images", steady, lapse=0.2
        ),
        PlantedJudge(
            "varying", "is as threshold; each pair has its own order term", steady, b_spread=1.0
        ),
    )
    return tuple(judge.with_order_term() for judge in judges)


@dataclass(frozen=True, eq=False)
class Calls:
    """What a judge says of pairs when either image is shown first.

    Attributes:
        left_first, right_first: answers "left", shape (pairs,) each.
        p_left_first, p_right_first: reported probabilities of left, shape (pairs,) each.
        order: which of the two orders is asked where one is, +1 or −1, shape (pairs,).
    """

    left_first: NDArray[np.bool_]
    right_first: NDArray[np.bool_]
    p_left_first: Array
    p_right_first: Array
    order: NDArray[np.int8]

    @classmethod
    def of(cls, judge: PlantedJudge, margin: Array, rng: np.random.Generator) -> Calls:
        """Ask the judge about each pair once in each order."""
        one = np.ones(len(margin), dtype=np.int8)
        own = rng.normal(size=len(margin))
        left_first, p_left_first = judge.call(margin, one, own, rng)
        right_first, p_right_first = judge.call(margin, -one, own, rng)
        order = np.where(rng.random(len(margin)) < 0.5, one, -one)
        return cls(left_first, right_first, p_left_first, p_right_first, order)

    def votes(self, pairs: Pairs, *, both: bool, probabilities: bool) -> Votes:
        """Votes on the first pairs.

        Args:
            pairs: the first ``len(pairs)`` of those that were asked.
            both: in both orders, else in the order of ``order``.
            probabilities: whether the judge's probabilities are kept beside its answers.
        """
        n = len(pairs)
        asked = np.tile(np.arange(n), 2 if both else 1)
        first = np.repeat(np.array([1, -1], np.int8), n) if both else self.order[:n]
        answer = np.where(first > 0, self.left_first[asked], self.right_first[asked])
        p = np.where(first > 0, self.p_left_first[asked], self.p_right_first[asked])
        return Votes(
            key=pairs.key[asked],
            rater=np.zeros(len(asked), np.int32),
            raters=("simulated judge",),
            first=first.astype(np.int8),
            preference=answer.astype(np.float64),
            probability=p if probabilities else np.full(len(asked), np.nan),
            sample=np.zeros(len(asked), np.int32),
        )
