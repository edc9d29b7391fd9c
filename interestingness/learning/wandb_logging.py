"""Weights & Biases: logs offline if there is no key."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import wandb
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from interestingness.errors import ConfigError

INIT_TIMEOUT_S = 30.0


class RunLogger(WandbLogger):
    """Lightning's W&B logger, which without a key logs offline and prints that.

    ``WANDB_MODE`` in the environment and ``wandb offline`` take precedence. A sweep sets
    ``WANDB_RUN_GROUP`` to its name, so that its runs are grouped.
    """

    def __init__(
        self,
        *,
        save_dir: str,
        project: str,
        name: str | None = None,
        pictures: bool,
        **options: Any,
    ) -> None:
        """Decide between online and offline; the W&B run starts with the first logged value.

        Args:
            save_dir: files go to ``wandb/`` below it.
            project: name of the W&B project.
            pictures: whether thumbnails of images are sent, alone and in the page.
            name: of the run; in a sweep the job's short name is appended (``WANDB_JOB_NAME``).
            options: further arguments of ``wandb.init``, e.g. ``entity`` and ``tags``.
        """
        # W&B's helper process reports its own errors to W&B, even in offline runs.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self.pictures = pictures
        first = getattr(rank_zero_only, "rank", 0) == 0
        if first:
            Path(save_dir).mkdir(parents=True, exist_ok=True)
            if (mode := choose_mode()) is not None:
                options = {"mode": mode, **options}
                print(
                    f" W&B: no key, so this run is logged offline below {save_dir}/wandb; "
                    "`wandb login`, then `wandb sync` sends it",
                    flush=True,
                )
            elif pictures and sends():
                print(
                    f" W&B: thumbnails of the images in the report are sent to "
                    f"{wandb.setup().settings.base_url}; logger.wandb.pictures=false sends none",
                    flush=True,
                )
        job = os.environ.get("WANDB_JOB_NAME")
        if name is not None and job:
            name = f"{name} {job}"
        # W&B's copy of the console output would be full of progress lines.
        settings = wandb.Settings(
            console="off", init_timeout=INIT_TIMEOUT_S, quiet=True, silent="mode" in options
        )
        super().__init__(
            name=name, save_dir=save_dir, project=project, **{"settings": settings, **options}
        )
        # Lightning passes an option that W&B has removed and warns about.
        self._wandb_init.pop("anonymous", None)

    @property
    @rank_zero_experiment
    @override
    def experiment(self) -> Any:
        """The W&B run, started at the first access.

        Raises:
            ConfigError: if W&B cannot be reached, or refuses the key.
        """
        try:
            return super().experiment
        except wandb.errors.Error as error:
            raise ConfigError(
                f"W&B cannot start a run: {str(error).splitlines()[0]}",
                expected="a network and a key from https://wandb.ai/authorize, or offline logging",
                todo="set WANDB_MODE=offline (and `wandb sync` later), or logger=csv",
            ) from error

    @override
    def finalize(self, status: str) -> None:
        """End the run at once if training failed; one that went well ends in ``log_report``."""
        super().finalize(status)
        if status != "success":
            self.finish(exit_code=1)

    @rank_zero_only
    def finish(self, exit_code: int = 0) -> None:
        """End the run and wait until it is on disk, or online."""
        if self._experiment is not None:
            self._experiment.finish(exit_code=exit_code)


def sends() -> bool:
    """Check whether a run goes to the server at once: the user may have chosen another mode."""
    mode = os.environ.get("WANDB_MODE") or wandb.setup().settings.mode
    return mode in {"online", "shared"}


def choose_mode() -> str | None:
    """ "offline" if the user has chosen no mode and there is no key; None leaves the choice to W&B.

    ``wandb.init`` without a key raises an error if there is no terminal to ask for one.
    """
    settings = wandb.setup().settings
    if os.environ.get("WANDB_MODE") or settings.mode != "online":
        return None
    return None if has_key(settings.base_url, settings.api_key) else "offline"


def has_key(base_url: str, configured: str | None = None) -> bool:
    """Whether W&B will find a key: environment, settings, or the file of ``wandb login``.

    We read the file because ``wandb.login`` needs the network.

    Args:
        base_url: of the server.
        configured: key in W&B's settings files.
    """
    if configured or os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    named = os.environ.get("NETRC")
    files = [named] if named else ["~/.netrc", "~/_netrc"]
    file = next((f for name in files if (f := Path(name).expanduser()).is_file()), None)
    if file is None:
        return False
    hosts = {urlsplit(base_url).netloc}
    if base_url == wandb.Settings.model_fields["base_url"].default:
        hosts.add("api.wandb.ai")  # keys stored under the old address still work
    try:
        known = netrc.netrc(file)
    except (netrc.NetrcParseError, OSError):
        return False
    return any(known.authenticators(host) for host in hosts)
