"""Train a model or evaluate a checkpoint: from a composed config to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from interestingness.assembly.checks import identity
from interestingness.assembly.opening import effective_config, open_dataset
from interestingness.assembly.prepare import label_pairs, split_pairs
from interestingness.assembly.processes import in_processes
from interestingness.assembly.run_record import (
    checkpoint_of,
    chosen,
    recorded,
    resume_from,
    skip_finished,
)
from interestingness.evaluation.predicted import Predicted
from interestingness.progress import ProgressLine
from interestingness.runs.team import Team


@in_processes
def train(cfg: DictConfig, team: Team) -> dict[str, Any]:
    """Tables → split → labels → model → fit → evaluate → report.

    Args:
        cfg: composed ``conf/train.yaml``.
        team: the processes that train together; the first one reports.

    Returns:
        What a sweep's table needs: ``{"run", "status", "accuracy"}``.
    """
    if cfg.resume is not None:  # refused before data are read, if there is nothing to resume
        checkpoint_of(Path(cfg.resume).expanduser(), best=False)
    name = cfg.run_name or cfg.name
    cfg.run_name = name or chosen("dataset", "label_source", "model", seed=cfg.seed)
    tables = open_dataset(cfg, ProgressLine("preparing the data set"))
    split = split_pairs(cfg, tables)
    prepared = label_pairs(cfg, tables, split)

    record = effective_config(cfg)
    key = identity(record, prepared.fingerprints(record["model"]))
    done = skip_finished(cfg, team, key)
    if done is not None:
        return {"run": str(done), "status": "skipped", "accuracy": None}
    # Before anything is written: the run's folder may be the one that it resumes.
    ckpt = team.agree(resume_from(cfg.resume, key))

    # Torch is imported here: a finished job of a sweep ends within seconds.
    from interestingness.assembly.cross_fitting import cross_fit_run
    from interestingness.assembly.errors import translate_errors
    from interestingness.assembly.fitting import (
        fit,
        make_learner,
        make_loss,
        make_trainer,
        seed,
        test,
    )
    from interestingness.assembly.model import build_model
    from interestingness.assembly.reporting import (
        announce,
        compare_scores,
        read_references,
        report,
    )
    from interestingness.assembly.trained_images import trained_keys
    from interestingness.models.weights import find_weights

    backbone = record["model"].get("backbone") or {}
    if "weights" in backbone:  # found from any folder later
        backbone["weights"] = find_weights(backbone["weights"], Path(cfg.paths.run))
    accuracy = None
    with recorded(cfg, team, key, record, prepared):
        seed(cfg)
        with translate_errors(cfg):
            loss = make_loss(cfg)
            model = build_model(cfg, prepared, team)
        trained = team.agree(trained_keys(cfg, tables, model.rows) if team.first else "")
        learner = make_learner(cfg, model, loss, record, trained)
        trainer = make_trainer(cfg, validates=bool(split.validation.any()))
        if team.first:
            announce(cfg, prepared, model)
        fit(cfg, trainer, learner, model.data, ckpt)
        if said := learner.convergence().sentence():
            model.notes.append(said)
            if team.first:
                print(f"fit: {said}", flush=True)
        if split.folds is None:
            scores = test(trainer, learner, model.data, prepared.pairs)
            predicted = Predicted.of(scores, prepared.pairs)
        elif team.first:
            predicted = cross_fit_run(cfg, prepared, model)
        if team.first:
            references = read_references(prepared)
            evaluation = compare_scores(cfg, prepared, model, predicted, references)
            accuracy = report(
                cfg, prepared, model, predicted, references, evaluation, loggers=trainer.loggers
            )
    return {"run": cfg.paths.run, "status": "finished", "accuracy": accuracy}


@in_processes
def evaluate(cfg: DictConfig, team: Team) -> dict[str, Any]:
    """Checkpoint → tables → split → labels → scores → evaluate → report.

    Args:
        cfg: composed ``conf/evaluate.yaml``.
        team: the processes that share the encoding of images; the first one reports.

    Returns:
        ``{"run", "status", "accuracy"}``.
    """
    file = checkpoint_of(Path(cfg.ckpt).expanduser(), best=True)

    from interestingness.assembly.cross_fitting import cross_fit_run
    from interestingness.assembly.reporting import (
        announce,
        compare_scores,
        read_references,
        report,
    )
    from interestingness.assembly.restoring import merged_config, restored_scores
    from interestingness.assembly.trained_images import unseen_split
    from interestingness.learning.learner import CHECKPOINT_KEY
    from interestingness.runs.checkpoints import load_checkpoint

    checkpoint = load_checkpoint(file)
    asked, cfg = cfg, merged_config(checkpoint, cfg)
    tables = open_dataset(cfg)
    split = split_pairs(cfg, tables)
    if asked.get("dataset") or asked.get("split"):
        split = unseen_split(asked, tables, split, checkpoint[CHECKPOINT_KEY])
    prepared = label_pairs(cfg, tables, split, learn=split.folds is not None)

    accuracy = None
    model, scores = restored_scores(cfg, checkpoint, file, prepared, team)
    if team.first:
        announce(cfg, prepared, model)
        predicted = Predicted.of(scores, prepared.pairs)
        if split.folds is not None:  # as its run was tested: the checkpoint has seen every pair
            predicted = cross_fit_run(cfg, prepared, model)
        references = read_references(prepared)
        evaluation = compare_scores(cfg, prepared, model, predicted, references)
        accuracy = report(cfg, prepared, model, predicted, references, evaluation)
    return {"run": cfg.paths.run, "status": "finished", "accuracy": accuracy}
