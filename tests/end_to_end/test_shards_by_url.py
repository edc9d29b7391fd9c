"""A run whose shards lie behind a URL: what travels, and that nothing else changes."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from interestingness.commands.shards import write

pytestmark = pytest.mark.slow

TUNED = ("model=finetuned_clip", "data.workers=2")


class Noted(SimpleHTTPRequestHandler):
    """Serves a folder and counts what is asked for."""

    asked: ClassVar[Counter[str]] = Counter()

    def log_request(self, *_: Any) -> None:
        self.asked[Path(self.path).suffix] += 1


@pytest.fixture
def url(composed: Callable[..., Any], tmp_path: Path) -> Iterator[str]:
    """Shards behind a server on loopback."""
    folder = tmp_path / "served"
    write(composed("shards", "dataset.images=60", "pairs_per_shard=20", f"out={folder}"))
    Noted.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Noted, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def results(run: Path) -> Any:
    return json.loads((run / "metrics.json").read_text())["test"]


def test_shards_are_copied_once_or_streamed_and_the_run_is_the_same(
    trained: Callable[..., Path], url: str, tmp_path: Path
) -> None:
    local = trained(*TUNED, f"data.shards={tmp_path / 'served'}", run="local")
    assert not Noted.asked
    copied = trained(*TUNED, f"data.shards={url}", run="copied")
    assert Noted.asked == {".json": 1, ".parquet": 1, ".tar": 8}
    again = trained(*TUNED, f"data.shards={url}", "seed=1", run="again")
    assert Noted.asked == {".json": 2, ".parquet": 1, ".tar": 8}
    Noted.asked.clear()
    streamed = trained(*TUNED, f"data.shards={url}", "data.copy=false", run="streamed")
    # Each shard once in each of three epochs and in the test, whatever the number of workers; one
    # without a pair of a part of the split is left out there.
    assert 8 * 3 < Noted.asked[".tar"] <= 8 * 4
    assert results(local) == results(copied) != results(again)
    assert set(results(streamed)) == set(results(local))
    notes = (streamed / "page.html").read_text()
    assert "data.workers=2" in notes and "data.workers=2" not in (copied / "page.html").read_text()
