"""Near-duplicates against a loop over all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from interestingness.scoring.near_duplicates import NearDuplicates


def by_loop(
    rows: NDArray[np.float32], scores: NDArray[np.float64], threshold: float, window: int
) -> list[int]:
    better = []
    for i, row in enumerate(rows):
        alike = [
            j
            for j in range(max(0, i - window), min(len(rows), i + window + 1))
            if i != j
            and np.linalg.norm(row) * np.linalg.norm(rows[j]) > 0
            and row @ rows[j] / np.linalg.norm(row) / np.linalg.norm(rows[j]) >= threshold
        ]
        best = max([i, *alike], key=lambda j: (scores[j], -j))
        better.append(best if best != i else -1)
    return better


def in_parts(
    rows: NDArray[np.float32],
    scores: NDArray[np.float64],
    part: int,
    *,
    threshold: float = 0.97,
    window: int = 5000,
) -> NDArray[np.int64]:
    near = NearDuplicates(threshold=threshold, window=window)
    for i in range(0, len(rows), part):
        near.add(rows[i : i + part], scores[i : i + part])
    return near.better


@pytest.mark.parametrize("part", [1, 13, 90])
@pytest.mark.parametrize("window", [1, 7, 16, 1500])
def test_equals_a_loop_over_all_pairs(
    window: int, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interestingness.scoring.near_duplicates.BLOCK", 16)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 8)).astype(np.float32)
    rows[40:60] = rows[5:25] * 3 + rng.normal(scale=0.05, size=(20, 8))  # brighter copies
    rows[61] = rows[60]
    rows[70] = 0  # no feature
    scores = rng.normal(size=90)
    scores[61] = scores[60]
    found = in_parts(rows, scores, part, threshold=0.97, window=window)
    assert found.tolist() == by_loop(rows, scores, 0.97, window)
    assert (found >= 0).sum() >= (1 if window < 35 else 15)


def test_the_best_of_a_burst_stands_for_it_whatever_the_names() -> None:
    burst = np.array([[1, 0, 0], [1, 0.01, 0], [1, 0, 0.01], [0, 1, 0]], np.float32)
    scores = np.array([0.1, 0.3, 0.2, -5.0])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        found = in_parts(burst[order], scores[order], 2)
        best = {order[i]: (order[j] if j >= 0 else -1) for i, j in enumerate(found.tolist())}
        assert best == {0: 1, 1: -1, 2: 1, 3: -1}


def test_a_picture_without_a_score_stands_for_none() -> None:
    same = np.ones((3, 2), np.float32)
    assert in_parts(same, np.array([np.nan, 0.0, 1.0]), 3).tolist() == [2, 2, -1]


def test_nothing_is_nothing() -> None:
    near = NearDuplicates()
    near.add(np.zeros((0, 3), np.float32), np.zeros(0))
    assert near.better.tolist() == []
    near.add(np.zeros((4, 3), np.float32), np.zeros(4))
    assert near.better.tolist() == [-1] * 4


def test_only_the_window_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interestingness.scoring.near_duplicates.BLOCK", 16)
    near = NearDuplicates(window=20)
    for row in np.eye(300, dtype=np.float32):
        near.add(row[None], np.zeros(1))
    assert sum(len(rows) for _, rows in near._recent) <= 20 + 16
