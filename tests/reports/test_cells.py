"""Cells as people read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from interestingness.reports.cells import cell_text, format_cell, groups, heading, visible_columns
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Column, Kind, Spread, Table

NAN = float("nan")


@pytest.mark.parametrize(
    ("cell", "kind", "expected"),
    [
        (0.734, "percent", "73.4"),
        (Spread(0.734, 0.0342, 50), "percent", "73.4 ± 3.4"),
        (Spread(0.734, NAN, 1), "percent", "73.4"),
        (Spread(NAN, NAN, 0), "percent", "–"),
        (Interval(0.808, 0.767, 0.845, 0.95, 1000), "percent", "80.8 [76.7, 84.5]"),
        (Interval(0.808, NAN, NAN, 0.95, 0), "percent", "80.8"),
        (Interval(NAN, NAN, NAN, 0.95, 0), "percent", "–"),
        (Interval(-0.5, -0.7, 0.1, 0.95, 1000), "signed", "−0.50 [−0.70, +0.10]"),
        (Spread(-0.5, 0.25, 3), "signed", "−0.50 ± 0.25"),
        (1234567, "count", "1,234,567"),
        (np.int64(1234), "count", "1,234"),
        (np.float32(0.5), "number", "0.50"),
        (np.bool_(True), "text", "yes"),
        (False, "text", "no"),
        (-0.001, "number", "0.00"),
        (-0.001, "signed", "+0.00"),
        (0.004, "dollars", "0.004"),
        (12.4, "dollars", "12.40"),
        (0.0, "dollars", "0.00"),
        (0.0123, "seconds", "0.012"),
        (12345.6, "seconds", "12,346"),
        (float("inf"), "number", "∞"),
        (None, "percent", "–"),
        (NAN, "count", "–"),
        (np.float64(NAN), "count", "–"),
        ("", "text", "–"),
        ("GPT-4o", "percent", "GPT-4o"),
    ],
)
def test_a_cell(cell: Any, kind: Kind, expected: str) -> None:
    assert format_cell(cell, kind) == expected


def test_only_texts_leave_their_cell_empty() -> None:
    assert cell_text(None, "text") == "" and cell_text(None, "number") == "–"


def test_names_that_repeat_are_told_once() -> None:
    rows = [[name, str(i), "x"] for i, name in enumerate(["a", "a", "b", "b", "b"])]
    assert groups(rows) == [
        ("a", [["0", "x"], ["1", "x"]]),
        ("b", [["2", "x"], ["3", "x"], ["4", "x"]]),
    ]
    for other in (rows[:3], [[str(i), "x", "y"] for i in range(9)], [["a", "x"]] * 9, []):
        assert groups(other) == [("", other)]


def test_units_are_in_the_heading_and_empty_columns_are_not_shown() -> None:
    columns = [Column("a", "accuracy", "percent"), Column("b", "price", "dollars")]
    assert [heading(c) for c in columns] == ["accuracy, %", "price, $"]
    assert (
        visible_columns(Table("t", "t", columns, [{"a": 0.5, "b": NAN}, {"a": None}]))
        == columns[:1]
    )
    assert visible_columns(Table("t", "t", columns, [])) == columns
    assert visible_columns(Table("t", "t", columns, [{"a": None}])) == columns
