"""The command line of one Hydra job, and what a process needs to run it. Light: imported first."""

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
# What a sweep itself is told; a job of it must not sweep in its turn.
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
    """Program and arguments that run one job with this interpreter and this package.

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
    """The override with which a job writes into a folder of our choice."""
    return f"hydra.run.dir={quoted(str(folder))}"


def quoted(value: str) -> str:
    """A value that Hydra's grammar reads back as this very text."""
    escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value)
    return f"'{escaped}'"


def job_environment(environment: Mapping[str, str], *, processes: int) -> dict[str, str]:
    """Variables of a job that this process starts.

    Args:
        environment: what the user has set goes before what is set here.
        processes: jobs or processes at a time, which share the cores.
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
    """End this process soon after the one that started it, however that one ended.

    Nothing happens where neither we nor torchrun started it.

    Args:
        poll_s: seconds between two looks at the parent.
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
