"""``interestingness doctor``: what works here, and what mends the rest."""

from __future__ import annotations

import os

from interestingness.annotators.redaction import redacted
from interestingness.checkup.checks import NAMES, check_all
from interestingness.checkup.findings import check_needed, lacking, report_lines
from interestingness.checkup.machine import read_machine, required_packages
from interestingness.commands.options import Options


def doctor(options: Options) -> int:
    """Check everything and print a line for each.

    Returns:
        Exit status: 0, or 1 if something that was asked for does not work.
    """
    needed = [name.strip() for text in options.need for name in text.split(",")]
    check_needed(needed, NAMES)
    findings = check_all(read_machine(os.environ, needed), required_packages())
    for line in report_lines(findings, needed):
        print(redacted(line))
    if missing := lacking(findings, needed):
        print(f"needed and not here: {', '.join(missing)}")
    return 1 if missing else 0
