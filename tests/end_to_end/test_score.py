"""``interestingness score``, and learning from what it wrote."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from interestingness import cli
from interestingness.commands.score import score
from interestingness.errors import ConfigError
from interestingness.labels.scores import ScoreSource
from interestingness.tables.tables import Tables

SMALL = ("dataset.images=60", "scorer.architecture=scene_clip")


def tables_of(result: dict[str, Any]) -> Tables:
    return Tables(Path(result["table"]).parents[1])


def test_a_label_source_reads_what_a_scorer_wrote(
    composed: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    result = score(composed("score", "scorer=cupl", *SMALL, "scorer.column=mine"))
    assert result["scored"] == 60
    said = capsys.readouterr().out
    assert "licence    Apache-2.0" in said
    assert "label_source=scores label_source.column=mine" in said
    tables = tables_of(result)
    source = ScoreSource(tables, name="mine", column="mine")
    labels = source.labels(tables.pairs)
    assert source.missing() is None
    scores = tables.scores("mine")
    left, right = tables.pairs.left, tables.pairs.right
    np.testing.assert_array_equal(labels.preference, scores[left] > scores[right])
    assert "cupl " in tables.table("scores")["provenance"].to_pylist()[-1]
    # Once more replaces the table; other settings give other scores.
    score(composed("score", "scorer=cupl", *SMALL, "scorer.column=mine"))
    np.testing.assert_array_equal(tables.scores("mine"), scores)
    two = score(
        composed(
            "score", "scorer=cupl", *SMALL, "scorer.column=two", "scorer.contrast=uninteresting"
        )
    )
    assert np.ptp(tables.scores("two") - scores) > 0
    assert two["table"] != result["table"]


def test_a_score_that_the_data_set_has_is_left_alone(composed: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"has a score 'cupl' already, in scores.parquet"):
        score(composed("score", "scorer=cupl", *SMALL))


def test_a_scorer_of_ones_own_on_another_data_set(
    composed: Callable[..., Any], planted_checkpoint: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (40, 30), colour).save(photos / f"{i}.png")
    data = ("dataset=folder", f"dataset.images={photos}")
    own = ("scorer=run", f"scorer.path={planted_checkpoint}", "scorer.column=mine")
    scores = tables_of(score(composed("score", *data, *own))).scores("mine")
    out = tmp_path / "scores.parquet"
    places = ["--out", out, "--sheet", tmp_path / "sheet", "--cache", tmp_path / "cache"]
    cli.main(["rank", *map(str, [photos, "--scorer", planted_checkpoint, *places])])
    ranked = {row["image_id"]: row["score"] for row in pq.read_table(out).to_pylist()}
    np.testing.assert_allclose(scores, [ranked[f"{i}.png"] for i in range(3)], atol=1e-4)
    assert len(set(scores)) == 3


def test_a_scorer_of_another_package(
    composed: Callable[..., Any],
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The files of docs/add/scorer.md, to the letter."""
    page = (repository / "docs" / "add" / "scorer.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w+ (\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in blocks] == [
        "mylab_colour.py",
        "options/scorer/redness.yaml",
        "test_redness.py",
    ]
    for name, text in blocks:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    runpy.run_path(str(tmp_path / "test_redness.py"))["test_red_is_redder_than_blue"]()
    options = f"hydra.searchpath=[file://{tmp_path}/options]"
    there = ("scorer=redness", "dataset.images=60", options)
    with pytest.raises(ConfigError, match="not trusted"):
        score(composed("score", *there))
    tables = tables_of(score(composed("score", *there, "trust=[mylab_colour]")))
    scores = tables.scores("redness")
    for row in (0, 17, 59):
        with Image.open(tables.image_path(row)) as image:
            red = np.asarray(image.convert("RGB").resize((8, 8)))[..., 0].mean()
        assert scores[row] == pytest.approx(red, abs=1e-3)
