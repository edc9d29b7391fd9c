"""``interestingness score``, and learning from what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interestingness.assembly.data_scores import score
from interestingness.errors import ConfigError
from interestingness.labels.scores import ScoreSource
from interestingness.labels.tables import Tables

SMALL = ("dataset.images=60", "scorer.architecture=scene_clip")

TOY = '''
"""A scorer from another package: how red a picture is."""
import numpy as np
from interestingness.annotators.scorers.pictures import PictureScorer, to_bytes


class Redness(PictureScorer):
    licence = "CC0"

    def __init__(self, *, column):
        self.column = column

    def describe(self):
        return "mean of red"

    def identity(self):
        return "redness 1"

    def pixels(self, image):
        return to_bytes(image.resize((8, 8)))

    def numbers(self, pixels):
        return pixels[:, 0].float().mean(dim=(1, 2))
'''


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


def test_a_scorer_of_another_package(
    composed: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toy_redness.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    own = tmp_path / "options" / "scorer"
    own.mkdir(parents=True)
    (own / "redness.yaml").write_text("_target_: toy_redness.Redness\ncolumn: redness\n")
    there = ("scorer=redness", "dataset.images=60", f"hydra.searchpath=[file://{own.parent}]")
    with pytest.raises(ConfigError, match="not trusted"):
        score(composed("score", *there))
    tables = tables_of(score(composed("score", *there, "trust=[toy_redness]")))
    scores = tables.scores("redness")
    from PIL import Image

    for row in (0, 17, 59):
        with Image.open(tables.image_path(row)) as image:
            red = np.asarray(image.convert("RGB").resize((8, 8)))[..., 0].mean()
        assert scores[row] == pytest.approx(red, abs=1e-3)
