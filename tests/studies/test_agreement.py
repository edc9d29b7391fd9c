"""One heat map and one table of who agrees with whom, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from interestingness.schema import Pairs
from interestingness.stats.bootstrap import Interval
from interestingness.studies.agreement import agreement_map, agreement_table

NAN = np.nan
SIDES = {
    "model": np.array([1.0, 1, 1, 1, NAN, 1]),
    "people": np.array([1.0, 1, 0, 0.5, 0, 0.8]),
    "few": np.array([0.0, NAN, NAN, NAN, NAN, NAN]),
}


def test_cells_are_shares_of_commonly_decided_pairs() -> None:
    found = agreement_map(SIDES)
    assert list(found.rows) == list(found.columns) == list(SIDES)
    expected = [[NAN, 3 / 4, 0], [3 / 4, NAN, 0], [0, 0, NAN]]
    assert found.values == pytest.approx(np.array(expected), nan_ok=True)


def test_too_few_pairs_leave_a_cell_empty_and_the_first_can_be_a_row_only() -> None:
    found = agreement_map(SIDES, fewest=2, first_is_row_only=True)
    assert list(found.columns) == ["people", "few"]
    expected = [[3 / 4, NAN], [NAN, NAN], [NAN, NAN]]
    assert found.values == pytest.approx(np.array(expected), nan_ok=True)


def test_the_table_has_each_two_sources_once() -> None:
    ids = [f"{i:02d}" for i in range(7)]
    pairs, _, _ = Pairs.from_ids(ids[:-1], ids[1:], ids)
    table = agreement_table(SIDES, pairs, title="t")
    assert [(r["one"], r["other"], r["pairs"]) for r in table.rows] == [
        ("model", "people", 4), ("model", "few", 1), ("people", "few", 1)
    ]  # fmt: skip
    first = table.rows[0]["agreement"]
    assert isinstance(first, Interval) and first.estimate == 3 / 4
    assert table.rows[0]["kappa"] == pytest.approx(2 * 3 / 4 - 1)
