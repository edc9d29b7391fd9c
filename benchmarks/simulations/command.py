"""The command around a simulation: common options, then a page, tables and a print-out."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from interestingness.reports.console import print_report
from interestingness.reports.page import write_report
from interestingness.studies.result import StudyResult

SIMULATED = (
    "Simulated: judges, images and truth are formulas; nothing here was asked of a real model."
)
QUICK = "A quick run: too few repetitions to conclude anything."


def parser_of(text: str, *, repetitions: int) -> argparse.ArgumentParser:
    """A parser with the options that every simulation has.

    Args:
        text: docstring of the benchmark.
        repetitions: default of ``--repetitions``.
    """
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=repetitions, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--out", type=Path, help="folder of the page and the tables")
    return parser


def tell(name: str, simulate: Callable[[], StudyResult], out: Path | None) -> None:
    """Simulate, write the page and print the first table.

    Args:
        name: of the simulation; the default folder is ``runs/NAME``.
        simulate: makes the result.
        out: folder, or None for the default.
    """
    result = simulate()
    folder = out or Path("runs") / name
    page = write_report(folder, result, picture=lambda _: None, settings={})
    print_report(result, page=page)


def numbers(text: str) -> Sequence[int]:
    """The whole numbers of a list with commas: ``250,500``."""
    return [int(part) for part in text.split(",")]
