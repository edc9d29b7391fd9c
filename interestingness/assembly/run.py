"""A training run and a judging run, from a composed config to a run folder."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from interestingness.assembly.checks import check, effective, identity, plain
from interestingness.assembly.prepare import prepare
from interestingness.assembly.which_command import refuse_study
from interestingness.disk import disk_error
from interestingness.errors import ConfigError, WeightsError
from interestingness.plugins import plugin_packages
from interestingness.progress import ProgressLine
from interestingness.runs import registry
from interestingness.runs.starting import processes_here, start
from interestingness.runs.team import Team, join, lost_ranks, world_of

log = logging.getLogger(__name__)


def train(cfg: DictConfig) -> dict[str, Any]:
    """Compose → prepare → fit → test → report.

    Args:
        cfg: composed ``conf/train.yaml``.

    Returns:
        What a sweep's table needs: ``{"run", "status", "accuracy"}``.
    """
    refuse_study(cfg)
    cfg.run_name = cfg.run_name or chosen("dataset", "label_source", "model", seed=cfg.seed)
    config = plain(cfg)
    check(config, trusted=(*plugin_packages(), *cfg.trust))
    here = processes_here(config["trainer"])
    if here > 1 and world_of() is None:
        return start(cfg, "train", here)
    team = join(config["trainer"], here)
    with lost_ranks(team):
        return _train(cfg, team)


def _train(cfg: DictConfig, team: Team) -> dict[str, Any]:
    if not team.first:  # it tells what all do
        logging.getLogger("interestingness").setLevel(logging.WARNING)
    cfg.paths.run = team.agree(cfg.paths.run)
    config = plain(cfg)
    run, runs = Path(cfg.paths.run), Path(cfg.paths.runs)
    overrides = typed_overrides()
    prepared = prepare(cfg, progress=ProgressLine("preparing the data set"))
    full = effective(config)
    key = identity(full, prepared.fingerprints(full["model"]))
    simulated = prepared.tables.manifest.simulated
    # Rank 0 decides: another job may finish the same run between one look and the next.
    done = team.agree(registry.find_finished(runs, key) if cfg.skip_finished else None)
    if done is not None:
        if team.first:
            registry.skip(run, key, overrides, done)
            print(f"a run with the same config, data and labels is finished: {done}")
        return {"run": str(done), "status": "skipped", "accuracy": None}

    # No image was read and no network built so far: a finished job of a sweep ends within seconds.
    from interestingness.assembly.fitting import fit

    # Before anything is written: the run's folder may be the one that it goes on from.
    ckpt = team.agree(resume_from(cfg.resume, key))
    try:
        if team.first:
            registry.start(run, key, overrides, {"simulated": simulated})
            registry.write_text(run / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(full)))
        with lost_ranks(team):
            result = fit(cfg, prepared, full, ckpt, team)
        if team.first:
            registry.finish(run, runs)
    except BaseException as error:
        whole = (run / "checkpoints" / "last.ckpt").is_file()
        told = disk_error(
            error, [run, cfg.paths.cache], todo=f"then resume={run} goes on" if whole else ""
        )
        if team.first:
            with contextlib.suppress(OSError):  # the disk may have no room for this either
                registry.fail(run, told or error)
            if isinstance(error, KeyboardInterrupt):
                print(f"interrupted; go on with resume={run}", file=sys.stderr)
        if told is not None:
            raise told from error
        raise
    return {"run": str(run), "status": "finished", "accuracy": result}


def evaluate(cfg: DictConfig) -> dict[str, Any]:
    """Judge a checkpoint by every reference.

    Args:
        cfg: composed ``conf/evaluate.yaml``.

    Returns:
        ``{"run", "status", "accuracy"}``.
    """
    config = plain(cfg)
    trusted = (*plugin_packages(), *cfg.trust)
    check(config, trusted=trusted)
    file = checkpoint_of(Path(cfg.ckpt).expanduser(), best=True)
    trainer = config.get("trainer") or {}
    here = processes_here(trainer)
    if here > 1 and world_of() is None:
        return start(cfg, "evaluate", here)
    team = join(trainer, here)
    with lost_ranks(team):
        cfg.paths.run = team.agree(cfg.paths.run)

        from interestingness.assembly.judging import judge

        accuracy = judge(cfg, file, team, trusted=trusted)
    return {"run": cfg.paths.run, "status": "finished", "accuracy": accuracy}


def resume_from(resume: str | None, key: str) -> Path | None:
    """The checkpoint to go on from.

    Args:
        resume: a run folder or a checkpoint file; None starts anew.
        key: identity of this run; a run folder must have the same.

    Raises:
        WeightsError: if there is no checkpoint.
        ConfigError: if the run folder is of another config, data set or labels.
    """
    if resume is None:
        return None
    path = Path(resume).expanduser()
    record = registry.read(path) if path.is_dir() else None
    if record is not None and record.get("identity") != key:
        raise ConfigError(
            f"{path}: was started with another config, data or labels "
            f"(identity {record.get('identity')}, this run has {key})",
            expected="the same overrides as the first time",
            todo=f"repeat them: {' '.join(record.get('overrides', [])) or '(none)'}",
        )
    return checkpoint_of(path, best=False)


def checkpoint_of(path: Path, *, best: bool) -> Path:
    """The checkpoint that a run folder or a file name stands for.

    Args:
        path: of either.
        best: the best epoch, where the run kept one, rather than the last.

    Raises:
        WeightsError: if there is none.
    """
    folder = path / "checkpoints"
    file = folder / "last.ckpt" if path.is_dir() else path
    if best and path.is_dir() and (folder / "best.ckpt").is_file():
        file = folder / "best.ckpt"
    if not file.is_file():
        raise WeightsError(
            f"{path}: no checkpoint there",
            expected="a run folder with checkpoints/last.ckpt, or a checkpoint file",
            todo="name a run folder below runs/, or a .ckpt file",
        )
    return file


def typed_overrides() -> list[str]:
    """What the user typed, without Hydra's own options."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def chosen(*groups: str, seed: int) -> str | None:
    """A name for loggers: the options chosen in these groups; None where Hydra runs no job."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return None
    choices = HydraConfig.get().runtime.choices
    return " ".join([*(str(choices.get(group)) for group in groups), f"seed {seed}"])
