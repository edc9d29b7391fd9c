"""What is kept: each rule, and who wins against whom."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from interestingness.scoring.culling import Culled, CullingRules, UserChoice, Why, cull

SCORES = np.array([5.0, 4.0, 3.0, 2.0, 1.0, np.nan])
SERIES = np.array([0, 0, 0, 3, 3, 5])


def said(stars: dict[int, int] | None = None, decided: dict[int, int] | None = None) -> UserChoice:
    made = UserChoice.nothing(6)
    for row, value in (stars or {}).items():
        made.stars[row] = value
    for row, value in (decided or {}).items():
        made.decided[row] = value
    return made


def culled(choice: UserChoice | None = None, **rules: float) -> Culled:
    return cull(SCORES, SERIES, choice or said(), CullingRules(**rules))  # type: ignore[arg-type]


def kept(choice: UserChoice | None = None, **rules: float) -> list[int]:
    return np.flatnonzero(culled(choice, **rules).kept).tolist()


def test_each_rule() -> None:
    assert kept() == [0, 1, 2, 3, 4]
    assert kept(keep=1) == [0, 3]
    assert kept(keep=2) == [0, 1, 3, 4]
    assert kept(top=2) == [0, 1]
    assert kept(min_score=3) == [0, 1, 2]
    assert kept(max_score=3) == [2, 3, 4]
    assert kept(keep=1, top=3, max_score=4.5) == [1, 3]
    assert kept(top=50) == [0, 1, 2, 3, 4]


def test_every_image_has_one_reason() -> None:
    found = culled(said({1: -1}, {3: -1, 4: 1}), keep=1, top=1, max_score=4.9)
    expected = [Why.TOO_HIGH, Why.STARS_REJECT, Why.BEYOND_TOP]
    expected += [Why.USER_REJECTS, Why.USER_KEEPS, Why.NO_SCORE]
    assert found.why.tolist() == expected
    assert "1 of 6 kept" in found.sentence() and "1 without a score" in found.sentence()


def test_the_next_of_a_series_takes_the_place_of_a_rejected_one() -> None:
    assert kept(said({0: -1}), keep=1) == [1, 3]
    assert kept(said(decided={0: -1}), keep=1) == [1, 3]
    assert kept(max_score=4.5, keep=1) == [1, 3]


def test_stars_win_over_scores() -> None:
    assert kept(said({2: 1}), keep=1) == [2, 3]
    assert kept(said({2: 1, 1: 4}), keep=1) == [1, 3]
    assert kept(said({2: 3, 1: 3}), keep=1) == [1, 2, 3]  # equal ones stay together
    assert kept(said({4: 2}), min_score=3) == [0, 1, 2, 4]
    assert kept(said({0: 2}), max_score=3) == [0, 2, 3, 4]
    assert kept(said({5: 1}), top=1) == [5]  # without a score
    assert kept(said({5: -1, 0: -1}), top=1) == [1]


def test_decisions_win_over_everything() -> None:
    assert kept(said({0: 5}, {0: -1}), keep=1) == [1, 3]
    assert kept(said({4: -1, 1: 5}, {2: 1, 4: 1, 5: 1}), keep=1, min_score=4.5) == [1, 2, 4, 5]
    assert kept(said(decided={2: 1}), keep=1) == [2, 3]  # it fills the place of its series
    assert kept(said(decided={2: 1, 3: 1, 4: 1}), top=2) == [2, 3, 4]
    assert kept(said(decided={4: 1}), top=2) == [0, 4]


@pytest.mark.parametrize("seed", range(5))
def test_properties_on_random_material(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 300
    scores = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    series: NDArray[np.int64] = np.minimum(np.arange(n), rng.integers(0, n, n))
    choice = UserChoice(
        rng.choice([0, 0, 0, -1, 1, 3, 5], n).astype(np.int8),
        rng.choice([0, 0, 0, 0, 1, -1], n).astype(np.int8),
    )
    rules = CullingRules(keep=int(rng.integers(1, 4)), min_score=-0.5)
    found = cull(scores, series, choice, rules)
    assert found.kept[choice.decided > 0].all()
    assert not found.kept[choice.decided < 0].any()
    assert not found.kept[(choice.stars < 0) & (choice.decided == 0)].any()
    free = (choice.stars >= 0) & (choice.decided == 0)
    usable = free & ((choice.stars > 0) | (scores >= -0.5))
    for leader in set(series.tolist()):
        own = series == leader
        if (usable & own).any() or (own & (choice.decided > 0)).any():
            assert found.kept[own].any()  # no series is lost
        bare = own & found.kept & (choice.stars == 0) & (choice.decided == 0)
        assert bare.sum() <= (rules.keep or 0)
        lost = own & (found.why == Why.IN_SERIES)
        if lost.any():
            least = found.kept & own & (choice.decided == 0)
            stars = np.maximum(choice.stars, 0)
            assert not least.any() or stars[least].min() >= stars[lost].max()
    order = np.lexsort((rng.random(n),))
    again = cull(
        scores[order], np.argsort(order)[series[order]],
        UserChoice(choice.stars[order], choice.decided[order]), rules,
    )  # fmt: skip
    assert (again.kept == found.kept[order]).all()  # scores are distinct, so order decides nothing


def test_nothing_is_nothing() -> None:
    empty = np.empty(0)
    found = cull(empty, empty.astype(np.int64), UserChoice.nothing(0), CullingRules(1, 1, 0, 1))
    assert found.kept.tolist() == []
