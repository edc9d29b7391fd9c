"""First steps of every command: check its config and open its data set. No torch."""

from __future__ import annotations

from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from interestingness.assembly.checks import check, plain
from interestingness.disk import writable_cache
from interestingness.plugins import plugin_packages
from interestingness.tables.tables import Tables


def check_config(cfg: DictConfig) -> dict[str, Any]:
    """Check a composed config against the classes that it names.

    Returns:
        The resolved config as plain values.

    Raises:
        ConfigError: for classes that are not trusted, or options that their signatures refuse.
    """
    config = plain(cfg)
    check(config, trusted=trusted_packages(cfg))
    return config


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
