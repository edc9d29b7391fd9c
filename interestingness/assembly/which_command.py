"""Check whether a composed config is for training or for a study: experiments may be either."""

from __future__ import annotations

from shlex import join

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from interestingness.errors import ConfigError

OF_TRAINING = ("optimizer", "scheduler", "loss", "label_source", "callbacks")
"""Groups that a study does not read."""


def refuse_study(cfg: DictConfig) -> None:
    """Check that a config is for a training run.

    Raises:
        ConfigError: if the command line or its experiment chose a study.
    """
    if cfg.get("study") is None:
        return
    study, experiment = _choice("study"), _choice("experiment")
    chosen = f"study={study}"
    if experiment is not None:
        chosen = f"experiment={experiment}, which serves the study {study}"
    raise ConfigError(
        f"{chosen}: train.py runs no studies",
        expected="a training run, or a study of evaluate.py",
        todo=_evaluate(),
    )


def need_study(cfg: DictConfig) -> None:
    """Check that a config is for a study.

    Raises:
        ConfigError: if neither the command line nor its experiment chose a study, or if they chose
            a group that only a training run has.
    """
    if cfg.get("study") is None:
        studies = GlobalHydra.instance().config_loader().get_group_options("study")
        experiment = _choice("experiment")
        raise ConfigError(
            "no study" if experiment is None else f"experiment={experiment} names no study",
            expected=f"a study: {', '.join(studies)}",
            todo=_evaluate("study=NAME"),
        )
    if unread := [group for group in OF_TRAINING if cfg.get(group)]:
        raise ConfigError(
            f"study={_choice('study')} with {', '.join(unread)}, which only a training run has",
            expected="options of a study: how it learns is one of its own",
            todo="leave them out, or the model or experiment that brings them; what is learnt from "
            "is named by +label_source@sources.mine=NAME",
        )


def _evaluate(*more: str) -> str:
    """Write the command for evaluate.py with the same options."""
    typed = [o for o in HydraConfig.get().overrides.task if not o.startswith("skip_finished=")]
    return join(["python", "evaluate.py", *more, *typed])


def _choice(group: str) -> str | None:
    option: str | None = HydraConfig.get().runtime.choices.get(group)
    return option
