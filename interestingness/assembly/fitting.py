"""Steps of fitting and testing. This module imports torch."""

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

from interestingness.assembly.errors import avoid_nan, translate_errors
from interestingness.assembly.parts import Model
from interestingness.data.datamodule import PairDataModule
from interestingness.errors import ConfigError
from interestingness.learning.checkpoint_file import WholeCheckpoints
from interestingness.learning.learner import CHECKPOINT_KEY, PreferenceLearner, check_shardable
from interestingness.learning.metrics import scores_by_image
from interestingness.learning.metrics_file import NAME, MetricsFile
from interestingness.learning.pair_losses import PairLoss
from interestingness.runs.checkpoints import load_checkpoint
from interestingness.schema import Pairs


def seed(cfg: DictConfig) -> None:
    """Seed all generators, and silence Lightning's warnings about settings that are intended."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    quiet_lightning()
    L.seed_everything(cfg.seed, workers=True, verbose=False)


def make_loss(cfg: DictConfig) -> PairLoss:
    """Build the config's loss.

    Raises:
        ConfigError: if it cannot be computed with sharded weights, and ``trainer`` is fsdp.
    """
    loss: PairLoss = instantiate(cfg.loss)
    if cuts_weights(cfg.trainer) and cfg.model.l2 != "auto":
        check_shardable(loss, float(cfg.model.l2))
    return loss


def make_learner(
    cfg: DictConfig,
    model: Model,
    loss: PairLoss,
    record: Mapping[str, Any],
    trained_images: str,
) -> PreferenceLearner:
    """Build the LightningModule.

    Args:
        cfg: composed config.
        model: what is trained.
        loss: from ``make_loss``.
        record: effective config, kept in the checkpoint so that the file alone suffices later.
        trained_images: from ``trained_keys``; kept there too.
    """
    return PreferenceLearner(
        model.scorer,
        optimizer=instantiate(cfg.optimizer),
        scheduler=instantiate(cfg.scheduler) if cfg.scheduler.get("_target_") else None,
        groups=instantiate(cfg.model.groups) if cfg.model.get("groups") else None,
        loss=loss,
        l2=model.l2,
        record=record,
        trained_images=trained_images,
        smaller_steps=avoid_nan(cfg),
    )


def fit(
    cfg: DictConfig,
    trainer: L.Trainer,
    learner: PreferenceLearner,
    data: PairDataModule,
    ckpt: Path | None,
) -> None:
    """Train, and resume from a checkpoint if there is one.

    Args:
        cfg: composed config.
        trainer: from ``make_trainer``.
        learner: the LightningModule.
        data: its loaders.
        ckpt: checkpoint to resume from.

        Raises:
            KeyboardInterrupt: for Ctrl-C, which Lightning turns into an exit.
    """
    if ckpt is not None:
        saved = load_checkpoint(ckpt)
        check_strategy(cfg, ckpt, saved[CHECKPOINT_KEY]["record"])
        keep_metrics(trainer, ckpt, int(saved["global_step"]))
        done = saved["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        if trainer.is_global_zero and done >= (trainer.max_epochs or 0) > 0:
            print(f"nothing is left to train: {ckpt} has had {done} epochs; it is tested again")
        del saved
    for logger in trainer.loggers:
        logger.log_hyperparams(dict(learner.record))
    try:
        with translate_errors(cfg):
            trainer.fit(learner, data, ckpt_path=ckpt, weights_only=True)
    except SystemExit:
        # The caller prints how to resume instead.
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise


def test(
    trainer: L.Trainer, learner: PreferenceLearner, data: PairDataModule, pairs: Pairs
) -> NDArray[np.float64]:
    """Score the test images with the best epoch that was kept, else with the last.

    Returns:
        Score per image of the data set in logits, NaN where it was not tested, shape (images,); the
        same in every process.
    """
    best = next((c for c in trainer.checkpoint_callbacks if getattr(c, "monitor", None)), None)
    chosen = best.best_model_path or None if isinstance(best, ModelCheckpoint) else None
    trainer.test(learner, data, ckpt_path=chosen, weights_only=True, verbose=False)
    return scores_by_image(learner.gathered_test_scores, pairs)


def keep_metrics(trainer: L.Trainer, ckpt: Path, step: int) -> None:
    """Copy the rows of the resumed run to the beginning of the metrics file.

    Args:
        trainer: with its loggers.
        ckpt: ``checkpoints/….ckpt`` of that run; for a file elsewhere nothing is copied.
        step: optimiser steps up to the checkpoint.
    """
    for logger in trainer.loggers if trainer.is_global_zero else ():
        if isinstance(logger, MetricsFile):
            logger.go_on(ckpt.absolute().parents[1] / Path(logger.log_dir).name / NAME, step)


def check_strategy(cfg: DictConfig, ckpt: Path, record: Mapping[str, Any]) -> None:
    """Refuse to shard an optimiser state that another strategy has saved in another order.

    Args:
        cfg: composed config.
        ckpt: checkpoint to resume from.
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
    """Check whether a config's ``trainer`` is fsdp."""
    strategy = trainer.get("strategy")
    return not isinstance(strategy, str | None) and strategy["_target_"].endswith(".fsdp")


def quiet_lightning() -> None:
    """Filter Lightning's warnings about settings that are intended."""
    for message in (
        ".*isinstance.treespec, LeafSpec.*",  # Lightning 2.6 with torch 2.15 (2026-11)
        ".*The dirpath has changed.*",  # a resumed run has a folder of its own
        ".*Checkpoint directory .* exists and is not empty.*",  # … or goes on in its own
        ".*in eval mode at the start of training.*",  # a frozen backbone stays there
    ):
        warnings.filterwarnings("ignore", message=message)


def make_trainer(cfg: DictConfig, *, validates: bool) -> L.Trainer:
    """Build Lightning's trainer with the config's callbacks and loggers.

    Raises:
        ConfigError: if the best epoch is to be kept but the split has no validation part.
    """
    callbacks = [instantiate(c) for c in cfg.callbacks.values() if c and c.get("_target_")]
    monitors = [c for c in callbacks if isinstance(c, ModelCheckpoint) and c.monitor]
    if monitors and not validates:
        raise ConfigError(
            f"callbacks watch {monitors[0].monitor!r}, but the split has no validation part",
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
    if cfg.optimizer["_target_"].endswith(".Optimum"):
        options["max_epochs"] = 1  # its one step solves
    with translate_errors(cfg):
        trainer: L.Trainer = instantiate(
            cfg.trainer, callbacks=callbacks, logger=loggers or False, **options
        )
    return trainer
