"""Near-duplicates against a loop over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from interestingness.data.near_duplicates import near_duplicates


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


@pytest.mark.parametrize("window", [1, 7, 1500, 5000])
def test_equals_a_loop_over_all_pairs(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interestingness.data.near_duplicates.BLOCK", 16)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 8)).astype(np.float32)
    rows[40:60] = rows[5:25] * 3 + rng.normal(scale=0.05, size=(20, 8))  # brighter copies
    rows[61] = rows[60]
    rows[70] = 0  # no feature
    found = near_duplicates(lambda a, b: rows[a:b], 90, threshold=0.97, window=window)
    assert found.tolist() == by_loop(rows, 0.97, window)
    assert (found >= 0).sum() >= (1 if window < 35 else 15)


def test_nothing_is_nothing() -> None:
    assert near_duplicates(lambda a, b: np.zeros((b - a, 3), np.float32), 0).tolist() == []
    zeros = near_duplicates(lambda a, b: np.zeros((b - a, 3), np.float32), 4)
    assert zeros.tolist() == [-1] * 4
