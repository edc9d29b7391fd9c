"""The page: complete, escaped, self-contained, small; and its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from page_outline import Outline
from PIL import Image

from interestingness.errors import ImageError
from interestingness.reports.page import (
    IMAGES,
    OPEN_ROWS,
    PAIRS,
    ROWS,
    render_figure,
    render_page,
    write_report,
)
from interestingness.reports.templating import flatten
from interestingness.reports.text import plain
from interestingness.studies.result import (
    Column,
    Gallery,
    HeatMap,
    Scatter,
    Shown,
    ShownPair,
    StudyResult,
    Table,
)

MakeStudy = Callable[..., StudyResult]
SIMULATION = "SIMULATION: raters calibrated to the paper; agreement is by construction"


def picture(image_id: str) -> Image.Image:
    return Image.new("RGB", (64, 48), (sum(image_id.encode()) % 256, 90, 120))


def render(result: StudyResult, **changes: Any) -> str:
    return render_page(result, **{"picture": picture, "settings": {"seed": 0}, **changes})


def test_a_page_holds_all_that_a_study_says(make_study: MakeStudy) -> None:
    result = make_study()
    outline = Outline(render(result))
    words = outline.words()
    for expected in (
        result.title,
        "Of 7 sources human teaches best: 73.4 %",
        "toys: 40 images, 120 pairs",
        "agreement with human, %",
        "77.2 ± 3.4",
        "77.2 [72.2, 82.2]",
        "On held-out pairs, mean ± SD over 50 splits.",
        "Ceiling = mean of (a + b)/2.",
        "interestingness annotate judge=gpt4o would make them",
        "Accuracy against calls",
        "Clusters of reasons",
        "5 of 5 people left, GPT-4o right",
        "The vivid colours and the dynamic scene draw the eye.",
        "Numbers are drawn from a seed.",
    ):
        assert expected in words, expected
    assert "nowhere" not in words  # a column without a cell
    assert "SIMULATION" not in words and "Simulated" not in words
    first, second = (words.index(title) for title in ("Label sources", "Odds and ends"))
    assert first < words.index("Accuracy by source") < second  # figures before further tables
    assert outline.count("script") == 0 and outline.count("img") == 12 + 2 * 6
    assert outline.count("image") == 8  # on the map


def test_a_simulation_says_so_at_every_table_and_figure(make_study: MakeStudy) -> None:
    result = make_study(simulated=SIMULATION)
    page = render(result)
    words = Outline(page).words()
    assert words.count(SIMULATION) == 1 + len(result.tables)
    assert words.count("Simulated.") == len(result.figures)
    assert "<title>Simulation: " in page


def hostile(result: StudyResult, evil: str) -> StudyResult:
    """The same study with every text replaced."""
    column = Column("a", evil, "text", evil)
    shown = Shown(evil, evil)
    return replace(
        result,
        name=evil,
        title=evil,
        answer=evil,
        used=[(evil, evil)],
        tables=[
            replace(table, title=evil, columns=[column, Column("b", evil)], notes=[evil])
            if table.name != "odds"
            else table
            for table in (replace(t, rows=[{"a": evil, "b": evil}]) for t in result.tables)
        ],
        figures=[replace(figure, title=evil, caption=evil) for figure in result.figures],
        galleries=[Gallery(evil, evil, [shown], [ShownPair(shown, shown, evil, ((evil, evil),))])],
        notes=[evil],
        simulated=evil,
    )


def test_every_text_is_escaped(make_study: MakeStudy, hostile_names: tuple[str, ...]) -> None:
    evil = '"><img src=http://evil.example/x onerror=alert(1)>{{ 7 * 7 }}`<b>`\u202e\x07'
    result = make_study(names=hostile_names)
    page = render(hostile(result, evil), settings={evil: {evil: evil}})
    outline = Outline(page)
    clean = {tag for tag, _ in Outline(render(result)).tags} | {"wbr", "code"}
    assert {tag for tag, _ in outline.tags} <= clean
    assert not any(name.startswith("on") for _, attrs in outline.tags for name in attrs)
    assert "\u202e" not in page and "\x07" not in page and "{{ 7 * 7 }}" in page
    sources = [v for _, a in outline.tags for k, v in a.items() if k in ("src", "href")]
    assert not any("evil" in (s or "") for s in sources if (s or "").startswith("http"))


def test_nothing_is_loaded_from_anywhere(make_study: MakeStudy) -> None:
    page = render(make_study())
    loaded = [
        value or ""
        for tag, attrs in Outline(page).tags
        for name, value in attrs.items()
        if name in ("src", "href", "srcset", "data") and tag != "a"
    ]
    assert len(loaded) > 20 and all(value.startswith("data:") for value in loaded)
    assert "url(" not in page and "@import" not in page and "http:" not in page
    assert "default-src 'none'" in page


def test_the_folder_has_what_the_page_points_to(tmp_path: Path, make_study: MakeStudy) -> None:
    page = write_report(tmp_path / "run", make_study(), picture=picture, settings={})
    links = [a["href"] for tag, a in Outline(page.read_text("utf-8")).tags if tag == "a"]
    assert len(links) == 6
    assert {p.name for p in page.parent.iterdir()} == {*links, "page.html"}


def test_long_tables_are_folded_and_cut(make_study: MakeStudy) -> None:
    columns = [Column("a", "judge"), Column("b", "calls", "count")]
    rows = [{"a": f"judge {i // 3}", "b": i} for i in range(ROWS + 50)]
    table = Table("long", "Long", columns, rows)
    outline = Outline(render(make_study(tables=[table, table])))
    assert outline.count("details") == 2  # the second table, and the settings
    assert outline.words().count("… and 50 more rows in the files.") == 2
    short = replace(table, rows=rows[:OPEN_ROWS])
    assert Outline(render(make_study(tables=[table, short]))).count("details") == 1


def test_a_first_column_that_repeats_itself_becomes_headings(make_study: MakeStudy) -> None:
    columns = [Column("a", "judge", help="Who."), Column("b", "rule"), Column("c", "c", "count")]
    rows = [{"a": f"judge {i // 3}", "b": f"rule {i % 3}", "c": i} for i in range(6)]
    rows += [{"a": None, "b": "chance", "c": 50}] * 2
    outline = Outline(render(make_study(tables=[Table("t", "T", columns, rows)], figures=[])))
    kinds = [a.get("class") for tag, a in outline.tags if tag == "tr"]
    assert kinds == [None, "group", *[None] * 3, "group", *[None] * 3, "apart", None]
    words = outline.words()
    assert words.count("judge 0") == words.count("judge 1") == 1
    assert "judge 1 rule 0 3 rule 1 4 rule 2 5 chance 50" in words and "judgeWho." in words


def test_many_pictures_make_a_small_page(tmp_path: Path, make_study: MakeStudy) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    ids = [f"{i}.jpg" for i in range(400)]
    images = [Shown(i) for i in ids]
    pairs = [ShownPair(Shown(a), Shown(b)) for a, b in zip(ids[::2], ids[1::2], strict=True)]
    galleries = [Gallery(f"cluster {k}", "", images, pairs) for k in range(20)]
    rng = np.random.default_rng(1)
    shown_on_map = dict(enumerate(ids))
    cluster = [f"cluster {i % 30}" for i in range(20_000)]
    cloud = Scatter(
        "m", "m", "", rng.normal(size=20_000), rng.normal(size=20_000), cluster, cluster
    )
    result = make_study(galleries=galleries, figures=[replace(cloud, images=shown_on_map)])
    page = write_report(
        tmp_path, result, picture=lambda _: Image.fromarray(noise), settings={"k": "v" * 9000}
    )
    assert page.stat().st_size < 5_000_000
    words = Outline(page.read_text(encoding="utf-8")).words()
    assert f"… and {400 - IMAGES + 200 - PAIRS:,} more" in words


def test_pictures_that_are_missing_and_an_empty_study(make_study: MakeStudy) -> None:
    outline = Outline(render(make_study(), picture=lambda _: None))
    assert outline.count("img") == outline.count("image") == 0
    assert outline.words().count("no picture") == 24
    nothing = StudyResult("n", "Nothing", "There was nothing.", [], [])
    assert "There was nothing." in Outline(render(nothing, settings={})).words()
    empty = [Table("t", "Empty", [Column("a", "a")], [])]
    words = Outline(render(replace(nothing, tables=empty, galleries=[Gallery("g")]))).words()
    for empty in ("no row", "nothing to show", "there is nothing to draw"):
        assert empty not in words


def test_a_figure_alone_is_a_page(make_study: MakeStudy) -> None:
    for figure in make_study().figures:
        outline = Outline(render_figure(figure, picture=picture))
        assert figure.title in outline.words()
    wide = HeatMap("h", "h", "", ["a"] * 50, ["b"] * 50, np.full((50, 50), 0.6))
    assert Outline(render_figure(wide, picture=picture)).count("td") == 50 * 50 + 1


def test_pairs_show_who_prefers_which_side(make_study: MakeStudy) -> None:
    shares = (("the model", 0.7), ("human", 0.2))
    pair = ShownPair(Shown("a.jpg"), Shown("b.jpg"), shares=shares)
    outline = Outline(render(make_study(galleries=[Gallery("g", pairs=[pair])], figures=[])))
    assert "70 30 the model 20 80 human" in outline.words()
    framed = [attrs.get("class") for tag, attrs in outline.tags if tag == "figure"]
    assert framed == [None, "preferred"]  # the right one, which the last of them prefers


def test_without_table_files_nothing_points_to_them(tmp_path: Path, make_study: MakeStudy) -> None:
    page = write_report(
        tmp_path / "run", make_study(), picture=picture, settings={}, table_files=False
    )
    assert [p.name for p in page.parent.iterdir()] == ["page.html"]
    assert "<a " not in page.read_text("utf-8")


def test_a_picture_that_cannot_be_read_is_a_placeholder(make_study: MakeStudy) -> None:
    def load(image_id: str) -> Image.Image | None:
        if image_id.endswith("1.jpg"):
            raise ImageError("truncated")
        if image_id.endswith("2.jpg"):
            raise OSError("gone")
        return Image.new("L", (10, 10))

    outline = Outline(render(make_study(figures=[]), picture=load))
    assert outline.words().count("no picture") > 3 and outline.count("img") > 3


def test_names_that_are_no_text_do_not_lose_the_page(tmp_path: Path, make_study: MakeStudy) -> None:
    result = make_study(notes=["caf\udce9.jpg"])
    page = write_report(tmp_path, result, picture=picture, settings={})
    assert "caf?.jpg" in page.read_text(encoding="utf-8")


def test_untrusted_text_is_made_plain() -> None:
    assert plain("a\nb\x00\u202ec") == "a bc"
    assert plain("x" * 300, 10) == "x" * 9 + "…"
    assert plain("👩‍👧") == "👩‍👧"
    assert plain(None) == "None"
    assert dict(flatten({"a": {"b": [1, 2], "c": {}}, "d": None})) == {
        "a.b": "[1, 2]",
        "a.c": "{}",
        "d": "None",
    }
