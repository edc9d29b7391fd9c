"""Record a run in its folder as begun, finished, stopped or failed; find the run to resume."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from interestingness.assembly.opening import remember_config
from interestingness.assembly.prepare import RunTables
from interestingness.disk import disk_error
from interestingness.errors import ConfigError, WeightsError
from interestingness.runs import registry
from interestingness.runs.team import Team, lost_processes


def skip_finished(cfg: DictConfig, team: Team, key: str) -> Path | None:
    """Find a finished run of the same identity, if finished runs are to be skipped.

    The first process decides: another job may finish the same run between two look-ups.
    """
    runs = Path(cfg.paths.runs)
    done = team.agree(registry.find_finished(runs, key) if cfg.skip_finished else None)
    if done is not None and team.first:
        remember_config(cfg)
        registry.skip(Path(cfg.paths.run), key, typed_overrides(), done)
        print(f"a run with the same config, data and labels is finished: {done}")
    return done


@contextlib.contextmanager
def recorded(
    cfg: DictConfig, team: Team, key: str, record: Mapping[str, Any], prepared: RunTables
) -> Iterator[None]:
    """Keep the run's record while it trains.

    Args:
        cfg: composed config.
        team: the first process writes.
        key: identity of the run.
        record: its effective config.
        prepared: its tables.

    Raises:
        DiskError: in place of an error that a full disk has caused.
        KeyboardInterrupt: if the run is stopped; its message says how to go on.
    """
    run, runs = Path(cfg.paths.run), Path(cfg.paths.runs)
    try:
        if team.first:
            simulated = prepared.tables.manifest.simulated
            registry.start(run, key, typed_overrides(), {"simulated": simulated})
            registry.write_text(
                run / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(record)))
            )
        with lost_processes(team):
            yield
        if team.first:
            registry.finish(run, runs)
            remember_config(cfg)
    except BaseException as error:
        goes_on = f"go on with resume={run}" if has_checkpoint(run) else ""
        told = disk_error(error, [run, cfg.paths.cache], todo=f"then {goes_on}" if goes_on else "")
        stopped = isinstance(error, KeyboardInterrupt)
        if team.first:
            with contextlib.suppress(OSError):  # the disk may have no room for this either
                if stopped:
                    registry.stop(run)
                else:
                    registry.fail(run, told or error)
        if told is not None:
            raise told from error
        if stopped:
            raise KeyboardInterrupt(goes_on or "no checkpoint yet: start again") from None
        raise


def has_checkpoint(run: Path) -> bool:
    """Check whether a run folder has a checkpoint to go on from."""
    return (run / "checkpoints" / "last.ckpt").is_file()


def resume_from(resume: str | None, key: str) -> Path | None:
    """Find the checkpoint to resume from.

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
    """Find the checkpoint that a run folder or a file name stands for.

    Args:
        path: run folder or checkpoint file.
        best: whether to take the best epoch, where the run kept one, instead of the last.

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
    """Return what the user typed, without Hydra's own options."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def chosen(*groups: str, seed: int) -> str | None:
    """Name a run for loggers by the options chosen in these groups; None without a Hydra job."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return None
    choices = HydraConfig.get().runtime.choices
    return " ".join([*(str(choices.get(group)) for group in groups), f"seed {seed}"])
