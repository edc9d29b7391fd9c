"""The run folder's files: metrics.json, predictions, scores of images, and the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from interestingness.assembly.parts import Model
from interestingness.assembly.prepare import RunTables
from interestingness.evaluation.predicted import Predicted
from interestingness.evaluation.predictions import (
    image_predictions,
    pair_predictions,
    write_metrics,
    write_predictions,
)
from interestingness.evaluation.reference import Reference
from interestingness.evaluation.results import Evaluation
from interestingness.labels.mix import MixSource


def write_tables(
    run: Path,
    cfg: DictConfig,
    prepared: RunTables,
    model: Model,
    predicted: Predicted,
    evaluation: Evaluation,
    references: Mapping[str, Reference],
) -> None:
    """Write predictions of test pairs, scores of test images, then metrics.json."""
    rows = model.rows["test"]
    tested = {name: _rows_of(reference, rows) for name, reference in references.items()}
    pairs = prepared.pairs[rows]
    write_predictions(
        run / "predictions.parquet",
        pair_predictions(predicted.of_pairs(rows), pairs, ["test"] * len(pairs), tested),
    )
    scores, seen = predicted.score, ~np.isnan(predicted.score)
    write_predictions(
        run / "image_scores.parquet",
        image_predictions(scores[seen], prepared.pairs.image_ids[seen], ["test"] * int(seen.sum())),
    )
    manifest = prepared.tables.manifest
    write_metrics(
        run / "metrics.json",
        evaluation,
        data=manifest.name,
        simulated=manifest.simulated,
        label_source=prepared.source.name,
        label_facts=prepared.labels.facts,
        mix=prepared.source.comparison() if isinstance(prepared.source, MixSource) else None,
        split=prepared.split.facts,
        cross_fit_training_pairs=None if predicted.repeated is None else predicted.trained,
        usable_pairs={part: len(r) for part, r in model.rows.items()},
        absent_references=prepared.absent,
        l2=model.l2,
        skipped_images=model.skips.reasons if model.skips is not None else {},
        seed=cfg.get("seed"),
    )


def _rows_of(reference: Reference, rows: NDArray[np.int64]) -> Reference:
    labels = reference.labels
    if labels is None:
        return reference
    chosen = type(labels)(
        labels.preference[rows], labels.weight[rows], labels.consensus[rows], labels.facts
    )
    return Reference(chosen, reference.reason, None, None, reference.learnt)
