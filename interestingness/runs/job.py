"""Command line and environment of one Hydra job. Light imports: this is imported first."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig

PARENT = "INTERESTINGNESS_PARENT"
"""Variable with the id of the process that started this one and without which it must not go on."""
COMMANDS = {"train": "train", "evaluate": "evaluate", "study": "evaluate"}
"""Name of a config → command that composes it."""
# Options of the sweep itself; its jobs must not sweep again.
SWEEP_ONLY = (
    "hydra.mode",
    "hydra.sweep.",
    "hydra.sweeper",
    "hydra.launcher",
    "hydra/sweeper",
    "hydra/launcher",
    "hydra.run.dir",
)


def job_command(hydra: DictConfig, arguments: Sequence[str]) -> list[str]:
    """Build the command that runs one job with this interpreter and this package.

    Args:
        hydra: Hydra's own config, of a job or of the sweep that the job belongs to.
        arguments: overrides of the job; where one option is named twice the later one counts.
    """
    name = str(hydra.job.config_name)
    found = [sys.executable, "-m", "interestingness", COMMANDS.get(name, "train")]
    if name not in COMMANDS:
        found += ["--config-name", name]
    for source in hydra.runtime.config_sources:
        if source.schema == "file" and source.provider in {"main", "command-line"}:
            flag = "--config-path" if source.provider == "main" else "--config-dir"
            found += [flag, str(source.path)]
    found += [o for o in hydra.overrides.hydra if not o.startswith(SWEEP_ONLY)]
    found += [o for o in arguments if not o.lstrip("+~").startswith(SWEEP_ONLY)]
    return [*found, "hydra.mode=RUN"]


def run_folder(folder: Path) -> str:
    """Write the override that sets the run folder of a job."""
    return f"hydra.run.dir={quoted(str(folder))}"


def quoted(value: str) -> str:
    """Quote a text so that Hydra's grammar reads it back unchanged."""
    escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value)
    return f"'{escaped}'"


def job_environment(environment: Mapping[str, str], *, processes: int) -> dict[str, str]:
    """Set the environment variables of a job that this process starts.

    Args:
        environment: what the user has set takes precedence.
        processes: jobs or processes that run at a time and share the cores.
    """
    found = {**environment, PARENT: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    if processes > 1:  # processes that each take every core slow each other down
        found.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    package_home = str(Path(__file__).parents[2])
    if sys.path[0] == package_home:
        # A clone that is not installed: its script found the package beside itself.
        found["PYTHONPATH"] = os.pathsep.join(
            filter(None, [package_home, environment.get("PYTHONPATH")])
        )
    return found


def end_with_parent(*, poll_s: float = 0.5) -> None:
    """End this process soon after its parent has ended, for whatever reason.

    Nothing happens where neither we nor torchrun started it.

    Args:
        poll_s: seconds between two checks of the parent.
    """
    named = os.environ.pop(PARENT, None)
    if named is None and "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    parent = int(named) if named else os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(poll_s)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)  # with the processes that read data for it
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="parent").start()
