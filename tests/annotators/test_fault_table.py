"""docs/fault_table.md names where each group of faults is tested, and these places exist."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_section_of_faults_names_tests_that_exist(repository: Path) -> None:
    page = (repository / "docs" / "fault_table.md").read_text()
    sections = page.split("\n## ")[1:]
    assert len(sections) >= 6
    for section in sections:
        (line,) = re.findall(r"^Tests: (.*)\.$", section, re.M)
        places = re.findall(r"`([\w/.]+)`", line)
        assert places
        for place in places:
            assert (repository / place).exists(), place
