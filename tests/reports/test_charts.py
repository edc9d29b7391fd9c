"""Figures of studies: marks stand where the numbers say, in HTML that parses."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from interestingness.reports.charts.draw import draw, is_wide
from interestingness.reports.charts.intervals import label_places
from interestingness.reports.charts.scatter import MOST_GROUPS, MOST_NAMES, MOST_POINTS
from interestingness.stats.bootstrap import Interval
from interestingness.studies.result import (
    Bars,
    Curve,
    Curves,
    Figure,
    HeatMap,
    IntervalChart,
    Scatter,
    Spread,
)

NAN = float("nan")
EVIL = '</svg><script>alert(1)</script>"onload="x\u202e'


def drawn(figure: Figure, uri: str | None = "data:,x") -> ElementTree.Element:
    """The figure as a tree; void tags of HTML are closed for the parser of XML."""
    html = str(draw(figure, thumbnail=lambda _: uri))
    return ElementTree.fromstring(f"<div>{html.replace('<wbr>', '<wbr/>')}</div>")


def marks(tree: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [e for e in tree.iter() if kind in (e.get("class") or "").split()]


def place(mark: ElementTree.Element, name: str) -> float:
    return float((mark.get(name) or "nan").rstrip("%"))


def text(tree: ElementTree.Element) -> str:
    return " ".join(" ".join(tree.itertext()).split())


def test_intervals_are_to_scale() -> None:
    rows: list[tuple[str, Interval | Spread]] = [
        ("human", Interval(0.7, 0.6, 0.9, 0.95, 1000)),
        ("gpt4o", Spread(0.5, 0.1, 50)),
        ("one split", Spread(0.5, NAN, 1)),
        ("nothing", Spread(NAN, NAN, 0)),
    ]
    chart = IntervalChart("a", "Accuracy", "", rows, {"chance": 0.5, "one human": 0.8})
    tree = drawn(chart)
    # the axis goes from 40 to 90 %
    assert [place(m, "cx") for m in marks(tree, "dot")] == pytest.approx([60, 20, 20])
    ends = [(place(m, "x1"), place(m, "x2")) for m in marks(tree, "interval")]
    assert ends == [pytest.approx((40, 100)), pytest.approx((0, 40))]
    assert {place(m, "x1") for m in marks(tree, "compare")} == {20.0, 80.0}
    for word in ("human", "70.0 [60.0, 90.0]", "50.0 ± 10.0", "chance", "one human", "nothing –"):
        assert word in text(tree)


def test_a_heat_map_is_coloured_by_side_and_distance() -> None:
    values = np.array([[0.5, 0.9], [0.1, NAN]])
    tree = drawn(HeatMap("h", "Agreement", "", ["a", "b"], ["c", "d"], values))
    share = [
        (m.get("class"), int(re.findall(r"\d+", m.get("style") or "")[0]))
        for m in tree.iter("td")
        if m.get("class")
    ]
    assert share == [("above", 0), ("above", 78), ("below", 78)]
    assert text(tree) == "c d a 50.0 90.0 b 10.0 –"
    near = drawn(HeatMap("h", "", "", ["a"], ["b"], np.array([[0.51]])))
    assert "--share:4%" in (marks(near, "above")[0].get("style") or "")  # noise stays pale


def test_curves_break_where_a_number_is_missing_and_are_named() -> None:
    x = np.array([1.0, 10, 100, 1000])
    y = np.array([0.5, 0.6, NAN, 0.8])
    curves = [Curve("one", x, y, y - 0.1, y + 0.1), Curve("two", x[::-1], np.full(4, 0.7))]
    chart = Curves("c", "", "", "calls", "accuracy", curves, log_x=True, lines={"chance": 0.5})
    tree = drawn(chart)
    paths = [m.get("d") or "" for m in tree.iter("path") if m.get("class") in ("curve c0 d0",)]
    assert len(paths) == 2  # the gap makes two pieces of it
    bands = [m.get("d") or "" for m in marks(tree, "band")]
    assert [d.count("L") for d in bands] == [3]  # two points, there and back; one has no width
    first, second = [float(v.split()[0]) for v in paths[0].lstrip("M").split(" L")]
    assert (first, second) == pytest.approx((0, 100 / 3), abs=0.01)
    words = text(tree)
    assert "accuracy, %" in words and words.count("one") == 2 and "chance" in words
    assert "one: 50.0 → 80.0; two: 70.0 → 70.0" in ElementTree.tostring(tree, "unicode")


def test_names_of_curves_move_apart_only_where_lines_end_side_by_side() -> None:
    level = np.full(2, 0.7)
    curves = [
        Curve("short", np.array([0, 2.0]), level),
        Curve("long", np.array([0, 10.0]), level),
        Curve("longer", np.array([0, 10.0]), level),
    ]
    tree = drawn(Curves("c", "", "", "x", "y", curves))
    heights = {m.text: place(m, "y") - 4 for m in marks(tree, "name") if m.text}
    middle = heights["short"]
    assert heights == {"short": middle, "long": middle - 8, "longer": middle + 8}


def test_a_map_shows_groups_points_and_pictures() -> None:
    rng = np.random.default_rng(0)
    many = 3 * MOST_POINTS
    group = [f"group {i % 20}" if i % 5 else "" for i in range(many)]
    chart = Scatter(
        "m",
        "Map",
        "",
        rng.normal(size=many),
        np.where(np.arange(many) == 7, NAN, rng.normal(size=many)),
        group,
        [f"point {i}" for i in range(many)],
        {0: "a.jpg", 7: "b.jpg", 9: "c.jpg"},
    )
    tree = drawn(chart)
    assert len(marks(tree, "point")) == MOST_POINTS
    assert len(list(tree.iter("image"))) == 2  # one of three has no place
    assert f"{MOST_POINTS:,} of {many - 1:,} points are drawn" in text(tree)
    assert len(list(tree.iter("li"))) == MOST_GROUPS == len(set(group)) - 1
    assert not marks(tree, "name")  # these groups are all over the map
    assert not list(drawn(chart, uri=None).iter("image"))


def test_groups_that_lie_together_have_their_names_on_the_map() -> None:
    rng = np.random.default_rng(0)
    number = np.arange(300) % (MOST_NAMES + 2)
    scattered = number == 0
    x = np.where(scattered, 20 * rng.random(300), number + 0.1 * rng.normal(size=300))
    y = np.where(scattered, 20 * rng.random(300), number + 0.1 * rng.normal(size=300))
    chart = Scatter("m", "", "", x, y, [f"g{n}" for n in number], [""] * 300)
    names = marks(drawn(chart), "name")
    assert len(names) == MOST_NAMES - 1 and "g0" not in {name.text for name in names}
    (one,) = [name for name in names if name.text == "g1"]
    dots = [m for m in marks(drawn(chart), "point") if place(m, "cx") < place(one, "x") + 5]
    assert min(abs(place(m, "cy") - place(one, "y")) for m in dots) < 10
    apart = [(place(a, "x"), place(a, "y")) for a in names]
    assert all(
        abs(a[0] - b[0]) >= 24 or abs(a[1] - b[1]) >= 17
        for i, a in enumerate(apart)
        for b in apart[:i]
    )


def test_two_scores_have_axes() -> None:
    values = np.array([-1.0, 0, 1])
    chart = Scatter("s", "", "", values, values, [""] * 3, ["a", "b", "c"], axes=("people", "GPT"))
    points = marks(drawn(chart), "point")
    assert [place(p, "cx") for p in points] == pytest.approx([0, 50, 100])
    assert place(points[0], "cy") > place(points[2], "cy")  # downwards is positive in SVG
    assert "people" in text(drawn(chart)) and "GPT" in text(drawn(chart))


def test_bars_start_at_zero() -> None:
    lanes = drawn(Bars("b", "", "", ["colourfulness", "brightness"], [0.4, -0.2], "signed"))
    spans = [(place(m, "x"), place(m, "width")) for m in marks(lanes, "column")]
    zero = place(marks(lanes, "track")[0], "x1")
    assert spans[0][0] == pytest.approx(zero) and spans[1][0] + spans[1][1] == pytest.approx(zero)
    assert spans[0][1] == pytest.approx(2 * spans[1][1], abs=0.02)
    assert "+0.40" in text(lanes) and "−0.20" in text(lanes)
    columns = drawn(Bars("b", "", "", [str(i) for i in range(12)], [1, *range(11)]))
    heights = [place(m, "height") for m in marks(columns, "column")]
    assert heights[-1] == pytest.approx(10 * heights[0], rel=1e-2) and heights[1] == 0


NOTHING = np.array([])
EMPTY: list[Figure] = [
    IntervalChart("a", "", "", []),
    HeatMap("a", "", "", [], [], np.zeros((0, 0))),
    Curves("a", "", "", "", "", [Curve("c", NOTHING, NOTHING)]),
    Scatter("a", "", "", NOTHING, NOTHING, [], []),
    Bars("a", "", "", [], []),
]


@pytest.mark.parametrize("figure", EMPTY, ids=lambda f: type(f).__name__)
def test_an_empty_figure_says_so(figure: Figure) -> None:
    assert text(drawn(figure)) == "there is nothing to draw"


GAPS = np.full(2, NAN)
UNKNOWN: list[Figure] = [
    IntervalChart("a", "", "", [(EVIL, Interval(NAN, NAN, NAN, 0.95, 0))], {EVIL: 0.5}),
    HeatMap("a", "", "", [EVIL], [EVIL] * 2, np.full((1, 2), NAN)),
    Curves("a", "", "", EVIL, EVIL, [Curve(EVIL, GAPS, GAPS, GAPS, GAPS)], lines={EVIL: 0.5}),
    Scatter("a", "", "", GAPS, GAPS, [EVIL] * 2, [EVIL] * 2, {0: EVIL}, (EVIL, EVIL)),
    Bars("a", "", "", [EVIL] * 2, [NAN, NAN]),
]


@pytest.mark.parametrize("figure", UNKNOWN, ids=lambda f: type(f).__name__)
def test_unknown_numbers_and_hostile_texts_make_no_mark(figure: Figure) -> None:
    tree = drawn(figure)
    html = ElementTree.tostring(tree, "unicode")
    assert not list(tree.iter("script")) and "\u202e" not in html and "nan" not in html
    assert not any(name.startswith("on") for e in tree.iter() for name in e.attrib)
    assert not [*marks(tree, "dot"), *marks(tree, "point"), *marks(tree, "column")]
    if isinstance(figure, Scatter):
        assert text(tree) == "there is nothing to draw"


def test_what_needs_room_gets_it() -> None:
    curve = Curve("c", NOTHING, NOTHING)
    curves = Curves("a", "", "", "", "", [curve] * 3)
    assert not is_wide(curves) and is_wide(replace(curves, curves=[curve] * 4))
    assert is_wide(EMPTY[3]) and not is_wide(EMPTY[0])


@pytest.mark.parametrize(
    ("xs", "names"),
    [
        ([50, 53], ["chance", "one person"]),
        ([53, 50], ["chance", "one person"]),
        ([2, 4], ["chance", "one person"]),
        ([97, 99], ["chance", "one person"]),
        ([10, 80], ["chance", "one person"]),
        ([48, 50, 52], ["chance", "one person", "the best"]),
    ],
)
def test_no_line_runs_through_a_name_and_no_name_through_another(
    xs: list[float], names: list[str]
) -> None:
    widths = [2.2 * len(name) for name in names]
    placed = label_places(xs, widths)
    spans = []
    for x, width, (_, anchor) in zip(xs, widths, placed, strict=True):
        left = x - {"start": 0, "middle": width / 2, "end": width}[anchor]
        spans.append((left, left + width))
        assert left >= 0 and left + width <= 100
    for i, (level, _) in enumerate(placed):
        for j, (other, _) in enumerate(placed):
            if i == j:
                continue
            if other <= level:
                assert not spans[i][0] < xs[j] < spans[i][1]
            if other == level:
                assert spans[i][1] <= spans[j][0] or spans[j][1] <= spans[i][0]
    assert max(level for level, _ in placed) < len(xs)
