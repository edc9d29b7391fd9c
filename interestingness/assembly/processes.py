"""Run one job in one or several processes: start them here, or join those of a launcher."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from omegaconf import DictConfig

from interestingness.assembly.opening import check_config
from interestingness.assembly.which_command import refuse_study
from interestingness.runs.processes import processes_here, run_again
from interestingness.runs.team import Team, join, lost_processes, world_of

Job = Callable[[DictConfig], dict[str, Any]]


def in_processes(job: Callable[[DictConfig, Team], dict[str, Any]]) -> Job:
    """Run a job in as many processes as its config's ``trainer`` wants on this machine.

    Args:
        job: takes a checked config and its team.

    Returns:
        The same job as a function of a composed config, which it checks.
    """

    @wraps(job)
    def run(cfg: DictConfig) -> dict[str, Any]:
        refuse_study(cfg)
        trainer = check_config(cfg).get("trainer") or {}
        here = processes_here(trainer)
        if here > 1 and world_of() is None:
            return run_again(cfg, here)
        team = join(trainer, here)
        with lost_processes(team):
            if not team.first:  # only the first process prints, for all
                logging.getLogger("interestingness").setLevel(logging.WARNING)
            cfg.paths.run = team.agree(cfg.paths.run)
            return job(cfg, team)

    return run
