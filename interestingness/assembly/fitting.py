"""Fit and test: from prepared tables to a trained learner and its scores. Torch starts here."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from hydra.utils import instantiate
from lightning.pytorch.callbacks import ModelCheckpoint, ProgressBar
from numpy.typing import NDArray
from omegaconf import DictConfig

from interestingness.assembly.errors import avoid_nan, check_numbers, translate_errors
from interestingness.assembly.model import build_model
from interestingness.assembly.prepare import RunTables
from interestingness.assembly.reporting import announce, report
from interestingness.errors import ConfigError
from interestingness.learning.checkpoint_file import WholeCheckpoints
from interestingness.learning.learner import CHECKPOINT_KEY, PreferenceLearner, check_all_is_cut
from interestingness.learning.metrics import GatheredScores
from interestingness.learning.metrics_file import NAME, MetricsFile
from interestingness.progress import ProgressLine
from interestingness.runs.checkpoints import load_checkpoint
from interestingness.runs.team import Team
from interestingness.schema import Pairs


def fit(
    cfg: DictConfig,
    prepared: RunTables,
    record: Mapping[str, Any],
    ckpt: Path | None,
    team: Team,
) -> float | None:
    """Train, judge, and leave everything in the run folder.

    Args:
        cfg: composed config.
        prepared: tables, labels and split.
        record: effective config, kept in the checkpoint so that the file alone suffices later.
        ckpt: checkpoint to go on from.
        team: the ranks that train together.

    Returns:
        Accuracy against the main reference; None on ranks that do not report.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    quiet_lightning()
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    with translate_errors(cfg):
        loss = instantiate(cfg.loss)
        if cuts_weights(cfg.trainer) and cfg.model.l2 != "auto":
            check_all_is_cut(loss, float(cfg.model.l2))
        model = build_model(cfg, prepared, team, progress=ProgressLine() if team.first else None)
    learner = PreferenceLearner(
        model.scorer,
        optimizer=instantiate(cfg.optimizer),
        scheduler=instantiate(cfg.scheduler) if cfg.scheduler.get("_target_") else None,
        groups=instantiate(cfg.model.groups) if cfg.model.get("groups") else None,
        loss=loss,
        l2=model.l2,
        record=record,
        smaller_steps=avoid_nan(cfg),
    )
    trainer = make_trainer(cfg, validates=bool(prepared.split.validation.any()))
    if trainer.is_global_zero:
        announce(cfg, prepared, model)
    if ckpt is not None:
        saved = load_checkpoint(ckpt)
        check_strategy(cfg, ckpt, saved[CHECKPOINT_KEY]["record"])
        keep_metrics(trainer, ckpt, int(saved["global_step"]))
        del saved
    for logger in trainer.loggers:
        logger.log_hyperparams(dict(record))
    try:
        with translate_errors(cfg):
            trainer.fit(learner, model.data, ckpt_path=ckpt, weights_only=True)
    except SystemExit:
        # Lightning turns Ctrl-C into exit(1); the door says how to go on instead.
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    best = next((c for c in trainer.checkpoint_callbacks if getattr(c, "monitor", None)), None)
    chosen = best.best_model_path or None if isinstance(best, ModelCheckpoint) else None
    trainer.test(learner, model.data, ckpt_path=chosen, weights_only=True, verbose=False)
    if not trainer.is_global_zero:
        return None
    scores = image_scores(learner.gathered_test_scores, prepared.pairs)
    return report(cfg, prepared, model, scores, loggers=trainer.loggers)


def keep_metrics(trainer: L.Trainer, ckpt: Path, step: int) -> None:
    """Let the metrics file begin with the rows of the run that is resumed.

    Args:
        trainer: with its loggers.
        ckpt: ``checkpoints/….ckpt`` of that run; of a file elsewhere no rows are known.
        step: optimiser steps behind the checkpoint.
    """
    for logger in trainer.loggers if trainer.is_global_zero else ():
        if isinstance(logger, MetricsFile):
            logger.go_on(ckpt.absolute().parents[1] / Path(logger.log_dir).name / NAME, step)


def check_strategy(cfg: DictConfig, ckpt: Path, record: Mapping[str, Any]) -> None:
    """Refuse to cut an optimiser's state whose order the strategy would mistake for another.

    Args:
        cfg: composed config.
        ckpt: checkpoint to go on from.
        record: the config that it was trained with.

    Raises:
        ConfigError: for ``trainer=fsdp`` with a checkpoint of anything else.
    """
    if cuts_weights(cfg.trainer) and not cuts_weights(record.get("trainer") or {}):
        raise ConfigError(
            f"{ckpt}: was written without trainer=fsdp, and its optimiser cannot be cut afterwards",
            expected="a checkpoint of trainer=fsdp, with any number of ranks",
            todo="go on with trainer=ddp, or start anew with trainer=fsdp",
        )


def cuts_weights(trainer: Mapping[str, Any]) -> bool:
    """Whether a config's ``trainer`` is fsdp."""
    strategy = trainer.get("strategy")
    return not isinstance(strategy, str | None) and strategy["_target_"].endswith(".fsdp")


def quiet_lightning() -> None:
    """Leave out what Lightning says of things that are meant to be so."""
    for message in (
        ".*isinstance.treespec, LeafSpec.*",  # Lightning 2.6 with torch 2.15 (2026-11)
        ".*The dirpath has changed.*",  # a resumed run has a folder of its own
        ".*Checkpoint directory .* exists and is not empty.*",  # … or goes on in its own
        ".*in eval mode at the start of training.*",  # a frozen backbone stays there
    ):
        warnings.filterwarnings("ignore", message=message)


def image_scores(gathered: GatheredScores, pairs: Pairs) -> NDArray[np.float64]:
    """Score per image of the data set from scores per pair, NaN where it was not tested."""
    scores = np.full(len(pairs.image_ids), np.nan)
    rows = gathered["row"].astype(np.int64)
    scores[pairs.left[rows]] = gathered["left"]
    scores[pairs.right[rows]] = gathered["right"]
    return scores


def make_trainer(cfg: DictConfig, *, validates: bool) -> L.Trainer:
    """Lightning's trainer with the config's callbacks and loggers.

    Raises:
        ConfigError: if the best epoch is to be kept but the split has no validation side.
    """
    callbacks = [instantiate(c) for c in cfg.callbacks.values() if c and c.get("_target_")]
    monitors = [c for c in callbacks if isinstance(c, ModelCheckpoint) and c.monitor]
    if monitors and not validates:
        raise ConfigError(
            f"callbacks watch {monitors[0].monitor!r}, but the split has no validation side",
            expected="a split with validation pairs",
            todo="choose split=lafin_64_16_20, or callbacks=default (the last epoch is kept)",
        )
    if cfg.trainer.get("enable_progress_bar") is False:
        callbacks = [c for c in callbacks if not isinstance(c, ProgressBar)]
    loggers = [instantiate(node) for node in cfg.logger.values() if node and node.get("_target_")]
    options: dict[str, Any] = {}
    if not cfg.trainer.get("plugins"):
        options["plugins"] = [WholeCheckpoints()]
    if not validates:
        options["limit_val_batches"] = 0
    check_numbers(cfg)
    with translate_errors(cfg):
        trainer: L.Trainer = instantiate(
            cfg.trainer, callbacks=callbacks, logger=loggers or False, **options
        )
    return trainer
