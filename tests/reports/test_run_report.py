"""The result of a run: every number of its evaluation in a table, figure or gallery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from page_outline import Outline
from toy_run import toy_evaluation

from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import (
    Estimate,
    Evaluation,
    GroupResult,
    Histogram,
    ReferenceResult,
    YesOrNo,
)
from interestingness.labels.source import Labels
from interestingness.reports.charts.standalone import write_interval_svg
from interestingness.reports.page import render_page
from interestingness.reports.reasons import Reason
from interestingness.reports.run_figures import FEWEST, accuracy_chart, run_agreement
from interestingness.reports.run_report import _below_chance, run_report
from interestingness.schema import Pairs
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import Bars, Curves, IntervalChart, StudyResult, Table

MakeRun = Callable[..., StudyResult]
SIMULATION = "SIMULATION: raters calibrated to the paper; agreement is by construction"
NOTHING = Evaluation(0, 0, 0, None, (), (), (), (), (), Histogram())


def table(result: StudyResult, name: str) -> Table:
    return next(t for t in result.tables if t.name == name)


def page(result: StudyResult) -> Outline:
    return Outline(render_page(result, picture=lambda _: None, settings={}, table_files=False))


def test_every_reference_has_a_row_with_its_numbers(make_run: MakeRun) -> None:
    evaluation = toy_evaluation()
    rows = {str(r["reference"]): r for r in table(make_run(), "references").rows}
    assert list(rows) == ["human", "grade (learnt)", "gpt4o"]
    human = evaluation.references[0]
    cell = rows["human"]["accuracy"]
    assert isinstance(cell, Interval)
    assert (cell.estimate, cell.low, cell.high) == (
        human.accuracy.value,
        human.accuracy.low,
        human.accuracy.high,
    )
    for name in ("pairs", "images", "spearman", "kendall", "ece", "brier"):
        assert rows["human"][name] == getattr(human, name)
    assert "no votes" in str(rows["gpt4o"]["note"]) and "accuracy" not in rows["gpt4o"]


def test_the_headline_and_the_answer_say_what_counts(make_run: MakeRun) -> None:
    human = toy_evaluation().main_result
    assert human is not None and human.accuracy.value is not None
    result = make_run()
    assert result.headline == (f"{100 * human.accuracy.value:.1f} %", "accuracy against human")
    assert "Learnt from grade." in result.answer and "Only references: human." in result.answer
    assert "gpt4o is no reference here: no votes" in result.answer
    assert "below chance" not in result.answer


def test_a_model_that_learnt_the_opposite_is_called_so() -> None:
    human = toy_evaluation().main_result
    assert human is not None
    for high, told in ((0.3, True), (0.6, False), (None, False)):
        found = _below_chance(replace(human, accuracy=Estimate(0.2, 0.1, high)))
        assert bool(found) == told


def test_figures_show_consensus_calibration_and_scores(make_run: MakeRun) -> None:
    evaluation = toy_evaluation()
    main = evaluation.main_result
    assert main is not None
    figures = {figure.name: figure for figure in make_run().figures}
    consensus, calibration, scores = (figures[n] for n in ("consensus", "calibration", "scores"))
    assert isinstance(consensus, IntervalChart)
    assert [e.estimate for _, e in consensus.rows if isinstance(e, Interval)] == [
        level.accuracy.value for level in main.consensus
    ]
    assert isinstance(calibration, Curves)
    assert calibration.curves[0].y.tolist() == [b.observed for b in main.reliability]
    assert isinstance(scores, Bars) and tuple(scores.values) == evaluation.histogram.counts


def test_images_mistakes_and_reasons_are_in_galleries(make_run: MakeRun) -> None:
    evaluation = toy_evaluation()
    pair = evaluation.mistakes[0].pair_id
    reasons = [Reason("gpt-4o", "right", f"vivid colours {i}", "model") for i in range(5)]
    reasons.append(Reason("person 1", "left", "it makes me wonder"))
    galleries = {g.title: g for g in make_run(reasons={pair: reasons}).galleries}
    assert list(galleries) == ["Highest", "Middle", "Lowest", "Most wrong"]
    assert [s.image_id for s in galleries["Highest"].images] == [
        image.image_id for image in evaluation.highest
    ]
    worst, mistake = galleries["Most wrong"].pairs[0], evaluation.mistakes[0]
    assert (worst.left.image_id, worst.right.image_id) == (mistake.left, mistake.right)
    assert worst.shares == (("the model", mistake.probability), ("human", mistake.preference))
    assert worst.reasons[0] == ("← person 1", "it makes me wonder")
    assert [text for _, text in worst.reasons[1:]] == [f"vivid colours {i}" for i in range(3)]


def test_yes_or_no_is_a_table_of_its_own_that_is_printed_too(make_run: MakeRun) -> None:
    assert make_run().printed == 1
    said = YesOrNo(1403, 0.482, Estimate(0.712, 0.66, 0.761), 0.699, None)
    evaluation = toy_evaluation()
    human, *others = evaluation.references
    evaluation = replace(evaluation, references=(replace(human, yes_or_no=said), *others))
    result = make_run(evaluation=evaluation)
    (row,) = table(result, "yes_or_no").rows
    assert (row["images"], row["yes"], row["precision"], row["recall"]) == (
        1403,
        0.482,
        0.699,
        None,
    )
    assert result.printed == 2 and result.tables[1].name == "yes_or_no"


def test_skipped_images_are_listed_with_reasons(make_run: MakeRun) -> None:
    assert table(make_run(), "skipped").rows == [{"image_id": "broken.jpg", "why": "truncated"}]
    assert [t.name for t in make_run(skipped={}).tables] == ["references"]


def absent(*reasons: str) -> tuple[ReferenceResult, ...]:
    return tuple(ReferenceResult(f"r{i}", i == 0, reason=r) for i, r in enumerate(reasons))


@pytest.mark.parametrize("references", [(), absent("no votes"), absent("a", "b")])
def test_a_run_without_any_reference(
    make_run: MakeRun, references: tuple[ReferenceResult, ...]
) -> None:
    result = make_run(evaluation=replace(NOTHING, references=references))
    assert result.headline is None and not result.figures and not result.galleries
    words = page(result).words()
    assert all(r.name in words and r.reason in words for r in references)


def test_two_images_are_shown(make_run: MakeRun) -> None:
    assert "Highest" in page(make_run(images=2)).words()


def test_hostile_names_are_text(make_run: MakeRun, hostile_names: tuple[str, ...]) -> None:
    evil = "<img src=http://evil.example/x onerror=alert(1)>{{ 7 * 7 }}\u202e"
    mistakes = toy_evaluation(names=hostile_names).mistakes
    reasons = {m.pair_id: [Reason(evil, "right", evil)] for m in mistakes}
    outline = page(make_run(names=hostile_names, reasons=reasons, title=evil, simulated=evil))
    clean = {tag for tag, _ in page(make_run(simulated="s")).tags} | {"wbr", "code"}
    assert {tag for tag, _ in outline.tags} <= clean
    assert not any(name.startswith("on") for _, attrs in outline.tags for name in attrs)
    for name in hostile_names[:3]:
        assert name in outline.words()


IDS = [f"{i:02d}" for i in range(40)]
PAIRS, _, _ = Pairs.from_ids(IDS[:-1], IDS[1:], IDS)
ROWS = np.arange(20)


def reference(preference: list[float]) -> Reference:
    return Reference.of(Labels.of(np.asarray(preference, dtype=np.float64)), PAIRS)


def test_cells_are_shares_of_commonly_decided_test_pairs() -> None:
    n = len(PAIRS)
    mostly = [1.0] * 12 + [0.0] * 6 + [0.5] + [np.nan] + [0.0] * (n - 20)
    scores = -np.arange(40.0)  # the left image of every pair scores higher
    scores[0] = np.nan  # so that one pair has no margin
    references = {
        "left": reference([1.0] * n),
        "mostly": reference(mostly),
        "few": reference([1.0] * (FEWEST - 1) + [np.nan] * (n - FEWEST + 1)),
        "gone": Reference(None, reason="no votes"),
    }
    margin = scores[PAIRS.left] - scores[PAIRS.right]
    found = run_agreement(margin, ROWS, references)
    assert found is not None
    assert list(found.columns) == ["left", "mostly"]
    assert list(found.rows) == ["the model", "left", "mostly"]
    expected = [[1.0, 11 / 17], [np.nan, 12 / 18], [12 / 18, np.nan]]
    assert np.asarray(found.values) == pytest.approx(np.array(expected), nan_ok=True)
    assert run_agreement(margin, ROWS, {"left": references["left"]}) is None


def marks(svg: str, kind: str) -> list[ElementTree.Element]:
    return [e for e in ElementTree.fromstring(svg).iter() if e.get("class") == kind]


def test_the_chart_as_a_file(tmp_path: Path) -> None:
    evaluation = toy_evaluation()
    human, *others = evaluation.references
    evil = replace(human, name="<b>&🙂" + "x" * 80)
    chart = accuracy_chart(replace(evaluation, references=(human, evil, *others)))
    file = tmp_path / "accuracy.svg"
    write_interval_svg(file, replace(chart, title="<OASIS>"), simulated="SIMULATION: <x>")
    text = file.read_text(encoding="utf-8")
    assert len(marks(text, "dot")) == len(marks(text, "interval")) == 3
    words = "".join(ElementTree.fromstring(text).itertext())
    for expected in ("<OASIS>", "<b>&🙂", "chance", "SIMULATION: <x>"):
        assert expected in words
    assert "gpt4o" not in words
    write_interval_svg(file, accuracy_chart(NOTHING))
    assert not marks(file.read_text(encoding="utf-8"), "dot")


def test_results_by_group_are_a_table_of_the_page_and_the_print_out() -> None:
    human = toy_evaluation().main_result
    assert human is not None
    parts = (("cat", 0.9), ("dog", 0.6))
    groups = tuple(
        GroupResult(name, (replace(human, accuracy=Estimate(share, share - 0.1, share + 0.05)),))
        for name, share in parts
    )
    evaluation = replace(toy_evaluation(), group_column="kind", groups=groups, apart=True)
    result = run_report(evaluation, title="t", used=[], caveats=["Read this.", "And this."])
    rows = table(result, "groups").rows
    assert [(r["group"], getattr(r["accuracy"], "estimate", None)) for r in rows] == list(parts)
    assert result.printed == 2 and result.tables[1].name == "groups"
    words = page(result).words()
    assert "dog" in words and "kind" in words and "Read this." in words
    assert "By kind it is from 60.0 % (dog) to 90.0 % (cat)." in result.answer
    assert result.answer.endswith("Read this.")
    assert list(result.tables[0].notes) == ["Read this.", "And this."]
