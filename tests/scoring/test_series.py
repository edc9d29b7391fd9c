"""Series against a loop that knows all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from interestingness.scoring.near_duplicates import NearDuplicates
from interestingness.scoring.series import SeriesFinder


def by_loop(
    rows: NDArray[np.float32], scores: NDArray[np.float64], times: NDArray[np.float64], gap: float
) -> list[int]:
    """The highest leads and takes all that resemble it, then the highest of the rest."""
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    order = sorted(range(len(rows)), key=lambda i: (-np.nan_to_num(scores[i], nan=-np.inf), i))
    leader = list(range(len(rows)))
    for place, row in enumerate(order):
        for other in order[:place]:
            apart = abs(times[row] - times[other])
            enough = 0.97 if np.isnan(apart) else 0.9
            near = unit[row] @ unit[other] >= enough and leader[other] == other
            if near and not apart > gap:
                leader[row] = other
                break
    return leader


def found(
    rows: NDArray[np.float32],
    scores: NDArray[np.float64],
    times: NDArray[np.float64],
    part: int,
    gap: float = 60,
) -> list[int]:
    series = SeriesFinder(times, gap_s=gap)
    near = NearDuplicates(series=series)
    for at in range(0, len(rows), part):
        near.add(rows[at : at + part], scores[at : at + part])
    return series.leaders().tolist()


@pytest.mark.parametrize("part", [1, 13, 90])
@pytest.mark.parametrize("seed", range(3))
def test_equals_a_loop_over_all_pairs(
    part: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interestingness.scoring.near_duplicates.BLOCK", 16)
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, 8))
    rows = (centres[rng.integers(0, 12, 90)] + rng.normal(scale=0.08, size=(90, 8))).astype("f4")
    rows[7] = 0  # unreadable
    scores = rng.normal(size=90)
    scores[7], scores[31] = np.nan, scores[30]
    times = np.where(rng.random(90) < 0.2, np.nan, rng.uniform(0, 300, 90))
    leaders = found(rows, scores, times, part)
    assert leaders == by_loop(rows, scores, times, 60)
    assert 12 < len(set(leaders)) < 80
    assert leaders[7] == 7


def test_time_separates_what_looks_the_same_and_joins_nothing_else() -> None:
    rows = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    scores = np.array([1.0, 2.0, 3.0, 0.0])
    times = np.array([0.0, 5.0, 86_400.0, 5.0])
    assert found(rows, scores, times, 4) == [1, 1, 2, 3]
    assert found(rows, scores, times, 4, gap=4.9) == [0, 1, 2, 3]
    assert found(rows, scores, np.full(4, np.nan), 4) == [2, 2, 2, 3]


def test_frames_close_in_time_may_differ_more() -> None:
    angles = np.deg2rad([0, 20])  # a cosine of .94
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    scores = np.array([1.0, 2.0])
    assert found(rows, scores, np.array([0.0, 9.0]), 2) == [1, 1]
    assert found(rows, scores, np.array([0.0, np.nan]), 2) == [0, 1]
    assert found(rows, scores, np.array([0.0, 99.0]), 2) == [0, 1]


def test_chains_are_not_followed() -> None:
    angles = np.deg2rad([0, 10, 20])  # neighbours have a cosine of .985, the ends one of .94
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert found(rows, np.array([3.0, 2.0, 1.0]), np.full(3, np.nan), 3) == [0, 0, 2]


def test_a_thousand_copies_are_one_series_and_memory_is_bounded() -> None:
    rows, scores = np.ones((1000, 4), np.float32), np.arange(1000.0)
    assert set(found(rows, scores, np.full(1000, np.nan), 300)) == {999}
    assert SeriesFinder(np.full(1000, np.nan))._best.nbytes <= 128 * 1000
