"""Prediction tables and metrics.json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from interestingness.errors import DataError
from interestingness.evaluation.evaluate import evaluate
from interestingness.evaluation.predictions import (
    flat_metrics,
    image_predictions,
    pair_predictions,
    write_metrics,
    write_predictions,
)
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import Evaluation
from interestingness.labels.source import Labels
from interestingness.schema import Pairs


@pytest.fixture
def case() -> tuple[Pairs, np.ndarray, dict[str, Reference]]:
    pairs, _, _ = Pairs.from_ids(["a", "a", "b", "é🙂"], ["b", "c", "c", "a"])
    references = {
        "human": Reference.of(Labels.of(np.array([1.0, np.nan, 0.2, 0.5])), pairs),
        "gpt4o": Reference(None, reason="no votes"),
    }
    return pairs, np.array([2.0, 1.0, np.nan, 0.0]), references


def test_pair_table_and_its_file(
    tmp_path: Path, case: tuple[Pairs, np.ndarray, dict[str, Reference]]
) -> None:
    pairs, score, references = case
    split = ["train", "test", "test", "unused"]
    table = pair_predictions(score, pairs, split, references)
    path = tmp_path / "run" / "predictions.parquet"
    write_predictions(path, table)
    rows = pq.read_table(path).to_pylist()
    assert list(rows[0]) == [
        "pair_id",
        "left",
        "right",
        "split",
        "margin",
        "probability",
        "preference_human",
        "preference_gpt4o",
    ]
    assert rows[0] == {
        "pair_id": pairs.pair_ids[0],
        "left": "a",
        "right": "b",
        "split": "train",
        "margin": 1.0,
        "probability": pytest.approx(1 / (1 + np.exp(-1))),
        "preference_human": 1.0,
        "preference_gpt4o": None,
    }
    assert rows[1]["margin"] is None and rows[1]["preference_human"] is None
    assert rows[3]["right"] == "é🙂"
    assert [p.name for p in path.parent.iterdir()] == ["predictions.parquet"]


def test_image_table(case: tuple[Pairs, np.ndarray, dict[str, Reference]]) -> None:
    pairs, score, _ = case
    rows = image_predictions(score, pairs.image_ids, ["train", "test", "test", "test"]).to_pylist()
    assert rows[2] == {"image_id": "c", "score": None, "split": "test"}
    with pytest.raises(DataError, match="1 split names for 4 images"):
        image_predictions(score, pairs.image_ids, ["train"])


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    path.write_text("before")
    with pytest.raises(AttributeError):
        write_predictions(path, "not a table")  # type: ignore[arg-type]
    assert path.read_text() == "before" and len(list(tmp_path.iterdir())) == 1


def test_metrics_are_strict_json(
    tmp_path: Path, case: tuple[Pairs, np.ndarray, dict[str, Reference]]
) -> None:
    pairs, score, references = case
    evaluation = evaluate(score, pairs, [0, 1, 3], references)
    path = tmp_path / "metrics.json"
    write_metrics(path, evaluation, seed=np.int64(3), loss=float("nan"), folder=tmp_path)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert found["format_version"] == 1 and found["seed"] == 3
    assert found["loss"] is None and found["folder"] == str(tmp_path)
    human, gpt4o = found["test"]["references"]
    assert human["accuracy"]["value"] == 1.0 and human["pairs"] == 1 and human["ties"] == 1
    assert gpt4o["reason"] == "no votes" and gpt4o["accuracy"]["value"] is None


def test_flat_metrics_name_what_is_known(
    case: tuple[Pairs, np.ndarray, dict[str, Reference]],
) -> None:
    pairs, score, references = case
    flat = flat_metrics(evaluate(score, pairs, [0, 1, 3], references))
    assert flat["test/human/accuracy"] == 1.0 and flat["test/pairs"] == 3
    assert "test/gpt4o/accuracy" not in flat and flat["test/gpt4o/pairs"] == 0
    assert not any(np.isnan(v) for v in flat.values())
    flag = np.array([1.0, 0.0, 0.0, 1.0])
    flagged = {"flag": replace(references["human"], image_scores=flag)}
    said = flat_metrics(evaluate(score, pairs, [0, 1, 3], flagged, has_zero=True))
    assert said["test/flag/yes_or_no_accuracy"] == pytest.approx(1 / 3)
    assert said["test/flag/yes_or_no_precision"] == said["test/flag/yes_or_no_recall"] == 0.5
    assert said["test/flag/yes_or_no_accuracy_low"] <= 1 / 3
    assert not any("yes_or_no" in name for name in flat)
    empty = Evaluation(0, 0, 0, None, (), (), (), (), (), evaluate(score, pairs, [], {}).histogram)
    assert flat_metrics(empty) == {"test/pairs": 0, "test/images": 0}
