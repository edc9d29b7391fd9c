"""Pages in a real browser: no horizontal scroll on a phone, every image loads, no request."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from interestingness.reports.page import render_page
from interestingness.studies.result import Bars, Column, StudyResult, Table

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')

PROBE = """<!doctype html><meta charset="utf-8"><body>{frames}<script>
addEventListener("load", () => setTimeout(() => {{
  const found = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, images = [...page.images];
    return {{
      width: frame.clientWidth,
      content: page.documentElement.scrollWidth,
      title: page.title,
      images: images.length,
      loaded: images.filter(i => i.complete && i.naturalWidth > 0).length,
      requests: frame.contentWindow.performance.getEntriesByType("resource").map(e => e.name),
      paper: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
      // words that lie outside the box that holds them, sideways
      outside: [...page.querySelectorAll("svg text, .lanes > *, .legend li, dd, p")].filter(e => {{
        const box = e.getBoundingClientRect();
        return box.width && (box.left < -0.5 || box.right > frame.clientWidth + 0.5);
      }}).filter(e => !e.closest(".scroll")).map(e => e.textContent.slice(0, 40)),
      // boxes of tables that can be moved sideways, each within the page
      moved: [...page.querySelectorAll(".scroll")].map(e => {{
        const name = () => e.querySelector("tbody th")?.getBoundingClientRect().left;
        const before = name();
        e.scrollLeft = 9999;
        return [e.clientWidth, e.scrollWidth, before, name()];
      }}),
      // boxes that must be moved both down and sideways
      both: [...page.querySelectorAll(".scroll")].filter(
        e => e.scrollHeight > e.clientHeight + 2 && e.scrollWidth > e.clientWidth + 2).length,
    }};
  }});
  document.body.replaceChildren(
    Object.assign(document.createElement("pre"), {{textContent: JSON.stringify(found)}}));
}}, 50));
</script>"""


CONTRAST = """<script>
// the contrast of every text with what is painted below it, by the formula of WCAG 2
const luminance = ([r, g, b]) => {
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const [x, y, z] = [r, g, b].map(v => linear(v / 255));
  return .2126 * x + .7152 * y + .0722 * z;
};
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgba = colour => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const below = e => {
  for (; e; e = e.parentElement) {
    const colour = rgba(getComputedStyle(e).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255, 255];
};
const poor = [...document.querySelectorAll("body *")]
  .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
  .filter(e => !["SCRIPT", "STYLE", "title"].includes(e.tagName) && e.getClientRects().length)
  .map(e => {
    const style = getComputedStyle(e);
    const [a, b] = [e.ownerSVGElement ? style.fill : style.color, null]
      .map(c => c ? rgba(c) : below(e)).map(luminance).sort((p, q) => q - p);
    return [(a + .05) / (b + .05), e.textContent.trim().slice(0, 30)];
  }).filter(([ratio]) => ratio < 4.5);
document.title = poor.length ? JSON.stringify(poor.slice(0, 9)) : "legible";
</script>"""


def _picture(image_id: str) -> Image.Image:
    return Image.new("RGB", (64, 48), (sum(image_id.encode()) % 256, 90, 120))


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    return found


def probe(browser: str, tmp_path: Path, pages: dict[int, list[str]], *flags: str) -> list[Any]:
    """Show pages in frames of some widths (a headless window cannot be as narrow as a phone)."""
    frames = "".join(
        f'<iframe width="{width}" height="800" style="border:0" srcdoc="{html.escape(page)}">'
        "</iframe>"
        for width, many in pages.items()
        for page in many
    )
    file = tmp_path / "probe.html"
    file.write_text(PROBE.format(frames=frames), encoding="utf-8")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--hide-scrollbars",  # as on a phone, where they take no room
        "--virtual-time-budget=10000",
        f"--user-data-dir={tmp_path / 'profile'}",
        *flags,
        "--dump-dom",
        file.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    found = re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert found, f"{done.returncode}\n{done.stdout[-500:]}\n{done.stderr[-2000:]}"
    return list(json.loads(html.unescape(found[1])))


def test_a_run_in_a_browser(
    browser: str, tmp_path: Path, make_run: Any, hostile_names: tuple[str, ...]
) -> None:
    long = "x" * 400
    result = make_run(names=hostile_names, title=long)
    page = render_page(result, picture=_picture, settings={long: long}, table_files=False)
    # without its own policy the page is free to ask for anything; it must not want to
    free = POLICY.sub("", page)
    assert free != page
    control = free.replace(
        "</main>", '<img src="http://127.0.0.1:9/x.png"><pre style="width:900px">wide</pre></main>'
    )
    pages = {390: [page, free, control], 320: [page], 1280: [page]}
    phone, phone_free, controlled, *others, wide = probe(browser, tmp_path, pages)
    for frame in (phone, phone_free, *others, wide):
        assert frame["content"] == frame["width"]
        assert frame["images"] == frame["loaded"] > 20
        assert frame["requests"] == [] and frame["outside"] == []
    assert (phone["width"], wide["width"]) == (390, 1280)
    # the probe itself can see what must not be there
    assert controlled["content"] > 390
    assert controlled["requests"] == ["http://127.0.0.1:9/x.png"]
    assert controlled["loaded"] == controlled["images"] - 1


def test_a_study_in_a_browser(
    browser: str, tmp_path: Path, make_study: Any, hostile_names: tuple[str, ...]
) -> None:
    long = "x" * 400
    study = make_study(names=hostile_names)
    page = render_page(study, picture=_picture, settings={long: long})
    harsh = make_study(title=long, answer=long, used=[(long, long)], notes=[long], simulated=long)
    harsher = render_page(harsh, picture=_picture, settings={})
    free = POLICY.sub("", page)
    assert free != page
    pages = {390: [page, free, harsher], 320: [page], 768: [page, harsher], 1280: [page, harsher]}
    frames = probe(browser, tmp_path, pages)
    assert [frame["width"] for frame in frames] == [390, 390, 390, 320, 768, 768, 1280, 1280]
    for frame in frames:
        assert frame["content"] == frame["width"]
        assert frame["images"] == frame["loaded"] > 20
        assert frame["requests"] == [] and frame["outside"] == []
    wider = [box for box in frames[0]["moved"] if box[1] > box[0]]
    assert len(wider) >= 2  # the table and the heat map are wider than a phone …
    for width, _, before, after in wider:
        assert width <= 390
        assert after == pytest.approx(before, abs=2.5)  # … whose names stay when they are moved


def long_table(columns: int) -> StudyResult:
    """Sixty rows of numbers, and an empty table and chart."""
    given = [Column("name", "name")] + [Column(f"c{i}", f"column {i}") for i in range(columns)]
    cells = {c.name: "0.123 [0.100, 0.200]" for c in given}
    rows = [{**cells, "name": f"row {i}"} for i in range(60)]
    tables = [Table("long", "Long", given, rows), Table("none", "Nothing", given, [])]
    return StudyResult("toy", "Toy", "So it is.", [], tables, [Bars("empty", "Empty", "", [], [])])


def test_no_box_scrolls_down_and_sideways(browser: str, tmp_path: Path) -> None:
    narrow, wide = (
        render_page(long_table(n), picture=lambda _: None, settings={}) for n in (2, 20)
    )
    both = wide.replace('class="scroll"', 'class="scroll" style="max-height:300px"')
    frames = probe(browser, tmp_path, {390: [narrow, wide], 1280: [narrow, wide, both]})
    assert [frame["both"] for frame in frames] == [0, 0, 0, 0, 1]  # the probe can see it
    assert "Nothing" not in narrow and "Empty" not in narrow
    # a narrow table has a box of its own on a desktop, in which its head stays
    assert 'class="scroll tall"' in narrow and 'class="scroll tall"' not in wide


@pytest.mark.parametrize("kind", ["make_study", "make_run"])
def test_a_dark_page_is_dark_and_legible(
    browser: str, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    page = render_page(request.getfixturevalue(kind)(), picture=_picture, settings={})
    contrast = POLICY.sub("", page.replace("</main>", f"</main>{CONTRAST}"))
    faint = contrast.replace("</main>", '<p style="color:#888;background:#999">faint</p></main>')
    for flags, dark in (((), False), (("--blink-settings=preferredColorScheme=0",), True)):
        frame, control = probe(browser, tmp_path, {1280: [contrast, faint]}, *flags)
        brightness = sum(map(int, re.findall(r"\d+", frame["paper"])[:3])) / 3
        assert (brightness < 50) if dark else (brightness > 200)
        assert frame["title"] == "legible", frame["title"]
        assert "faint" in control["title"]  # the probe can see what is not
