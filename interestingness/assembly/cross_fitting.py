"""Test a run by cross-fitting: the config's procedure, repeated without the images of each pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig

from interestingness.assembly.model import inner_groups
from interestingness.assembly.parts import Model
from interestingness.assembly.prepare import RunTables
from interestingness.evaluation.predicted import Predicted
from interestingness.learning.cross_fitting import LinearProcedure, cross_fitted
from interestingness.learning.linear_solver.recipe import Recipe
from interestingness.progress import ProgressLine
from interestingness.schema import Array


def cross_fit_run(cfg: DictConfig, prepared: RunTables, model: Model) -> Predicted:
    """Predict every test pair by heads that saw neither of its images.

    Args:
        cfg: composed config; ``why_no_cross_fit`` has nothing against it.
        prepared: tables, labels and a split with folds.
        model: with the features of its images.
    """
    folds = prepared.split.folds
    assert folds is not None and model.features is not None
    source, pairs = prepared.source, prepared.pairs

    def labels_of(rows: NDArray[np.int64]) -> tuple[Array, Array]:
        labels = source.fit(pairs[rows]).labels(pairs)
        return labels.target, labels.weight

    progress = ProgressLine("cross-fitting")
    try:
        found = cross_fitted(
            model.features,
            pairs,
            folds,
            model.rows["test"],
            labels_of,
            procedure_of(cfg, prepared),
            progress=progress,
        )
    finally:
        progress.close()
        source.fit(pairs[prepared.split.train])  # it is a reference too, then with all pairs
    return Predicted(found.score, found.margin, found.margins, found.trained)


def procedure_of(cfg: DictConfig, prepared: RunTables) -> LinearProcedure:
    """Read how the run fits its head: by Adam's steps without L2, else to the optimum with L2."""
    l2, recipe = cfg.model.l2, None
    if l2 == 0:
        lr, size = float(cfg.optimizer.lr), int(cfg.data.batch_size)
        recipe = Recipe(int(cfg.trainer.max_epochs), lr, size, int(cfg.seed))
    return LinearProcedure(
        cfg.model.scaling,
        None if l2 == "auto" else float(l2),
        recipe,
        int(cfg.seed),
        inner_groups(cfg, prepared),
    )
