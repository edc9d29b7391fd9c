"""README and docs: links lead somewhere, nothing is out of reach, nothing tells of a machine.

Their commands and code are checked by tests/test_docs_commands.py.
"""

from __future__ import annotations

import os
import re
import runpy
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from interestingness.cli import conf_folder
from interestingness.stats.standing import STARS

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md"))]


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: str) -> str:
    """The page without its blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)


def links(page: str) -> list[tuple[str, str]]:
    """Text and target of every link and picture."""
    return re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", prose(page))


def headings(page: str) -> set[str]:
    """Anchors as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def inside(page: str) -> list[tuple[str, str, str]]:
    """Text, file and anchor of every link that stays in the repository."""
    found = []
    for text, target in links(page):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            file = (ROOT / page).parent / path if path else ROOT / page
            found.append((text, os.path.relpath(os.path.normpath(file), ROOT), anchor))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for text, file, anchor in inside(page):
        assert text, f"a link or picture without words: {file}"
        assert (ROOT / file).exists(), file
        assert not anchor or anchor in headings(file), (file, anchor)


def test_every_page_is_reached_from_the_index() -> None:
    reached, waiting = set(), ["docs/index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.endswith(".md"):
            continue
        reached.add(page)
        waiting += [file for _, file, _ in inside(page)]
    assert set(PAGES) <= reached
    assert "docs/index.md" in {file for _, file, _ in inside("README.md")}


def test_the_readme_is_short_and_shows_the_two_commands() -> None:
    text = text_of("README.md")
    assert len(text.splitlines()) <= 110
    for command in ("pip install -e . && python train.py", 'pip install -e ".[dev]" && pytest'):
        assert command in text
    assert text.index("dataset=folder") < text.index("pip install -e . && python train.py")


@pytest.mark.parametrize("page", PAGES)
def test_nothing_tells_of_a_machine(page: str) -> None:
    paths = r"(?<![\w.])/(?:root|home|work|tmp|Users|opt|data)/|[A-Z]:\\|\.local\b|\.internal\b"
    hosts = r"\b\d{1,3}(?:\.\d{1,3}){3}\b|localhost"
    assert not re.findall(f"{paths}|{hosts}", text_of(page))


def test_the_tables_of_options_are_current() -> None:
    """Every row and option that a page lists is there as conf/ has it.

    A new option may be missing until scripts/list_options.py is run: adding one is one file.
    """
    script = runpy.run_path(str(ROOT / "scripts" / "list_options.py"))
    page, renewed = text_of("docs/label_sources.md"), script["with_sources"]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) >= 16 and set(rows) <= set(renewed(page).splitlines())
    page, renewed = text_of("docs/configuration.md"), script["with_options"]
    listed, there = (_options_of(text) for text in (page, renewed(page)))
    assert len(listed) >= 90 and listed <= there
    assert {group for group, _ in there} == {group for group, _ in listed}


def _options_of(page: str) -> set[tuple[str, str]]:
    """Group and option of every row that lists some; a row of a study lists itself."""
    rows = re.findall(r"^\| `([\w/]+)` \| ([^|]*) \|", page, re.M)
    named = {(group, option) for group, cell in rows for option in re.findall(r"`(\w+)`", cell)}
    studies = {path.stem for path in conf_folder().glob("study/*.yaml")}
    return named | {("study", name) for name, _ in rows if name in studies}


def test_the_table_of_published_heads_is_current() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "list_published_heads.py"))
    page = (ROOT / "docs" / "rank.md").read_text(encoding="utf-8")
    assert script["with_table"](page) == page, "run: python scripts/list_published_heads.py"
    assert len(script["rows"]()) >= 11


def test_the_shares_of_stars_are_those_of_the_code() -> None:
    """The page names the share of each star in percent, highest first."""
    paragraph = next(p for p in prose("docs/rank.md").split("\n\n") if "--write-xmp" in p)
    named = [float(share) for share in re.findall(r"([\d.]+)\s%", paragraph)]
    assert named == pytest.approx(list(100 * np.diff([0, *STARS, 1])[::-1]))


def test_checks_notice_what_is_missing() -> None:
    assert len(PAGES) >= 20
    assert sum(len(inside(page)) for page in PAGES) >= 40
    assert "what-decides-the-weights" in headings("docs/configuration.md")
