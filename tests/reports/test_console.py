"""What a terminal shows of a run or study: whole numbers, columns that fit, a path at the end."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from interestingness.reports.console import LINES, print_report, print_table, print_used
from interestingness.studies.result import Column, StudyResult, Table

MakeStudy = Callable[..., StudyResult]


def printed(result: StudyResult, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    print_report(result, page=Path("/runs/page.html"), console=Console(file=stream, width=width))
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_numbers_are_whole_at_any_width(width: int, make_study: MakeStudy) -> None:
    text = printed(make_study(), width)
    lines = text.rstrip("\n").split("\n")
    assert max(map(len, lines)) <= width and lines[-1] == "/runs/page.html"
    assert "77.2 ± 3.4" in text and "56.4 ± 3.4" in text
    assert ("77.2 [72.2, 82.2]" in text) == (width >= 60)
    assert ("about 12.40 $" in " ".join(text.split())) == (width >= 120)


def test_a_narrow_terminal_says_what_it_leaves_out(make_study: MakeStudy) -> None:
    words = " ".join(printed(make_study(), 60).split())
    assert "not shown here: " in words and "note" in words
    assert "not shown here" not in printed(make_study(), 200)


def test_groups_of_rows_have_headings() -> None:
    columns = [Column("a", "fit"), Column("b", "learnt from"), Column("c", "pairs", "count")]
    rows = [{"a": f"a fit with a longer name {i // 2}", "b": f"s{i}", "c": i} for i in range(4)]
    stream = io.StringIO()
    print_table(Table("t", "T", columns, rows), console=Console(file=stream, width=60))
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    at = lines.index("a fit with a longer name 0")
    assert [" ".join(line.split()) for line in lines[at + 1 : at + 4]] == [
        "s0 0",
        "s1 1",
        "a fit with a longer name 1",
    ]
    assert lines[at + 1].startswith("  s0")


def test_used_answer_and_simulation_are_printed(make_study: MakeStudy) -> None:
    words = " ".join(printed(make_study(simulated="SIMULATION: by construction")).split())
    assert words.startswith("data toys: 40 images, 120 pairs split half by image, 50 times")
    assert "Of 7 sources `human` teaches best" in words
    assert words.endswith("SIMULATION: by construction /runs/page.html")


def test_long_tables_are_cut_and_texts_are_neither_markup_nor_escapes() -> None:
    columns = [Column("a", "[red]who"), Column("b", "votes", "count")]
    rows = [{"a": f"\x1b[31mrater {i}", "b": i} for i in range(LINES + 7)]
    stream = io.StringIO()
    table = Table("votes", "Votes", columns, rows)
    print_table(table, console=Console(file=stream, width=80))
    text = stream.getvalue()
    assert "\x1b" not in text and "[red]who" in text and "[31mrater 39" in text
    assert "… and 7 more rows in votes.csv" in text and "rater 40" not in text


def test_an_ascii_log_does_not_end_a_study(make_study: MakeStudy) -> None:
    result = replace(make_study(), answer="é → ü")
    assert "77.2 ? 3.4" in printed(result, encoding="ascii")


def test_a_study_without_tables(make_study: MakeStudy) -> None:
    assert printed(make_study(tables=[])).endswith("/runs/page.html\n")


def test_as_many_tables_are_printed_as_the_result_says(make_study: MakeStudy) -> None:
    assert "Odds and ends" not in printed(make_study())
    assert "Odds and ends" in printed(make_study(printed=2))


def test_the_first_lines_name_what_a_run_uses() -> None:
    stream = io.StringIO()
    used = [("data", "oasis"), ("weights", "[bold]laion2b[/bold]")]
    print_used(used, simulated="SIMULATION: s", console=Console(file=stream, width=80))
    words = " ".join(stream.getvalue().split())
    assert words == "data oasis weights [bold]laion2b[/bold] SIMULATION: s"
