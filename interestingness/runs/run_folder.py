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


class TriedFirst(Callback):
    """A callback of Hydra's, called before anything is written."""

    @override
    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the folder of a run before it is made."""
        HydraConfig.instance().set_config(config)  # the folder's name may contain it
        try_writing(config, "hydra.run.dir")

    @override
    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the folder of a sweep before it is made."""
        HydraConfig.instance().set_config(config)
        try_writing(config, "hydra.sweep.dir")


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
        told = disk_error(error)
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        raise SystemExit(told.exit_code) from None
