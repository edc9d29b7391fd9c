"""Check that the run folder can be written, before Hydra fails with a traceback."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from typing_extensions import override

from interestingness.disk import disk_error
from interestingness.errors import ConfigError, InterestingnessError
from interestingness.runs.registry import METRICS


class TriedFirst(Callback):
    """A callback of Hydra's, called before anything is written."""

    @override
    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the folder of a run before it is made."""
        HydraConfig.instance().set_config(config)  # the folder's name may contain it
        _exit_with(refuse_taken(config))
        try_writing(config, "hydra.run.dir")

    @override
    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the folder of a sweep before it is made."""
        HydraConfig.instance().set_config(config)
        try_writing(config, "hydra.sweep.dir")


def refuse_taken(config: DictConfig) -> ConfigError | None:
    """Return the error for a name outside of ``runs/``, or of a run that this one does not resume.

    Args:
        config: with Hydra's own.
    """
    name, folder = config.get("name"), Path(str(OmegaConf.select(config, "hydra.run.dir")))
    given = any(o.startswith("hydra.run.dir=") for o in config.hydra.overrides.hydra)
    if name is None or given:
        return None
    if Path(str(name)).is_absolute() or ".." in Path(str(name)).parts:
        return ConfigError(
            f"name={name}",
            expected="the name of a folder below runs/",
            todo="hydra.run.dir=… names any folder",
        )
    resumed = Path(str(config.get("resume") or "/")).expanduser().resolve()
    done = any((folder / file).exists() for file in (METRICS, "checkpoints/last.ckpt"))
    if not done or folder.resolve() in (resumed, *resumed.parents):
        return None  # new, or failed before there was anything to lose
    return ConfigError(
        f"name={name}: {folder} has a run already",
        expected="the name of a new run",
        todo="another name" + (f", or resume={folder} to go on" if "resume" in config else ""),
    )


def _exit_with(error: InterestingnessError | None) -> None:
    """Print an error and exit: Hydra makes a warning of any other exception."""
    if error is not None:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code)


def try_writing(config: DictConfig, key: str) -> None:
    """Make a folder, write a file into it, and delete the file.

    Args:
        config: with Hydra's own.
        key: of the folder's name.

    Raises:
        SystemExit: 2, with an error printed; Hydra makes a warning of any other exception.
    """
    folder = Path(str(OmegaConf.select(config, key))).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        error.filename = str(folder)
        told = disk_error(error, [folder])
        if told is None:
            raise
        _exit_with(told)
