"""What a terminal of 80 columns, a log file and an ASCII terminal show."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from interestingness.evaluation.results import (
    Ceiling,
    Estimate,
    Evaluation,
    Histogram,
    ReferenceResult,
    YesOrNo,
)
from interestingness.reports.console import describe_run, print_results
from interestingness.reports.description import RunDescription

SIMULATION = "SIMULATION: raters calibrated to the paper; agreement is by construction"
DESCRIPTION = RunDescription(
    data="oasis · 814 photographs · 2,500 pairs",
    labels="human: majority of votes, 2,107 pairs decided",
    model="frozen_clip_linear",
    weights="[bold]laion2b[/bold] (605 MB)",
    split="half by image: 407 / 407",
    simulated=SIMULATION,
)


def judged(name: str, *, learnt: bool = False, ceiling: float | None = None) -> ReferenceResult:
    return ReferenceResult(
        name,
        learnt,
        pairs=1223,
        images=313,
        accuracy=Estimate(0.734, 0.676, 0.789),
        spearman=-0.42,
        ceiling=None if ceiling is None else Ceiling(ceiling, 5, 100),
    )


def evaluation(*references: ReferenceResult) -> Evaluation:
    main = next((r.name for r in references if r.judged), None)
    return Evaluation(1250, 407, 2, main, references, (), (), (), (), Histogram())


def shown(value: Evaluation, *, width: int = 80, encoding: str = "utf-8", **options: str) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    print_results(value, console=Console(file=stream, width=width), **options)
    return raw.getvalue().decode(encoding)


def test_the_table_says_who_judges_with_numbers_and_ends_with_one_path() -> None:
    page = "/home/" + "a_very_long_folder_name/" * 6 + "page.html"
    text = shown(
        evaluation(
            judged("human", ceiling=0.78),
            judged("gpt4o", learnt=True),
            judged("commonly_interesting"),
            ReferenceResult("views", False, reason="no score is called 'views'"),
        ),
        simulated=SIMULATION,
        page=page,
    )
    lines = text.rstrip("\n").split("\n")
    assert lines[-1] == page
    assert max(len(line) for line in lines[:-1]) <= 80
    (human,) = [line for line in lines if line.startswith("human")]
    assert " ".join(human.split()) == "human 1,223 313 73.4 [67.6, 78.9] −0.42 50 78.0"
    assert any(line.startswith("gpt4o (learnt)") for line in lines)
    assert any(line.startswith("commonly_interesting ") for line in lines)  # in one line
    joined = " ".join(text.split())
    assert "learnt from gpt4o; human, commonly_interesting only judge" in joined
    assert "views cannot judge: no score is called 'views'" in joined
    assert "2 test images have no score" in joined
    assert SIMULATION in joined
    assert "\x1b" not in text  # a log gets no colours


def test_nothing_is_said_of_a_simulation_or_ceiling_where_there_is_none() -> None:
    text = shown(evaluation(judged("human")))
    assert "SIMULATION" not in text and "ceiling:" not in text and "78.0" not in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_yes_or_no_has_a_table_of_its_own_where_scores_have_a_zero(width: int) -> None:
    said = YesOrNo(403, 0.482, Estimate(0.712, 0.66, 0.761), 0.699, None)
    flagged = replace(judged("lafin", learnt=True), yes_or_no=said)
    text = shown(evaluation(judged("human"), flagged), width=width)
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert rows.count("lafin 403 48.2 71.2 [66.0, 76.1] 69.9 –") == (width > 40)
    assert rows.count("lafin 403 71.2 [66.0, 76.1]") == (width == 40)
    assert "yes: a score above 0" in " ".join(rows)
    assert "yes" not in shown(evaluation(judged("human"), judged("lafin", learnt=True)))


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_numbers_are_never_cut(width: int) -> None:
    text = shown(evaluation(judged("human", ceiling=0.5), judged("x" * 60)), width=width)
    assert text.count("73.4 [67.6, 78.9]") == 2 and text.count("1,223") == 2
    assert "…" not in text


def test_names_are_not_markup_and_an_ascii_log_does_not_end_the_run() -> None:
    name = "[red]é🙂[/red]"
    text = shown(evaluation(judged(name)), encoding="ascii", page="/runs/ü/page.html")
    assert "[red]??[/red]" in text and "-0.42" in text
    assert re.search(r"/runs/\?/page.html\n$", text)


def test_no_reference_and_no_test_pair() -> None:
    text = shown(Evaluation(0, 0, 0, None, (), (), (), (), (), Histogram()), page="p.html")
    assert "no reference can judge" in text and text.endswith("p.html\n")
    absent = ReferenceResult("human", False, reason="there is no test pair")
    assert "human cannot judge: there is no test pair" in shown(evaluation(absent))


def test_the_first_lines_name_what_a_run_uses() -> None:
    raw = io.StringIO()
    describe_run(DESCRIPTION, console=Console(file=raw, width=80))
    text = raw.getvalue()
    for name, value in DESCRIPTION.lines():
        assert re.search(rf"^{name} +{re.escape(value)} *$", text, re.MULTILINE)
    assert SIMULATION in text


def test_one_pair_is_not_called_pairs() -> None:
    one = Evaluation(1, 1, 1, "human", (judged("human"),), (), (), (), (), Histogram())
    words = " ".join(shown(one).split())
    assert "1 test pair of 1 image;" in words and "1 test image has no score" in words
