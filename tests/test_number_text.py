"""Numbers are written in one way wherever they stand."""

import math
import re
from pathlib import Path

import pytest

from interestingness.number_text import percent, percent_interval, points, write_number
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Spread
from interestingness.studies.table_columns import percent_text

NAN = math.nan


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (percent(0.6512), "65.1 %"),
        (percent(0.5, digits=0), "50 %"),
        (percent(-0.021), "−2.1 %"),
        (percent(NAN), "–"),
        (percent(0.99996), "99.9 %"),  # what is not all is not written as all
        (percent(0.996, digits=0), "99 %"),
        (percent(1 - 1e-15), "100.0 %"),
        (write_number(0.99996, "percent"), "99.9"),
        (points(-2.14), "−2.1"),
        (points(0.891, digits=2), "+0.89"),
        (points(-0.001), "+0.0"),
        (percent_interval(0.65, 0.6, 0.7), "65.0 % [60.0, 70.0]"),
        (percent_interval(0.65, NAN, NAN), "65.0 %"),
        (write_number(-0.57, "signed"), "−0.57"),
        (write_number(12345, "count"), "12,345"),
        (write_number(-math.inf, "number"), "−∞"),
        (percent_text(Interval(0.65, 0.6, 0.7, 0.95, 1)), "65.0 % [60.0, 70.0]"),
        (percent_text(Spread(0.65, 0.011, 5)), "65.0 ± 1.1 % over 5 splits"),
        (percent_text(Spread(0.65, NAN, 1)), "65.0 % on 1 split"),
        (percent_text(None), "–"),
    ],
)
def test_one_way(written: str, expected: str) -> None:
    assert written == expected


def test_no_other_module_writes_percent_or_signs_by_itself(repository: Path) -> None:
    own = re.compile(r"\{[^{}]*:[+,]?\.\d%\}|:\+\.\df\}")
    found = [
        f"{file.name}: {line.strip()}"
        for file in (repository / "interestingness").rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if own.search(line)
    ]
    assert found == []
