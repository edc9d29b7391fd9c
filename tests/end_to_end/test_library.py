"""``load`` and ``open_run`` on a run of training; the notebook's cells."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interestingness import load, open_run
from interestingness.assembly.run import train
from interestingness.errors import DataError


def test_a_run_is_opened_and_scores_its_own_images(
    trained: Callable[..., Path],
    cache: Path,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    folder = trained()
    run = open_run(folder)
    assert {"predictions", "image_scores"} <= set(run) and len(run) == len(list(run))
    assert run["predictions"].num_rows == run.metrics["test"]["pairs"]
    with pytest.raises(KeyError, match="predictions"):
        run["nothing"]
    rows = run["image_scores"].to_pylist()
    prepared = next(cache.glob("datasets/synthetic-60-*"))
    images = {path.stem: path for path in prepared.rglob("scene-*.jpg")}
    with caplog.at_level(logging.WARNING, logger="interestingness"):
        scorer = load(folder, device="cpu")
    assert "synthetic" in caplog.text or "random" in repr(scorer.backbone.describe())
    found = scorer.score([images[row["image_id"]] for row in rows])
    scores = np.array([row["score"] for row in rows])
    assert np.abs(np.asarray(found) - scores).max() < 1e-5
    test = scores[[row["split"] == "test" for row in rows]]
    places = [one.percentile for one in found]
    expected = [((test < s - 1e-6).mean() + (test <= s + 1e-6).mean()) / 2 for s in scores]
    assert np.allclose(places, expected, atol=1.01 / len(test))
    by_file = load(folder / "checkpoints" / "last.ckpt").score([images[rows[0]["image_id"]]])
    assert by_file[0].percentile == pytest.approx(places[0], abs=1.01 / len(test))
    elsewhere = tmp_path / "last.ckpt"
    shutil.copy(folder / "checkpoints" / "last.ckpt", elsewhere)
    shutil.copy(folder / "image_scores.parquet", tmp_path.parent / "image_scores.parquet")
    assert load(elsewhere).score([images[rows[0]["image_id"]]])[0].percentile is None
    probability = scorer.compare(images[rows[0]["image_id"]], images[rows[1]["image_id"]])
    assert probability == pytest.approx(1 / (1 + np.exp(scores[1] - scores[0])), abs=1e-5)


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        open_run(tmp_path)


def test_tables_are_read_whatever_the_folder_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "split=7,lr=0.1"  # a sweep calls its jobs so, and datasets of Parquet too
    folder.mkdir()
    (folder / "metrics.json").write_text("{}")
    pq.write_table(pa.table({"image_id": ["a"], "split": ["test"]}), folder / "some.parquet")
    (folder / "cut.parquet").write_bytes(b"PAR1")
    run = open_run(folder)
    assert run["some"].to_pylist() == [{"image_id": "a", "split": "test"}]
    with pytest.raises(DataError, match="cut"):
        run["cut"]


def test_the_notebook_runs(
    repository: Path, composed: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(composed("train", "dataset.images=60", run="runs/my_run"))
    monkeypatch.chdir(tmp_path)
    cells = json.loads((repository / "docs/library.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for text in code:
        exec(compile(text, "library.ipynb", "exec"), names)
    assert len(names["result"]) == 3 and names["vectors"].shape[0] == 3
