"""First steps of every command: check its config and open its data set. No torch."""

from __future__ import annotations

import contextlib
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from interestingness.assembly.checked_before import known_defaults, remember
from interestingness.assembly.checks import check, class_defaults, effective, plain
from interestingness.assembly.unknown_options import refuse_unread
from interestingness.disk import writable_cache
from interestingness.plugins import plugin_packages
from interestingness.tables.tables import Tables


def check_config(cfg: DictConfig) -> dict[str, Any]:
    """Check a composed config against the classes that it names.

    Returns:
        The resolved config as plain values.

    Raises:
        ConfigError: for classes that are not trusted, and options that their signatures refuse or
            that nothing reads.
    """
    refuse_unread(cfg)
    config, trusted = plain(cfg), trusted_packages(cfg)
    if not cfg.get("skip_finished") or known_defaults(config, trusted) is None:
        check(config, trusted=trusted)
    return config


def effective_config(cfg: DictConfig) -> dict[str, Any]:
    """Return the plain config with the defaults of its classes; it must have been checked."""
    config, trusted = plain(cfg), trusted_packages(cfg)
    return effective(config, known_defaults(config, trusted) if cfg.skip_finished else None)


def remember_config(cfg: DictConfig) -> None:
    """Keep that this config passed the check, for jobs that are skipped."""
    config, trusted = plain(cfg), trusted_packages(cfg)
    if known_defaults(config, trusted) is None:
        with contextlib.suppress(OSError):  # it only saves time
            remember(config, trusted, class_defaults(config))


def trusted_packages(cfg: DictConfig) -> tuple[str, ...]:
    """List packages beside ours whose classes a config may name: plugins, those in ``trust``."""
    return (*plugin_packages(), *cfg.trust)


def open_dataset(cfg: DictConfig, progress: Any = None) -> Tables:
    """Create the cache folder, then prepare the data set, or open it if it is prepared.

    Args:
        cfg: composed config with ``paths.cache``, which becomes absolute, and ``dataset``.
        progress: called by data sets that take long.

    Raises:
        ConfigError: if the cache folder cannot be written to.
        DataError: for an unusable data set.
    """
    cfg.paths.cache = str(writable_cache(cfg.paths.cache))
    tables: Tables = instantiate(cfg.dataset, progress=progress)
    return tables
