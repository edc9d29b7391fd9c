"""Who agrees with whom: the heat map of a run's page, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from interestingness.evaluation.reference import Reference
from interestingness.labels.source import Labels
from interestingness.reports.agreement import FEWEST, agreement_map
from interestingness.schema import Pairs

IDS = [f"{i:02d}" for i in range(40)]
PAIRS, _, _ = Pairs.from_ids(IDS[:-1], IDS[1:], IDS)
ROWS = np.arange(20)


def reference(preference: list[float]) -> Reference:
    return Reference.of(Labels.of(np.asarray(preference, dtype=np.float64)), PAIRS)


def test_cells_are_shares_of_commonly_decided_test_pairs() -> None:
    n = len(PAIRS)
    left = [1.0] * n
    mostly = [1.0] * 12 + [0.0] * 6 + [0.5] + [np.nan] + [0.0] * (n - 20)
    few = [1.0] * (FEWEST - 1) + [np.nan] * (n - FEWEST + 1)
    scores = -np.arange(40.0)  # the left image of every pair scores higher
    scores[0] = np.nan  # so that one pair has no margin
    references = {
        "left": reference(left),
        "mostly": reference(mostly),
        "few": reference(few),
        "gone": Reference(None, reason="no votes"),
    }
    found = agreement_map(scores, PAIRS, ROWS, references)
    assert found is not None
    assert list(found.columns) == ["left", "mostly"]
    assert list(found.rows) == ["the model", "left", "mostly"]
    expected = [[1.0, 11 / 17], [np.nan, 12 / 18], [12 / 18, np.nan]]
    assert np.asarray(found.values) == pytest.approx(np.array(expected), nan_ok=True)


def test_one_reference_needs_no_map() -> None:
    one = {"left": reference([1.0] * len(PAIRS)), "gone": Reference(None, reason="no votes")}
    assert agreement_map(np.zeros(40), PAIRS, ROWS, one) is None
