"""The page as HTML: complete, escaped, self-contained, small."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interestingness.errors import ImageError
from interestingness.evaluation.results import (
    Estimate,
    Evaluation,
    Histogram,
    ReferenceResult,
    YesOrNo,
)
from interestingness.reports.description import RunDescription
from interestingness.reports.page import render_page, write_page
from interestingness.reports.reasons import Reason
from interestingness.reports.templating import flatten
from interestingness.reports.text import plain

SIMULATION = "SIMULATION: raters calibrated to the paper; agreement is by construction"
VOID = {"meta", "link", "img", "line", "circle", "rect", "polyline", "br", "wbr"}


class Outline(HTMLParser):
    """Tags, attributes and text of a page; complains about tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def count(self, tag: str, kind: str | None = None) -> int:
        return sum(t == tag and (kind is None or a.get("class") == kind) for t, a in self.tags)


def test_yes_or_no_is_a_table_of_its_own_where_scores_have_a_zero(make_content: Any) -> None:
    content = make_content()
    assert "Yes or no" not in Outline(render_page(content)).words()
    said = YesOrNo(1403, 0.482, Estimate(0.712, 0.66, 0.761), 0.699, None)
    human, *others = content.evaluation.references
    references = (replace(human, yes_or_no=said), *others)
    evaluation = replace(content.evaluation, references=references)
    outline = Outline(render_page(replace(content, evaluation=evaluation)))
    assert "human 71.2 66.0–76.1 1,403 48.2 69.9 –" in outline.words()
    assert outline.count("table") == 2


def test_a_page_holds_all_that_was_asked_for(make_content: Any) -> None:
    content = make_content()
    outline = Outline(render_page(content))
    words = outline.words()
    human = content.evaluation.main_result
    for expected in (
        "human on toys",
        "learnt from grade; human only judges",
        f"{100 * human.accuracy.value:.1f}",
        f"{100 * human.accuracy.low:.1f} – {100 * human.accuracy.high:.1f}",
        "no votes; run `interestingness annotate` <now>",
        "Accuracy by consensus",
        "Calibration",
        "warm light",
        "Highest",
        "Middle",
        "Lowest",
        "Most wrong",
        "broken.jpg",
        "optimizer.lr",
    ):
        assert expected in words, expected
    evaluation = content.evaluation
    shown = len(evaluation.highest + evaluation.middle + evaluation.lowest)
    assert outline.count("img") == shown + 2 * len(evaluation.mistakes) > 20
    assert outline.count("svg", "chart") == 3 and outline.count("svg", "bar") == 3
    assert "SIMULATION" not in words and "Simulated" not in words


def test_a_simulation_says_so_at_every_number(make_content: Any) -> None:
    content = make_content()
    page = render_page(replace(content, run=replace(content.run, simulated=SIMULATION)))
    outline = Outline(page)
    words = outline.words()
    assert words.count(SIMULATION) == 3  # top, table, mistakes
    assert words.count("Simulated raters.") == outline.count("svg", "chart") == 3
    assert "<title>Simulation: " in page


def test_every_text_is_escaped(make_content: Any, hostile_names: tuple[str, ...]) -> None:
    evil = "<img src=http://evil.example/x onerror=alert(1)>{{ 7 * 7 }}\u202e"
    content = make_content(names=hostile_names)
    mistakes = content.evaluation.mistakes
    clean = Outline(render_page(make_content()))
    content = replace(
        content,
        title=evil,
        run=RunDescription(evil, evil, evil, evil, evil, evil),
        reasons={m.pair_id: [Reason(evil, "right", evil)] for m in mistakes},
        skipped=[(evil, evil)],
        settings={evil: {evil: evil}},
        evaluation=replace(
            content.evaluation,
            main=evil,
            references=tuple(
                replace(r, name=evil if r.name == "human" else r.name, reason=r.reason and evil)
                for r in content.evaluation.references
            ),
        ),
    )
    page = render_page(content)
    outline = Outline(page)
    # names may break at their joints; nothing else is new
    assert {tag for tag, _ in outline.tags} - {"wbr"} == {tag for tag, _ in clean.tags} - {"wbr"}
    assert outline.count("script") == 0
    assert not any(name.startswith("on") for _, attrs in outline.tags for name in attrs)
    assert "\u202e" not in page and "{{ 7 * 7 }}" in page
    for name in hostile_names[:3]:
        assert name in outline.words()


def test_nothing_is_loaded_from_anywhere(make_content: Any) -> None:
    page = render_page(make_content())
    links = [
        value
        for _, attrs in Outline(page).tags
        for name, value in attrs.items()
        if name in ("src", "href", "srcset", "data", "action", "poster", "background")
    ]
    assert links and all(link is not None and link.startswith("data:") for link in links)
    assert "url(" not in page and "@import" not in page and "http:" not in page
    assert "default-src 'none'" in page


def test_a_picture_that_is_missing_or_broken_is_a_placeholder(make_content: Any) -> None:
    def load(image_id: str) -> Image.Image | None:
        number = int(image_id[6:10])
        if number % 4 == 0:
            return None
        if number % 4 == 1:
            raise ImageError("truncated")
        if number % 4 == 2:
            raise OSError("gone")
        return Image.new("L", (10, 10))

    outline = Outline(render_page(make_content(thumbnail=load)))
    assert outline.count("span", "nothing") > 10 and outline.count("img") > 2


def test_five_thousand_images_make_a_small_page(tmp_path: Path, make_content: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    content = make_content(
        images=5000,
        thumbnail=lambda _: Image.fromarray(noise),  # the worst that JPEG can meet
        skipped=[(f"broken {i}.jpg", "truncated") for i in range(5000)],
        settings={f"k{i}": "v" * 1000 for i in range(5000)},
    )
    path = write_page(tmp_path / "runs" / "page.html", content)
    assert path.stat().st_size < 2_500_000
    words = Outline(path.read_text(encoding="utf-8")).words()
    assert "… and 4,800 more" in words
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]


def absent(*reasons: str) -> tuple[ReferenceResult, ...]:
    return tuple(ReferenceResult(f"r{i}", i == 0, reason=r) for i, r in enumerate(reasons))


@pytest.mark.parametrize("references", [(), absent("no votes"), absent("a", "b")])
def test_a_page_without_any_verdict(
    make_content: Any, references: tuple[ReferenceResult, ...]
) -> None:
    empty = Evaluation(0, 0, 0, None, references, (), (), (), (), Histogram())
    words = Outline(render_page(make_content(evaluation=empty))).words()
    assert "No reference can judge this model" in words
    for reference in references:
        assert f"{reference.name}" in words and reference.reason in words
    assert "Highest" not in words and "Most wrong" not in words


def test_two_images_and_constant_scores(make_content: Any) -> None:
    assert "Highest" in Outline(render_page(make_content(images=2))).words()


def test_names_that_are_no_text_do_not_lose_the_page(tmp_path: Path, make_content: Any) -> None:
    content = make_content(skipped=[("caf\udce9.jpg", "not UTF-8")])
    page = write_page(tmp_path / "page.html", content).read_text(encoding="utf-8")
    assert "caf?.jpg" in page


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


def test_reasons_of_people_and_of_models_stand_side_by_side(make_content: Any) -> None:
    content = make_content()
    pair = content.evaluation.mistakes[0].pair_id
    reasons = [Reason("gpt-4o", "right", f"vivid colours {i}", "model") for i in range(5)]
    reasons.append(Reason("person 1", "left", "it makes me wonder"))
    page = render_page(replace(content, reasons={pair: reasons}))
    words = Outline(page).words()
    assert "people ← it makes me wonder person 1 models → vivid colours 0 gpt-4o" in words
    assert "vivid colours 2" in words and "vivid colours 3" not in words


def test_one_of_a_thing_is_not_called_many(make_content: Any) -> None:
    content = make_content()
    evaluation = replace(content.evaluation, pairs=1, images=1, unscored_images=1)
    words = Outline(render_page(replace(content, evaluation=evaluation))).words()
    assert "over 1 held-out pair," in words and "of 1 test image:" in words
    assert "1 test image without a score: pairs with it are left out" in words
    assert "1 test images" not in words and "1 held-out pairs" not in words
