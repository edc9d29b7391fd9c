"""Near-duplicates against a loop over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from interestingness.scoring.near_duplicates import NearDuplicates


def by_loop(rows: np.ndarray, threshold: float, window: int) -> list[int]:
    first = []
    for i, row in enumerate(rows):
        alike = [
            j
            for j in range(max(0, i - window), i)
            if np.linalg.norm(row) * np.linalg.norm(rows[j]) > 0
            and row @ rows[j] / np.linalg.norm(row) / np.linalg.norm(rows[j]) >= threshold
        ]
        first.append(alike[0] if alike else -1)
    return first


def in_parts(rows: np.ndarray, part: int, *, threshold: float, window: int) -> np.ndarray:
    near = NearDuplicates(threshold=threshold, window=window)
    return np.concatenate([near.add(rows[i : i + part]) for i in range(0, len(rows), part)])


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
    found = in_parts(rows, part, threshold=0.97, window=window)
    assert found.tolist() == by_loop(rows, 0.97, window)
    assert (found >= 0).sum() >= (1 if window < 35 else 15)


def test_nothing_is_nothing() -> None:
    near = NearDuplicates()
    assert near.add(np.zeros((0, 3), np.float32)).tolist() == []
    assert near.add(np.zeros((4, 3), np.float32)).tolist() == [-1] * 4


def test_only_the_window_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interestingness.scoring.near_duplicates.BLOCK", 16)
    near = NearDuplicates(window=20)
    for row in np.eye(300, dtype=np.float32):
        near.add(row[None])
    assert sum(len(rows) for _, rows in near._recent) <= 20 + 16
