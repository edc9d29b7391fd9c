"""docs/fault_table.md names a test or a reason for every fault, and the tests exist."""

from __future__ import annotations

import re
from pathlib import Path

ROWS = 47


def test_every_fault_has_a_test_that_exists_or_a_reason(repository: Path) -> None:
    page = (repository / "docs" / "fault_table.md").read_text()
    numbers, named = [], 0
    for line in page.splitlines():
        row = re.match(r"\| (\d+) \|", line)
        if row is None:
            continue
        numbers.append(int(row[1]))
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        tests = re.findall(r"`T/([\w/.]+)::(\w+)`", cells[-1])
        assert tests or (len(cells) == 3 and cells[2]), f"row {row[1]} has neither test nor reason"
        for file, test in tests:
            code = (repository / "tests" / "annotators" / file).read_text()
            assert f"def {test}(" in code, f"row {row[1]}: {file} has no {test}"
            named += 1
    assert sorted(numbers) == list(range(1, ROWS + 1))
    assert named >= ROWS
