"""The page in a real browser: no horizontal scroll on a phone, every image loads, no request."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from interestingness.reports.page import render_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')

PROBE = """<!doctype html><meta charset="utf-8"><body>{frames}<script>
addEventListener("load", () => setTimeout(() => {{
  const found = [...document.querySelectorAll("iframe")].map(frame => {{
    const page = frame.contentDocument, images = [...page.images];
    return {{
      width: frame.clientWidth,
      content: page.documentElement.scrollWidth,
      images: images.length,
      loaded: images.filter(i => i.complete && i.naturalWidth > 0).length,
      requests: frame.contentWindow.performance.getEntriesByType("resource").map(e => e.name),
      paper: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
    }};
  }});
  document.body.replaceChildren(
    Object.assign(document.createElement("pre"), {{textContent: JSON.stringify(found)}}));
}}, 50));
</script>"""


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


def test_a_page_in_a_browser(
    browser: str, tmp_path: Path, make_content: Any, hostile_names: tuple[str, ...]
) -> None:
    long = "x" * 400
    page = render_page(make_content(names=hostile_names, title=long, settings={long: long}))
    # without its own policy the page is free to ask for anything; it must not want to
    free = POLICY.sub("", page)
    assert free != page
    control = free.replace(
        "</main>", '<img src="http://127.0.0.1:9/x.png"><pre style="width:900px">wide</pre></main>'
    )
    pages = {390: [page, free, control], 320: [page], 768: [page], 1060: [page], 1280: [page]}
    phone, phone_free, controlled, *others, wide = probe(browser, tmp_path, pages)
    for frame in (phone, phone_free, *others, wide):
        assert frame["content"] == frame["width"]
        assert frame["images"] == frame["loaded"] > 20
        assert frame["requests"] == []
    assert (phone["width"], wide["width"]) == (390, 1280)
    # the probe itself can see what must not be there
    assert controlled["content"] > 390
    assert controlled["requests"] == ["http://127.0.0.1:9/x.png"]
    assert controlled["loaded"] == controlled["images"] - 1


def test_dark_mode_is_dark(browser: str, tmp_path: Path, make_content: Any) -> None:
    page = render_page(make_content())
    (light,) = probe(browser, tmp_path, {390: [page]})
    (dark,) = probe(browser, tmp_path, {390: [page]}, "--blink-settings=preferredColorScheme=0")
    brightness = [
        sum(map(int, re.findall(r"\d+", frame["paper"])[:3])) / 3 for frame in (light, dark)
    ]
    assert brightness[0] > 200 and brightness[1] < 50
