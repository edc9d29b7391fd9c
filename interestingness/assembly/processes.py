"""One job in one or several processes: started here, or joined where we were started."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from omegaconf import DictConfig

from interestingness.assembly.opening import check_config
from interestingness.runs.starting import processes_here, start
from interestingness.runs.team import Team, join, lost_ranks, world_of

Job = Callable[[DictConfig], dict[str, Any]]


def in_processes(name: str) -> Callable[[Callable[[DictConfig, Team], dict[str, Any]]], Job]:
    """Let a job run in as many processes as its config's ``trainer`` wants on this machine.

    Args:
        name: of the job, by which a started process knows what to do.

    Returns:
        A decorator: the job takes a checked config and its team, the result a composed config.
    """

    def decorate(job: Callable[[DictConfig, Team], dict[str, Any]]) -> Job:
        @wraps(job)
        def run(cfg: DictConfig) -> dict[str, Any]:
            trainer = check_config(cfg).get("trainer") or {}
            here = processes_here(trainer)
            if here > 1 and world_of() is None:
                return start(cfg, name, here)
            team = join(trainer, here)
            with lost_ranks(team):
                if not team.first:  # the first process tells what all do
                    logging.getLogger("interestingness").setLevel(logging.WARNING)
                cfg.paths.run = team.agree(cfg.paths.run)
                return job(cfg, team)

        return run

    return decorate
