"""Charts: well-formed SVG whose marks stand where the numbers say."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from interestingness.evaluation.results import (
    Ceiling,
    ConsensusLevel,
    Estimate,
    Evaluation,
    Histogram,
    ReferenceResult,
    ReliabilityBin,
)
from interestingness.reports import figures


def result(name: str, value: float | None, half: float | None = 0.05) -> ReferenceResult:
    ends = (None, None) if half is None or value is None else (value - half, value + half)
    return ReferenceResult(name, False, pairs=10, accuracy=Estimate(value, *ends))


def marks(svg: str, kind: str) -> list[ElementTree.Element]:
    return [e for e in ElementTree.fromstring(svg).iter() if e.get("class") == kind]


def test_an_interval_bar_is_to_scale() -> None:
    svg = figures.interval_bar(result("r", 0.7), (0.4, 0.9))
    (dot,) = marks(svg, "dot")
    (interval,) = marks(svg, "interval")
    (chance,) = marks(svg, "chance")
    assert dot.get("cx") == "60.00%" and chance.get("x1") == "20.00%"
    assert (interval.get("x1"), interval.get("x2")) == ("50.00%", "70.00%")
    assert not marks(svg, "ceiling")
    assert "70.0 %, between 65.0 and 75.0 %" in svg


def test_the_axis_holds_chance_and_every_interval() -> None:
    assert figures.accuracy_span([]) == (0.4, 0.9)
    assert figures.accuracy_span([result("r", 0.15)]) == (0.0, 0.9)
    assert figures.accuracy_span([result("r", 0.97, 0.03)]) == (0.4, 1.0)
    assert figures.accuracy_span([result("r", 0.7, None)]) == (0.4, 0.9)


def test_consensus_levels_stand_higher_where_accuracy_is_higher() -> None:
    levels = [ConsensusLevel(f"{c} %", 5, Estimate(a, a, a)) for c, a in ((60, 0.2), (80, 0.9))]
    chart = figures.consensus_chart(levels)
    low, high = (float(dot.get("cy") or "nan") for dot in marks(chart, "dot"))
    assert low > high  # downwards is positive in SVG
    (chance,) = marks(chart, "chance")
    assert float(chance.get("y1") or "nan") == pytest.approx((low * 4 + high * 3) / 7, abs=0.1)


def test_calibration_and_histogram_draw_every_bin() -> None:
    bins = [ReliabilityBin(0.1, 0.2, 4), ReliabilityBin(0.9, 0.8, 16)]
    small, large = marks(figures.calibration_chart(bins), "dot")
    assert float(small.get("r") or 0) < float(large.get("r") or 0)
    columns = marks(figures.histogram_chart(Histogram((0, 1, 2, 3), (1, 0, 4))), "column")
    heights = [float(c.get("height") or "nan") for c in columns]
    assert heights == pytest.approx([47, 0, 188], abs=0.1)
    assert not marks(figures.histogram_chart(Histogram()), "column")
    assert not marks(figures.calibration_chart(()), "dot")


def test_the_standalone_chart(tmp_path: Path) -> None:
    human = ReferenceResult(
        "human", False, pairs=9, accuracy=Estimate(0.7, 0.6, 0.8), ceiling=Ceiling(0.78, 5, 9)
    )
    references = (
        human,
        result("<b>&🙂" + "x" * 80, 0.4),
        ReferenceResult("gone", False, reason="no votes"),
    )
    evaluation = Evaluation(9, 9, 0, "human", references, (), (), (), (), Histogram())
    path = tmp_path / "chart.svg"
    figures.write_accuracy_chart(path, evaluation, title="<OASIS>", simulated="SIMULATION: <x>")
    text = path.read_text(encoding="utf-8")
    assert len(marks(text, "dot")) == 2 and len(marks(text, "ceiling")) == 1
    words = "".join(ElementTree.fromstring(text).itertext())
    for expected in ("<OASIS>", "<b>&🙂", "70.0 %", "one human", "chance", "SIMULATION: <x>"):
        assert expected in words
    assert "gone" not in words
    empty = Evaluation(0, 0, 0, None, (), (), (), (), (), Histogram())
    figures.write_accuracy_chart(path, empty, title="nothing")
    assert not marks(path.read_text(encoding="utf-8"), "dot")
