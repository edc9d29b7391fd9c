"""Write a run's results for other programs: predictions as Parquet, metrics as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from interestingness.disk import appear
from interestingness.errors import DataError
from interestingness.evaluation.predicted import Predicted, sigmoid
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import Evaluation
from interestingness.labels.source import Labels
from interestingness.schema import Array, Pairs

METRICS_VERSION = 1
"""Version of metrics.json; raised when a name in it changes its meaning."""


def pair_predictions(
    score: Array | Predicted,
    pairs: Pairs,
    split: Sequence[str] | NDArray[np.object_],
    references: Mapping[str, Reference],
) -> pa.Table:
    """Return one row per pair: ids, part of the split, prediction, references' preferences.

    Args:
        score: in logits, NaN where an image has none, shape (images,); or predictions of pairs.
        pairs: all pairs.
        split: "train", "test", … per pair, shape (pairs,).
        references: by name; a source that cannot be read becomes a column of nulls.

    Returns:
        Columns pair_id, left, right, split, margin, probability (that left is preferred) and one
        named ``preference_<reference>`` for each; NaN is null.

    Raises:
        DataError: if there is not one split name per pair.
    """
    _check_length(len(split), len(pairs), "pair")
    margin = (score if isinstance(score, Predicted) else Predicted.of(score, pairs)).margin
    columns: dict[str, pa.Array] = {
        "pair_id": pa.array(pairs.pair_ids, pa.string()),
        "left": pa.array(pairs.image_ids[pairs.left], pa.string()),
        "right": pa.array(pairs.image_ids[pairs.right], pa.string()),
        "split": pa.array(list(split), pa.string()),
        "margin": _numbers(margin),
        "probability": _numbers(sigmoid(margin)),
    }
    for name, reference in references.items():
        labels = reference.labels or Labels.of(np.full(len(pairs), np.nan))
        columns[f"preference_{name}"] = _numbers(labels.preference)
    return pa.table(columns)


def image_predictions(
    score: Array, image_ids: NDArray[np.object_], split: Sequence[str] | NDArray[np.object_]
) -> pa.Table:
    """Return one row per image: image_id, score in logits (null if absent) and split.

    Raises:
        DataError: if there is not one split name per image.
    """
    _check_length(len(split), len(image_ids), "image")
    return pa.table(
        {
            "image_id": pa.array(image_ids, pa.string()),
            "score": _numbers(score),
            "split": pa.array(list(split), pa.string()),
        }
    )


def write_predictions(path: str | Path, table: pa.Table) -> None:
    """Write Parquet atomically."""
    appear(Path(path), lambda at: pq.write_table(table, at, compression="zstd"))


def metrics(evaluation: Evaluation, **facts: Any) -> dict[str, Any]:
    """Return the evaluation as JSON values with a format version; NaN and infinities are None.

    Args:
        evaluation: what was measured on the test pairs.
        facts: further values for the record (data set, label source, seeds, seconds, …).
    """
    return _plain({"format_version": METRICS_VERSION, **facts, "test": evaluation})


def write_metrics(path: str | Path, evaluation: Evaluation, **facts: Any) -> None:
    """Write ``metrics`` as JSON atomically."""
    text = json.dumps(metrics(evaluation, **facts), indent=1, ensure_ascii=False, allow_nan=False)
    appear(Path(path), lambda at: at.write_text(text + "\n", encoding="utf-8"))


def flat_metrics(evaluation: Evaluation) -> dict[str, float]:
    """Return numbers for a logger, e.g. ``test/human/accuracy``, without those that are None."""
    found: dict[str, float] = {"test/pairs": evaluation.pairs, "test/images": evaluation.images}
    for result in evaluation.references:
        values: dict[str, float | None] = {
            "pairs": result.pairs,
            "accuracy": result.accuracy.value,
            "accuracy_low": result.accuracy.low,
            "accuracy_high": result.accuracy.high,
            "spearman": result.spearman,
            "kendall": result.kendall,
            "ece": result.ece,
            "brier": result.brier,
            "average_precision": result.average_precision,
            "ndcg": result.ndcg,
            "one_person": result.one_person.accuracy if result.one_person else None,
        }
        if (inside := result.within_series) is not None:
            values |= {
                "within_series_pairs": inside.pairs,
                "within_series_accuracy": inside.accuracy.value,
                "within_series_accuracy_low": inside.accuracy.low,
                "within_series_accuracy_high": inside.accuracy.high,
            }
        if (said := result.yes_or_no) is not None:
            values |= {
                "yes_or_no_accuracy": said.accuracy.value,
                "yes_or_no_accuracy_low": said.accuracy.low,
                "yes_or_no_accuracy_high": said.accuracy.high,
                "yes_or_no_precision": said.precision,
                "yes_or_no_recall": said.recall,
            }
        for key, value in values.items():
            if value is not None:
                found[f"test/{result.name}/{key}"] = float(value)
    return found


def _plain(value: Any) -> Any:
    """Convert dataclasses, numpy values and paths to JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    return str(value)


def _numbers(values: Array) -> pa.Array:
    return pa.array(np.asarray(values, dtype=np.float64), pa.float64(), from_pandas=True)


def _check_length(found: int, expected: int, unit: str) -> None:
    if found != expected:
        raise DataError(
            f"{found} split names for {expected} {unit}s",
            expected=f"one per {unit}",
            todo="pass the split of the same data set",
        )
