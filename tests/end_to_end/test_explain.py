"""``interestingness explain RUN PHOTO…``: pictures, a page, and bad photographs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from interestingness.cli import main
from interestingness.errors import DataError


@pytest.fixture
def run(trained: Callable[..., Path]) -> Path:
    return trained("model.backbone.weights=embedded", run="explained_run")


def explained(*words: object) -> None:
    main(["explain", *map(str, words)])


def test_photographs_are_explained(run: Path, cache: Path, tmp_path: Path) -> None:
    images = sorted(next(cache.glob("datasets/synthetic-60-*")).rglob("scene-*.jpg"))[:2]
    bad = tmp_path / "it's <b>.jpg"
    bad.write_bytes(b"no picture")
    out = tmp_path / "out"
    explained(run, *images, bad, "--out", out, "--cache", cache)
    rows = pq.read_table(out / "explained.parquet").to_pylist()
    assert len(rows) == 3 and sum(bool(row["problem"]) for row in rows) == 1
    assert all(row["score"] is not None and row["raised"] for row in rows if not row["problem"])
    loading = pq.read_table(out / "concepts.parquet")["loading"].to_numpy()
    assert len(loading) == 20 and np.abs(loading).max() <= 1
    pictures = sorted(out.glob("*.png"))
    assert len(pictures) == 2
    with Image.open(pictures[0]) as picture:
        assert picture.width > 2 * picture.height - 20
    page = (out / "page.html").read_text(encoding="utf-8")
    assert page.count("<img") >= 8 and "<b>.jpg" not in page
    assert "SIMULATION" in page


def test_a_run_alone_explains_its_extremes(run: Path, cache: Path) -> None:
    explained(run, "--cache", cache)
    rows = pq.read_table(run / "explained" / "explained.parquet").to_pylist()
    scores = pq.read_table(run / "image_scores.parquet").to_pylist()
    tested = sorted(row["score"] for row in scores if row["split"] == "test")
    ends = [*tested[:4], *tested[-4:]]
    assert np.allclose(sorted(row["score"] for row in rows), ends, atol=1e-4)


def test_other_images_and_words(run: Path, cache: Path, tmp_path: Path) -> None:
    images = sorted(next(cache.glob("datasets/synthetic-60-*")).rglob("scene-*.jpg"))
    words = tmp_path / "words.txt"
    words.write_text("cat\nsea\nmeadow\n")
    out = tmp_path / "out"
    among = ["--among", images[0].parent, "--words", words]
    explained(run, images[0], "--out", out, "--cache", cache, *among)
    assert pq.read_table(out / "concepts.parquet").num_rows == 3


def test_what_cannot_be_explained(run: Path, cache: Path, tmp_path: Path) -> None:
    bad = tmp_path / "a.jpg"
    bad.write_bytes(b"")
    for words in ([bad], [bad, "--among", tmp_path / "nothing"], [bad, "--words", tmp_path / "no"]):
        with pytest.raises((DataError, SystemExit)):
            explained(run, *words, "--out", tmp_path / "out", "--cache", cache)
    assert not (tmp_path / "out" / "page.html").exists()
